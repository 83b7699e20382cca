"""What an evaluation found: the numbers of every class, threshold and range of areas, and their means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from .curves import Ranked, mean
from .rules import Rules

#: The twelve numbers of COCO: name -> (of precision or recall, threshold or None, range of areas, limit or None).
TWELVE: dict[str, tuple[str, float | None, str, int | None]] = {
    "AP": ("ap", None, "all", None),
    "AP50": ("ap", 0.5, "all", None),
    "AP75": ("ap", 0.75, "all", None),
    "APs": ("ap", None, "small", None),
    "APm": ("ap", None, "medium", None),
    "APl": ("ap", None, "large", None),
    "AR1": ("ar", None, "all", 1),
    "AR10": ("ar", None, "all", 10),
    "AR": ("ar", None, "all", None),
    "ARs": ("ar", None, "small", None),
    "ARm": ("ar", None, "medium", None),
    "ARl": ("ar", None, "large", None),
}

Key = tuple[str, int, int]  # range of areas, index of the threshold, label


@dataclass(frozen=True, eq=False)
class Report:
    """The result of ``evaluate``.  A number that does not exist (no truth to be found) is NaN; COCO's program has -1.

    rules       by which it was made.
    classes     how many; labels are ``range(classes)``.
    ranked      by (range of areas, index of the threshold, label): the detections that counted, in their order.
    precisions  by the same, of classes with an AP: it, exactly.
    recalls     by the same and a limit (1, 10, or None for that of the rules): the recall at the end, exactly.
    dropped     truths left out because they have no area.
    truths      (classes,) int64 that count, all areas.    ignored  (classes,) int64, truths that do not.
    detections  (classes,) int64 that took part.
    """

    rules: Rules
    classes: int
    ranked: dict[Key, Ranked]
    precisions: dict[Key, Fraction]
    recalls: dict[tuple[str, int, int, int | None], Fraction]
    truths: np.ndarray
    ignored: np.ndarray
    detections: np.ndarray
    dropped: int = 0

    def ap(self, threshold: float | None = None, *, label: int | None = None, area: str | None = None) -> float:
        """The mean AP over the thresholds (or at one of them) and the classes (or of one), rounded once."""
        wanted = set(meant(self.rules, threshold))
        area = self.rules.areas[0][0] if area is None else area
        return mean(
            value
            for (where, t, k), value in self.precisions.items()
            if where == area and t in wanted and label in (None, k)
        )

    def ar(
        self,
        threshold: float | None = None,
        *,
        label: int | None = None,
        area: str | None = None,
        limit: int | None = None,
    ) -> float:
        """The mean recall likewise, of at most ``limit`` detections of a class and image: 1, 10, or the rules' own."""
        wanted = set(meant(self.rules, threshold))
        area = self.rules.areas[0][0] if area is None else area
        return mean(
            value
            for (where, t, k, most), value in self.recalls.items()
            if where == area and most == limit and t in wanted and label in (None, k)
        )

    def curve(self, label: int, threshold: float | None = None, area: str | None = None) -> Ranked:
        """The ranked detections of a class at one threshold, the first when left out: precision, recall, scores."""
        which = 0 if threshold is None else next(iter(meant(self.rules, threshold)), None)
        if which is None:
            raise ValueError(f"threshold {threshold} is not one of {self.rules.thresholds}")
        return self.ranked[self.rules.areas[0][0] if area is None else area, which, label]

    def twelve(self) -> dict[str, float]:
        """The twelve numbers of COCO by name; NaN where there is none.  "all" is the first range of areas."""
        first = self.rules.areas[0][0]
        numbers = {}
        for name, (kind, t, area, limit) in TWELVE.items():
            where = first if area == "all" else area
            numbers[name] = self.ap(t, area=where) if kind == "ap" else self.ar(t, area=where, limit=limit)
        return numbers

    def per_class(self, names: Sequence[str] = ()) -> list[dict[str, Any]]:
        """A row for each class: label, name, truths, ignored, detections, ap, ap50, ap75, ar; NaN for no number."""
        return class_rows(self, names, self.truths)


def meant(rules: Rules, threshold: float | None) -> list[int]:
    """Indices of the rules' thresholds that are meant: all, or those equal to one but for rounding."""
    of = rules.thresholds
    return [t for t in range(len(of)) if threshold is None or abs(of[t] - threshold) < 1e-6]


def class_rows(report: Any, names: Sequence[str], truths: np.ndarray) -> list[dict[str, Any]]:
    """What ``per_class`` of a report says, of as many classes as there are counts of ``truths``."""
    return [
        {
            "label": k,
            "name": names[k] if names else f"class {k}",
            "truths": int(truths[k]),
            "ignored": int(report.ignored[k]),
            "detections": int(report.detections[k]),
            "ap": report.ap(label=k),
            "ap50": report.ap(0.5, label=k),
            "ap75": report.ap(0.75, label=k),
            "ar": report.ar(label=k),
        }
        for k in range(len(truths))
    ]
