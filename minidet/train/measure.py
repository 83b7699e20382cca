"""A network measured on a split: what it finds in every image, in the image's own pixels, and the average precision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import Tensor, no_grad
from ..data.dataset import Dataset
from ..detect import choose
from ..metrics.coco import coco
from ..metrics.columns import FoundColumns, TruthColumns, as_columns
from ..metrics.from_dataset import image_order, truth_columns
from ..metrics.rules import Rules
from .feed import input_of

#: COCO's, computed exactly; truths without area are left out, and counted.
RULES = Rules(zero_area="drop")


@dataclass(frozen=True)
class Score:
    """By ``RULES``: the mean ``ap50`` at IoU .5, ``ap`` over .5 to .95, ``by_class`` at .5 (NaN without a truth).

    ``truths`` counted, ``dropped`` had no area.
    """

    ap50: float
    ap: float
    by_class: tuple[float, ...]
    truths: int
    dropped: int


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


def _xywh(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def measure(model: Any, dataset: Dataset, *, dropped: int = 0, **options: Any) -> Score:
    """The average precision of ``model`` on ``dataset``; ``options`` are those of ``found_in``.

    ``dropped`` truths without area were left out by the reader already.
    """
    model.eval()
    place = np.argsort(image_order(dataset))  # evaluators go by the images' numbers
    boxes, scores, labels, images = [np.zeros((0, 4))], [np.zeros(0)], [np.zeros(0, int)], [np.zeros(0, int)]
    for i, (b, s, c) in enumerate(found_in(model, dataset, **options)):
        boxes.append(_xywh(np.asarray(b, np.float64)))
        scores.append(s)
        labels.append(c)
        images.append(np.full(len(b), place[i]))
    columns: Any = as_columns(
        image=np.concatenate(images), label=np.concatenate(labels), boxes=np.concatenate(boxes),
        scores=np.concatenate(scores),
    )  # fmt: skip
    return score_of(truth_columns(dataset), FoundColumns(**columns), dropped)


def score_of(truths: TruthColumns, found: FoundColumns, dropped: int = 0) -> Score:
    """AP of columns by ``RULES``."""
    report = coco(truths, found, RULES)
    return Score(
        ap50=report.ap(0.5),
        ap=report.ap(),
        by_class=tuple(report.ap(0.5, label=label) for label in range(truths.classes)),
        truths=int(report.truths[:, 0].sum()),
        dropped=report.dropped + dropped,
    )
