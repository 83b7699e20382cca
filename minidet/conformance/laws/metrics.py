"""Laws of average precision, runs and outlines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..operators import Inputs, Refused
from .law import Both, Call, Law, changed, mapped
from .moved import INCLUSIVE

OF_FOUND = ("images", "labels", "boxes", "masks", "scores")


def _with_unequal_scores(inputs: Inputs) -> dict[str, Any]:
    """The inputs, with scores of which no two are equal."""
    scores = inputs["scores"]
    return changed(inputs, scores=scores + np.arange(len(scores)).astype(scores.dtype) / 1024)


def _only(inputs: Inputs, names: Sequence[str], some: np.ndarray) -> dict[str, Any]:
    return {name: value[some] if name in names else value for name, value in inputs.items()}


def identifiers_renumbered(call: Call, inputs: Inputs) -> Both:
    """The ids of all truths grow by 1."""
    return call(changed(inputs, truth_ids=inputs["truth_ids"] + 1)), call(inputs)


def images_renumbered(call: Call, inputs: Inputs) -> Both:
    """The images are numbered from the last to the first; no two scores are equal."""
    given = _with_unequal_scores(inputs)
    last = max((int(given[name].max()) for name in ("images", "truth_images") if given[name].size), default=0)
    return call(changed(given, images=last - given["images"], truth_images=last - given["truth_images"])), call(given)


def in_another_order(call: Call, inputs: Inputs) -> Both:
    """The detections come in reverse; no two scores are equal."""
    given = _with_unequal_scores(inputs)
    return call(_only(given, OF_FOUND, np.arange(len(given["scores"]))[::-1])), call(given)


def class_alone(call: Call, inputs: Inputs) -> Both:
    """Without the truths and detections of all other classes, a class has the same AP."""
    truths = tuple(name for name in inputs if name.startswith("truth_"))
    answers = []
    for c in range(inputs["classes"]):
        part = _only(inputs, truths, inputs["truth_labels"] == c)
        answer = call(_only(part, OF_FOUND, inputs["labels"] == c))
        if isinstance(answer, Refused):
            return answer, call(inputs)
        answers.append(np.asarray(answer)[c])
    return np.array(answers), call(inputs)


def one_more_image(call: Call, inputs: Inputs) -> Both:
    """An image before all others, with nothing in it and nothing found, changes nothing."""
    return call(changed(inputs, images=inputs["images"] + 1, truth_images=inputs["truth_images"] + 1)), call(inputs)


def doubled(call: Call, inputs: Inputs) -> Both:
    """All coordinates double, and areas with them fourfold."""
    given = dict(inputs)
    for name in ("boxes", "truth_boxes"):
        if name in given:
            given[name] = given[name] * given[name].dtype.type(2)
    for name in ("masks", "truth_masks"):
        if name in given:
            given[name] = given[name].repeat(2, axis=1).repeat(2, axis=2)
    if "truth_area" in given:
        given["truth_area"] = given["truth_area"] * given["truth_area"].dtype.type(4)
        given["area_range"] = tuple(4 * end for end in given["area_range"])
    return call(given), call(inputs)


def moved(call: Call, inputs: Inputs) -> Both:
    """All boxes move by 64 to the right and down."""
    move = {n: inputs[n] + inputs[n].dtype.type(64) for n in ("boxes", "truth_boxes")}
    return call(changed(inputs, **move)), call(inputs)


def turned_masks(call: Call, inputs: Inputs) -> Both:
    """Rows and columns of all masks change places."""
    turned = {n: np.ascontiguousarray(inputs[n].swapaxes(1, 2)) for n in ("masks", "truth_masks")}
    return call(changed(inputs, **turned)), call(inputs)


def a_worse_miss(call: Call, inputs: Inputs) -> Both:
    """One more false detection, of the least score and far from all: the curve is not better or worse anywhere."""
    far = np.array([[900, 900, 904, 904]], inputs["boxes"].dtype)
    more = {"boxes": np.concatenate([inputs["boxes"], far])}
    more["scores"] = np.append(inputs["scores"], inputs["scores"].dtype.type(2**-10))
    for name in ("images", "labels"):
        if name in inputs:
            more[name] = np.append(inputs[name], np.int64(0))
    return call(changed(inputs, **more)), call(inputs)


def complement(call: Call, inputs: Inputs) -> Both:
    """Ones and zeros change places: the counts are the same, but for a 0 before them."""

    def trimmed(counts: np.ndarray) -> np.ndarray:
        return counts[1:] if counts.size and counts[0] == 0 else counts

    return mapped(call(changed(inputs, mask=1 - inputs["mask"])), trimmed), mapped(call(inputs), trimmed)


def all_pixels(call: Call, inputs: Inputs) -> Both:
    """The counts sum to the pixels."""
    total = np.array(inputs["mask"].size, np.int64)
    return mapped(call(inputs), lambda counts: np.asarray(counts.sum(), np.int64)), total


def a_column_more(call: Call, inputs: Inputs) -> Both:
    """Zeros are appended as a column: the counts go on, the last one longer where it was of zeros."""
    mask = inputs["mask"]
    wider = np.concatenate([mask, np.zeros((len(mask), 1), np.uint8)], axis=1)
    one = bool(mask[-1, -1])

    def longer(counts: np.ndarray) -> np.ndarray:
        return np.append(counts, len(mask)) if one else np.append(counts[:-1], counts[-1] + len(mask))

    return call(changed(inputs, mask=wider)), mapped(call(inputs), longer)


def outline_turned(call: Call, inputs: Inputs) -> Both:
    """The corners come in the other direction."""
    return call(changed(inputs, polygon=inputs["polygon"][::-1].copy())), call(inputs)


def outline_begun_elsewhere(call: Call, inputs: Inputs) -> Both:
    """The corners begin with the second."""
    return call(changed(inputs, polygon=np.roll(inputs["polygon"], -1, axis=0))), call(inputs)


def outline_moved(call: Call, inputs: Inputs) -> Both:
    """The polygon moves one pixel down and to the right."""
    h, w = inputs["size"]
    one = inputs["polygon"].dtype.type(1)
    wider = call(changed(inputs, polygon=inputs["polygon"] + one, size=(h + 1, w + 1)))
    return mapped(wider, lambda mask: mask[1:, 1:]), call(inputs)


RENUMBERED = (
    Law("images", "the images are numbered the other way round: the same AP", images_renumbered),
    Law("order", "the detections come in reverse, no two of one score: the same AP", in_another_order),
    Law("empty image", "an image with nothing in it changes nothing", one_more_image),
)
IDS = Law("ids", "the ids of the annotations grow by 1: the same AP", identifiers_renumbered)
ALONE = Law("class alone", "a class alone has the AP that it has among others", class_alone, {"limit_per": ("image",)})
WHOLE = {"form": ("pairs",)}
LAWS: Mapping[str, tuple[Law, ...]] = {
    "coco_ap": (
        IDS,
        *RENUMBERED,
        ALONE,
        Law("double", "all coordinates double: the same AP", doubled, INCLUSIVE),
        Law("translate", "all boxes move by 64: the same AP", moved),
    ),
    "coco_mask_ap": (  # those of order are asked of boxes
        IDS,
        RENUMBERED[-1],
        Law("class alone", "a class alone has the AP that it has among others", class_alone),
        Law("double", "all pixels become four: the same AP", doubled),
        Law("transpose", "rows and columns change places: the same AP", turned_masks),
    ),
    "voc_ap": (
        *RENUMBERED,
        Law("double", "all coordinates double: the same AP", doubled, INCLUSIVE),
        Law("translate", "all boxes move by 64: the same AP", moved),
        Law("worse miss", "one more false detection, the last of all: the same AP", a_worse_miss),
    ),
    "rle": (
        Law("complement", "ones for zeros: the same counts, but for a 0 before them", complement, WHOLE),
        Law("sum", "the counts sum to the pixels", all_pixels, WHOLE),
        Law(
            "column",
            "a column of zeros more at the right: the last count grows, or there is one more",
            a_column_more,
            {**WHOLE, "order": ("rows",)},
        ),
    ),
    "polygon_mask": (
        Law("direction", "the corners come the other way round: the same mask", outline_turned),
        Law("start", "the corners begin with the second: the same mask", outline_begun_elsewhere),
        Law("move", "the polygon moves by a pixel: so does the mask", outline_moved, {"fill": ("coco",)}),
    ),
}
