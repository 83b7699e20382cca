"""``ssd_match(priors, truths, threshold)``: which prior answers for which truth in SSD."""

from __future__ import annotations

import numpy as np

from .match import FAR, HALF, MOST, A, Boxes
from .match import call as boxes_of
from .matching import best, limit, of_iou, overlaps
from .operator import REFUSED, Answer, Dialect, Inputs, Operator, Vector

NONE = -1


def reference(inputs: Inputs, dialect: Dialect) -> Answer:
    """For each prior the index of its truth, -1 for none; int64."""
    priors, truths = inputs["priors"], inputs["truths"]
    if not len(truths):
        return REFUSED if dialect["no_truths"] == "refused" else np.full(len(priors), NONE, np.int64)
    table = overlaps(truths, priors)
    least = limit(inputs["threshold"], priors.dtype, dialect["compare_dtype"])
    found = []
    for column in zip(*table, strict=True):
        one = best(column, dialect["ties"])
        reached = column[one] >= least if dialect["compare"] == "inclusive" else column[one] > least
        found.append(one if reached else NONE)
    asking = [t for t, row in enumerate(table) if dialect["untouched"] == "forced" or max(row) > 0]
    if dialect["forced"] in ("last", "first"):
        for truth in asking if dialect["forced"] == "last" else asking[::-1]:
            found[best(table[truth])] = truth
    elif dialect["forced"] != "none":
        for truth, prior in _bipartite(table, asking, dialect):
            found[prior] = truth
    return np.array(found, np.int64)


def _bipartite(table: list[list[float]], asking: list[int], dialect: Dialect) -> list[tuple[int, int]]:
    """Pairs of truth and prior, the greatest overlap first, none twice."""
    pairs = [
        (t, p) for t in asking for p in range(len(table[t])) if dialect["untouched"] == "forced" or table[t][p] > 0
    ]
    pairs.sort(key=lambda one: -table[one[0]][one[1]])  # of equal overlaps by truth or by prior: the pairs are the same
    taken: list[tuple[int, int]] = []
    for truth, prior in pairs:
        if all(truth != t and prior != p for t, p in taken):
            taken.append((truth, prior))
    return taken


def call(priors: Boxes, truths: Boxes, threshold: float) -> dict[str, object]:
    """Inputs of a call."""
    both = boxes_of(priors, truths, 0.0, 0.0)
    return {"priors": both["anchors"], "truths": both["truths"], "threshold": threshold}


def _at(inter: int, union: int, threshold: float, *tells: str) -> Vector:
    """One prior with an overlap of the threshold, and another that is the truth's best."""
    one, truth = of_iou(inter, union)
    return Vector(f"IoU {inter}/{union} at {threshold}", call([one, truth], [truth], threshold), tells)


SSD_MATCH = Operator(
    "ssd_match",
    "ssd_match(priors, truths, threshold): (n, 4), (t, 4) and a number to (n,), a truth's index or -1",
    reference,
    (
        _at(1, 2, 0.5, "compare"),
        _at(3, 5, 0.6, "compare", "compare_dtype"),
        _at(7, 10, 0.7, "compare", "compare_dtype"),
        Vector("two equal truths", call([A, A], [A, A], 0.5), ("ties", "forced")),
        Vector("below the threshold", call([HALF], [A], 0.75), ("forced",)),
        Vector("two truths with one best prior", call([HALF, FAR], [A, MOST], 0.875), ("forced", "untouched")),
        Vector(
            "two truths with one best prior, and a second best",
            call([HALF, [0, 0, 2, 4]], [MOST, A], 0.875),
            ("forced",),
        ),
        Vector("a truth that nothing touches", call([A, HALF], [A, FAR], 0.75), ("untouched", "forced")),
        Vector("no truths", call([A, HALF], [], 0.5), ("no_truths",)),
    ),
    boxes=("priors", "truths"),
    exact=True,
)
