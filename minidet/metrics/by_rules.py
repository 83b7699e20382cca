"""The evaluator of boxes to read: any ``Rules``, one step after the other, decisions in exact arithmetic.

It is the definition that faster evaluators are tested against.  What takes part is chosen first, then detections are
matched within each image and class, then ranked, then the curve is integrated (``curves``), and means are taken
(``report``).

Exact is: recalls and precisions are compared as quotients of integers, AP is a rational number, and every mean is
rounded once.  IoU is float64, one rounding per operation in a written order (``matching``); for boxes with integer
corners below 2^26 a comparison of it with a threshold is that of the rational numbers.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .columns import FoundColumns, TruthColumns
from .curves import average_precision, rank
from .matching import match, overlaps
from .report import Key, Report
from .rules import Rules

#: The limits that recall is reported at, besides that of the rules (None).
LIMITS: tuple[int | None, ...] = (1, 10, None)


@dataclass(frozen=True, eq=False)
class _Group:
    """The truths and detections of one class in one image, the best detection first.

    ``overlap`` (D, T); ``crowd``, ``ignored``, ``no_match`` (T,) bool; ``areas`` (T,); ``scores``, ``sizes`` (D,).
    """

    overlap: np.ndarray
    crowd: np.ndarray
    ignored: np.ndarray
    no_match: np.ndarray
    areas: np.ndarray
    scores: np.ndarray
    sizes: np.ndarray


def evaluate(truths: TruthColumns, found: FoundColumns, rules: Rules) -> Report:
    """How good the boxes ``found`` are, by the ``rules``.

    Images are ranked in their order (COCO's program sorts them by their number first).  Raises ``ValueError`` for an
    index of an image or class that does not exist, and for NaN or infinity among boxes and scores.
    """
    _check(truths, found)
    wide, high = truths.boxes[:, 2] > 0, truths.boxes[:, 3] > 0
    empty = ~(wide & high)
    keep = ~(empty & (rules.zero_area == "drop")) & ~(truths.crowd & (rules.crowd == "drop"))
    groups = _groups(truths, np.flatnonzero(keep), found, taking_part(found, rules), rules)
    ranked, precisions, recalls = {}, {}, {}
    counts = np.zeros((3, truths.classes), np.int64)
    for label in range(truths.classes):
        mine = groups.get(label, [])
        for number, (area, least, most) in enumerate(rules.areas):
            ignored = [g.ignored | (g.areas < least) | (g.areas > most) for g in mine]
            n = int(sum((~i).sum() for i in ignored))
            for t, threshold in enumerate(rules.thresholds):
                key: Key = area, t, label
                hits, skipped = _match_all(mine, ignored, threshold, (least, most), rules)
                scores = _joined([g.scores for g in mine])
                ranked[key] = rank(scores[~skipped], hits[~skipped], n, rules)
                if n:
                    precisions[key] = average_precision(ranked[key], rules)
                    order = _joined([np.arange(len(g.scores)) for g in mine])
                    for limit in LIMITS:
                        inside = order < (np.inf if limit is None else limit)
                        recalls[(*key, limit)] = Fraction(int((hits & ~skipped & inside).sum()), n)
                elif rules.absent == "zero":
                    precisions[key] = Fraction(0)
            if number == 0:
                counts[:, label] = n, sum(int(i.sum()) for i in ignored), sum(len(g.scores) for g in mine)
    dropped = int(empty.sum()) if rules.zero_area == "drop" else 0
    n_truths, n_ignored, n_found = counts
    return Report(rules, truths.classes, ranked, precisions, recalls, n_truths, n_ignored, n_found, dropped)


def _match_all(
    groups: list[_Group], ignored: list[np.ndarray], threshold: float, ends: tuple[float, float], rules: Rules
) -> tuple[np.ndarray, np.ndarray]:
    """Of the detections of one class, image by image: which are hits, and which are not counted; two bools each."""
    hits, skipped = [], []
    for group, out in zip(groups, ignored, strict=True):
        taken = np.array(
            match(group.overlap, threshold, crowd=group.crowd.tolist(), ignored=out.tolist(), rules=rules), np.int64
        )
        matched = taken >= 0
        not_counted = np.zeros(len(taken), bool)
        not_counted[matched] = out[taken[matched]]
        matched[matched] = ~group.no_match[taken[matched]]
        not_counted |= ~matched & ((group.sizes < ends[0]) | (group.sizes > ends[1]))
        hits.append(matched)
        skipped.append(not_counted)
    return _joined(hits, bool), _joined(skipped, bool)


def taking_part(found: FoundColumns, rules: Rules) -> np.ndarray:
    """Indices of the detections above the floor and within a limit per image, best first, equal ones as given."""
    order = np.argsort(-found.scores, kind="stable")
    if rules.score_floor is not None:
        order = order[found.scores[order] >= rules.score_floor]
    if rules.limit is None:
        return order
    seen: dict[tuple[int, int], int] = defaultdict(int)
    kept = []
    for d in order.tolist():
        where = int(found.image[d]), int(found.label[d]) if rules.limit_per == "class" else -1
        seen[where] += 1
        if seen[where] <= rules.limit:
            kept.append(d)
    return np.array(kept, np.int64)


def _groups(
    truths: TruthColumns, keep: np.ndarray, found: FoundColumns, best_first: np.ndarray, rules: Rules
) -> dict[int, list[_Group]]:
    """By label, a group for each image with a truth or a detection of it, in the order of the images."""
    members: dict[tuple[int, int], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for t in keep.tolist():
        members[int(truths.label[t]), int(truths.image[t])][0].append(t)
    for d in best_first.tolist():
        members[int(found.label[d]), int(found.image[d])][1].append(d)
    groups = defaultdict(list)
    for (label, _), (those, these) in sorted(members.items()):
        t, d = np.array(those, np.int64), np.array(these, np.int64)
        sizes = truths.boxes[t, 2] * truths.boxes[t, 3]
        annotated = truths.area[t]
        crowd = truths.crowd[t] & (rules.crowd == "ignore")
        ignored = crowd | (truths.difficult[t] & (rules.difficult == "ignore"))
        groups[label].append(
            _Group(
                overlap=overlaps(found.boxes[d], truths.boxes[t], crowd, pixels=rules.pixels),
                crowd=crowd,
                ignored=ignored,
                no_match=(truths.ids[t] == 0) & (rules.zero_id == "unmatched"),
                areas=np.where(np.isnan(annotated) | (rules.area == "box"), sizes, annotated),
                scores=found.scores[d],
                sizes=found.boxes[d, 2] * found.boxes[d, 3],
            )
        )
    return groups


def _joined(parts: list[np.ndarray], dtype: type = float) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, dtype)


def _check(truths: TruthColumns, found: FoundColumns) -> None:
    for what, columns in (("truths", truths), ("detections", found)):
        for name, most in (("image", truths.images), ("label", truths.classes)):
            column = getattr(columns, name)
            if len(column) and not (column.min() >= 0 and column.max() < most):
                raise ValueError(
                    f"{what}: {name} from 0 to {most - 1} was expected, found {column.min()} to {column.max()}"
                )
        if not np.isfinite(columns.boxes).all():
            raise ValueError(f"{what}: boxes must be finite; found NaN or infinity")
    if not np.isfinite(found.scores).all():
        raise ValueError("detections: scores must be finite; found NaN or infinity")
