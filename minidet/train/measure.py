"""A network measured on a split: what it finds in every image, in the image's own pixels, and the average precision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import Tensor, no_grad
from ..data.dataset import Dataset
from ..detect import choose
from ..metrics import Found, Truth, evaluate
from ..metrics.columns import FoundColumns, TruthColumns, as_columns
from .feed import input_of


@dataclass(frozen=True)
class Score:
    """AP at IoU .5 of each class (NaN without a truth), its mean, and the mean over IoU .5 to .95."""

    ap50: float
    ap: float
    by_class: tuple[float, ...]
    truths: int
    dropped: int
    rules: str


def found_in(
    model: Any,
    dataset: Dataset,
    *,
    placement: str = "stretch",
    score: float = 0.001,
    nms: float = 0.45,
    labels: str = "multi",
    batch: int = 8,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each image boxes (D, 4) xyxy in its pixels and cut to it, scores (D,), labels (D,); ``model`` in eval mode.

    As ``minidet.detect.detect`` finds them; several images go through the network together.
    """
    for first in range(0, len(dataset), batch):
        images = [dataset.image(i) for i in range(first, min(first + batch, len(dataset)))]
        placed = [input_of(image, model.size, placement) for image in images]
        inputs = np.stack([x for x, _ in placed])
        with no_grad():
            heads = [head.numpy() for head in model(Tensor(model.to_device(inputs)))]
        for candidates, (_, place) in zip(model.candidates(heads, model.size), placed, strict=True):
            boxes, scores = np.asarray(candidates.boxes), np.asarray(candidates.scores)
            scores = np.nan_to_num(scores, nan=0.0)  # a network gone wrong finds nothing
            kept, chosen = choose(boxes, scores, score=score, nms=nms, labels=labels)
            height, width = place.image
            inside = np.clip(place.to_image(boxes[kept]), 0, [width, height, width, height])
            some = ((inside[:, 2:] - inside[:, :2]) > 0).all(axis=1)
            yield inside[some], scores[kept, chosen][some], chosen[some]


def truth_columns(dataset: Dataset, classes: int) -> tuple[TruthColumns, int]:
    """The truths of all images as columns, those without area left out, and how many of these there were."""
    parts: dict[str, list[np.ndarray]] = {
        name: [] for name in ("image", "label", "boxes", "area", "crowd", "difficult", "ids")
    }
    dropped = 0
    for i in range(len(dataset)):
        objects = dataset.records[i].objects
        wide = ((objects.boxes[:, 2:] - objects.boxes[:, :2]) > 0).all(axis=1)
        dropped += int((~wide).sum())
        objects = objects[wide]
        parts["image"].append(np.full(len(objects), i))
        parts["label"].append(objects.labels)
        parts["boxes"].append(_xywh(objects.boxes))
        for name in ("crowd", "difficult", "ids"):
            parts[name].append(getattr(objects, name))
        parts["area"].append(objects.areas)
    columns: Any = as_columns(**{name: np.concatenate(p) if p else np.zeros(0) for name, p in parts.items()})
    columns["boxes"] = columns["boxes"].reshape(-1, 4)
    return TruthColumns(len(dataset), classes, **columns), dropped


def _xywh(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def measure(model: Any, dataset: Dataset, *, dropped: int = 0, **options: Any) -> Score:
    """The average precision of ``model`` on ``dataset``; ``options`` are those of ``found_in``.

    ``dropped`` truths without area were left out by the reader already.
    """
    model.eval()
    truths, more = truth_columns(dataset, model.classes)
    boxes, scores, labels, images = [np.zeros((0, 4))], [np.zeros(0)], [np.zeros(0, int)], [np.zeros(0, int)]
    for i, (b, s, c) in enumerate(found_in(model, dataset, **options)):
        boxes.append(_xywh(np.asarray(b, np.float64)))
        scores.append(s)
        labels.append(c)
        images.append(np.full(len(b), i))
    columns: Any = as_columns(
        image=np.concatenate(images), label=np.concatenate(labels), boxes=np.concatenate(boxes),
        scores=np.concatenate(scores),
    )  # fmt: skip
    return score_of(truths, FoundColumns(**columns), dropped + more)


def score_of(truths: TruthColumns, found: FoundColumns, dropped: int) -> Score:
    """AP of columns: by all points at each of COCO's thresholds."""
    t = [Truth(_xyxy(truths.boxes[truths.image == i]), truths.label[truths.image == i]) for i in range(truths.images)]
    f = [
        Found(_xyxy(found.boxes[found.image == i]), found.scores[found.image == i], found.label[found.image == i])
        for i in range(truths.images)
    ]
    at = [evaluate(f, t, truths.classes, iou=iou / 100) for iou in range(50, 100, 5)]
    return Score(
        at[0].mean, float(np.mean([e.mean for e in at])), tuple(map(float, at[0].ap)), len(truths.image), dropped, "all"
    )


def _xyxy(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
