"""From a model and an image to `Detections`: place, forward, decode, threshold, suppress, map back, clip."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from minidet.data.image import load_image
from minidet.data.letterbox import Placement, letterbox, stretch
from minidet.data.names import default_names
from minidet.data.resize import check_image
from minidet.detections import Detections
from minidet.errors import InputError

if TYPE_CHECKING:
    from minidet.plan import Plan

PLACEMENTS = ("stretch", "letterbox")
LABELS = ("multi", "best")
NMS_KINDS = ("iou", "greedynms", "diounms", "cfg")

# Network pixels. A box may be decoded as infinitely wide (exp of a large logit); it is cut to this before its overlaps
# are computed, in which squares must stay finite. No network input is anywhere near it.
FARTHEST = np.float32(1e6)

#: The IoU of suppression where the model has none of its own.
NMS = 0.45

DAMAGED = "the weights are damaged, or are not those of this network"


class DetectionError(InputError):
    """The network's output cannot be read as boxes."""


def detect(
    model: Any,
    image: np.ndarray | str | os.PathLike[str],
    *,
    score: float = 0.25,
    nms: float | None = None,
    names: Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
    placement: str | None = None,
    resize: str = "half_pixel",
    rounding: str = "darknet",
    fill: float = 0.5,
    inverse: str = "exact",
    labels: str = "multi",
    nms_kind: str = "iou",
    per_class: int | None = None,
    most: int | None = None,
    path: str | None = None,
    plan: Plan | None = None,
) -> Detections:
    """The objects that `model` finds in `image`, best score first.

    `image` is an (H, W, 3) uint8 RGB array or the path of a file. `model` has `.size` (h, w), `.classes`,
    `.forward(x)` of (1, 3, h, w) float32 RGB 0..1 and `.candidates(heads, size=(h, w))`; it is run in inference mode,
    and put back into the mode it was in. With a `plan` of `model` (`minidet.plan`), that computes the raw maps instead,
    faster; for more than a few images it is worth making one.

    - `placement`: "stretch" or "letterbox"; None follows the model (its cfg's `letter_box=1` means letterbox) and is
      stretch otherwise. `resize`, `rounding`, `fill`, `inverse`: see `minidet.data.letterbox`.
    - A candidate is kept for a class when its score (objectness times class probability) is greater than `score`, in
      the scores' dtype. `labels="multi"` keeps every such class of a box, as Darknet does; "best" only the most
      probable one (the lowest label among equals).
    - Suppression is per class, best score first (equal scores: the earlier candidate), of boxes that overlap a kept
      one by an IoU greater than `nms` (the model's own, or 0.45), on the network's pixels before clipping. `nms_kind`
      names what is compared instead: AlexeyAB's Darknet takes IoU - (d^2 / c^2)^0.6 for "greedynms" and the cfg's
      `beta_nms` (0.6) for the exponent with "diounms" (see `minidet_kernels.diou_nms`); "cfg" follows the first head
      of the model's cfg.
    - At most the `per_class` best candidates of each class go into suppression, and at most the `most` best of what it
      keeps are detections; None for no such limit. torchvision's SSD has 400 and 200, Caffe's nets 100 and 100.
    - Boxes are brought back to image pixels and clipped to the image; one of which nothing remains is left out.

    A model with `.found` is an R-CNN (`minidet.detect_regions`): it resizes images itself, clips before it suppresses,
    and gives masks and keypoints too.  How images are placed, and other kinds of suppression, are not for it.

    Raises `ImageError` for a file, `ValueError` for an argument, `DetectionError` when the network gives NaN.
    """
    nms = float(getattr(model, "nms", NMS)) if nms is None else nms
    _check_options(score, nms, placement, labels, nms_kind)
    _check_limits(per_class=per_class, most=most)
    if isinstance(image, (str, os.PathLike)):
        path = os.fspath(image) if path is None else path
        image = load_image(image)
    check_image(image)
    names = default_names(model.classes) if names is None else tuple(names)
    if len(names) != model.classes:
        raise InputError(f"{model.classes} names were expected, one for each class of the model, found {len(names)}")
    if hasattr(model, "found"):
        from minidet.detect_regions import detect_regions

        _check_regions(size, placement, labels, nms_kind, per_class, most)
        with _inference(model):
            return detect_regions(model, image, score=score, nms=nms, names=names, path=path, plan=plan)
    placement = default_placement(model) if placement is None else placement
    h, w = model.size if size is None else size
    if placement == "letterbox":
        x, placed = letterbox(image, (h, w), resize=resize, fill=fill, rounding=rounding, inverse=inverse)
    else:
        x, placed = stretch(image, (h, w), resize=resize)
    boxes, scores = forward(model, x, plan)
    beta = exponent(model, nms_kind)
    kept, classes = choose(
        boxes, scores, score=score, nms=nms, labels=labels, beta=beta, per_class=per_class, most=most
    )
    return _result(boxes[kept], scores[kept, classes], classes, placed, names, path)


def default_placement(model: Any) -> str:
    """How a model wants its images placed: "letterbox" when its cfg's [net] says letter_box=1, else "stretch".

    Weights of ``minidet train`` say how the images were that they were trained on: ``model.placement``.
    """
    if (told := getattr(model, "placement", None)) in PLACEMENTS:
        return str(told)
    cfg = getattr(model, "cfg", None)
    return "letterbox" if cfg is not None and cfg.net.flag("letter_box") else "stretch"


def exponent(model: Any, nms_kind: str) -> float | None:
    """The exponent beta of what is compared in suppression, or None for plain IoU.

    Darknet's `default` and `cornersnms` compare the IoU.
    """
    head = next(iter(getattr(model, "heads", ())), None)
    if nms_kind == "cfg":
        nms_kind = getattr(head, "nms_kind", "iou")
    if nms_kind == "diounms":
        return float(getattr(head, "beta_nms", 0.6))
    return 0.6 if nms_kind == "greedynms" else None


def detect_many(
    model: Any, images: Iterable[np.ndarray | str | os.PathLike[str]], **options: Any
) -> Iterator[Detections]:
    """`detect` on each image in turn, one forward each; every option of `detect`."""
    for image in images:
        yield detect(model, image, **options)


def forward(model: Any, x: np.ndarray, plan: Plan | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Candidates of one placed image (3, h, w): boxes (M, 4) xyxy in network pixels, scores (M, classes).

    The network runs on the device of its parameters.  The image is copied there, and the raw maps back: they are
    decoded on the host.
    """
    from minidet.autograd import Tensor, no_grad

    with _inference(model), no_grad():
        if plan is not None:
            heads = plan(np.ascontiguousarray(x[None], np.float32))  # (1, 3, h, w)
        else:
            heads = [head.numpy() for head in model(Tensor(model.to_device(x[None])))]
    (found,) = model.candidates(heads, size=x.shape[1:])
    boxes, scores = np.asarray(found.boxes), np.asarray(found.scores)
    if np.isnan(scores).any():
        broken = int(np.isnan(scores).any(axis=1).sum())
        raise DetectionError(f"the network gave NaN for {broken} of its {len(scores)} candidates; {DAMAGED}")
    return boxes, scores


@contextmanager
def _inference(model: Any) -> Iterator[None]:
    """`model` in inference mode for a while; afterwards each of its modules is in the mode it was in."""
    modes = [(module, module.training) for _, module in model.named_modules() if module.training]
    if modes:
        model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def choose(
    boxes: np.ndarray,
    scores: np.ndarray,
    *,
    score: float,
    nms: float,
    labels: str = "multi",
    beta: float | None = None,
    per_class: int | None = None,
    most: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Which candidates are detections, best first: indices (K,) into `boxes` (M, 4), and the class of each (K,).

    With `beta`, suppression compares what `diou_nms` does, with that exponent; the limits are those of `detect`.
    """
    from minidet_kernels.suppression import batched_nms, diou_nms

    above = scores > scores.dtype.type(score)  # (M, classes)
    if labels == "best":
        best = np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None]
        above &= best
    if per_class is not None:
        above = _best_of_each(scores, above, per_class)
    candidate, label = np.nonzero(above)
    found = boxes[candidate]
    if np.isnan(found).any():
        raise DetectionError(f"the network gave a box with NaN in it; {DAMAGED}")
    found = np.clip(found, -FARTHEST, FARTHEST)
    if beta is None:
        kept = batched_nms(found, scores[candidate, label], label, threshold=nms)
    else:
        kept = diou_nms(found, scores[candidate, label], label, threshold=nms, beta=beta)
    return candidate[kept[:most]], label[kept[:most]]


def _best_of_each(scores: np.ndarray, above: np.ndarray, count: int) -> np.ndarray:
    """Of `above` (M, classes) the `count` best scores of each class; of equal ones the earlier candidates."""
    keys = np.where(above, -scores, np.inf)
    kept = np.zeros_like(above)
    np.put_along_axis(kept, keys.argsort(axis=0, kind="stable")[:count], True, axis=0)
    return kept & above


def _result(
    boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, placed: Placement, names: Sequence[str], path: str | None
) -> Detections:
    """Boxes (K, 4) in network pixels mapped to the image, clipped, and those outside it left out."""
    height, width = placed.image
    boxes = np.clip(placed.to_image(boxes), 0, [width, height, width, height])
    some = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(axis=1)
    return Detections(boxes[some], scores[some], labels[some], names, (height, width), path)


def _check_regions(
    size: tuple[int, int] | None, placement: str | None, labels: str, nms_kind: str, per_class: int | None,
    most: int | None,
) -> None:  # fmt: skip
    """What an R-CNN decides itself: how images come to its input, and one class after the other with plain IoU."""
    given = {
        "size": size is not None,
        f"placement {placement!r}": placement is not None,
        f"labels {labels!r}": labels != "multi",
        f"nms_kind {nms_kind!r}": nms_kind not in ("iou", "cfg"),
        f"per_class {per_class}": per_class is not None,
        f"most {most}": most is not None,
    }
    if told := [name for name, wrong in given.items() if wrong]:
        raise InputError(f"{told[0]} is not for R-CNNs, which see to it themselves; leave it out")


def _check_options(score: float, nms: float, placement: str | None, labels: str, nms_kind: str) -> None:
    for name, value in (("score", score), ("nms", nms)):
        if not 0.0 <= value <= 1.0:
            raise InputError(f"{name}: a number from 0 to 1 was expected, found {value}")
    if placement is not None and placement not in PLACEMENTS:
        raise InputError(f"placement {placement!r} is not known; expected one of {', '.join(PLACEMENTS)}")
    if labels not in LABELS:
        raise InputError(f"labels {labels!r} is not known; expected one of {', '.join(LABELS)}")
    if nms_kind not in NMS_KINDS:
        raise InputError(f"nms_kind {nms_kind!r} is not known; expected one of {', '.join(NMS_KINDS)}")


def _check_limits(**limits: int | None) -> None:
    for name, value in limits.items():
        if value is not None and value < 1:
            raise InputError(f"{name}: a number from 1 was expected, found {value}")
