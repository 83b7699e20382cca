"""What ``coco`` found: the arrays of COCO's program, the twelve or ten numbers, and the AP of every class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from .curves import PLACES
from .report import TWELVE, class_rows, meant
from .rules import Rules

#: The ten numbers of keypoints, as ``TWELVE``.
TEN: dict[str, tuple[str, float | None, str, int | None]] = {
    "AP": ("ap", None, "all", None),
    "AP50": ("ap", 0.5, "all", None),
    "AP75": ("ap", 0.75, "all", None),
    "APm": ("ap", None, "medium", None),
    "APl": ("ap", None, "large", None),
    "AR": ("ar", None, "all", None),
    "AR50": ("ar", 0.5, "all", None),
    "AR75": ("ar", 0.75, "all", None),
    "ARm": ("ar", None, "medium", None),
    "ARl": ("ar", None, "large", None),
}


@dataclass(frozen=True, eq=False)
class CocoReport:
    """The result of ``coco``.  T thresholds, R = 101 recalls, K classes, A ranges of areas, M limits of detections.

    rules, kind     by which it was made.
    limits          (M,) most detections of a class and image.
    precision       (T, R, K, A, M) float64, the best at this recall or a later one; -1 where a class has no truth.
    scores          (T, R, K, A, M) float64, the score at which that recall is reached; 0 where it is not, -1 as above.
    recall          (T, K, A, M) float64, of all detections; -1 as above.
    hits, taken     (T, R, K, A, M) int32, ``precision`` as a quotient of integers; 0 / 1 where it is 0.
    found           (T, K, A, M) int32, truths that were found; ``recall`` is that over ``truths``.
    truths          (K, A) int64, truths that count.     detections  (K,) int64, those that took part.
    ignored         (K,) int64, truths of the first range that do not count.   dropped  truths left out without area.
    """

    rules: Rules
    kind: str
    limits: tuple[int, ...]
    precision: np.ndarray
    scores: np.ndarray
    recall: np.ndarray
    hits: np.ndarray
    taken: np.ndarray
    found: np.ndarray
    truths: np.ndarray
    ignored: np.ndarray
    detections: np.ndarray
    dropped: int = 0

    def ap(
        self,
        threshold: float | None = None,
        *,
        label: int | None = None,
        area: str | None = None,
        limit: int | None = None,
    ) -> float:
        """The mean AP over the thresholds (or at one of them) and the classes (or of one); NaN where there is none.

        With ``rules.precision`` "exact" it is that of the rational numbers, rounded once; with "epsilon" NumPy's mean.
        """
        t, k, a, m = self._places(threshold, label, area, limit)
        some = self.precision[t][:, :, k, a, m] > -1
        if not some.any():
            return float("nan")
        if self.rules.precision == "epsilon":
            return float(np.mean(self.precision[t][:, :, k, a, m][some]))
        return exact_mean(self.hits[t][:, :, k, a, m][some], self.taken[t][:, :, k, a, m][some])

    def ar(
        self,
        threshold: float | None = None,
        *,
        label: int | None = None,
        area: str | None = None,
        limit: int | None = None,
    ) -> float:
        """The mean recall likewise, of at most ``limit`` detections of a class and image: one of ``limits``."""
        t, k, a, m = self._places(threshold, label, area, limit)
        some = self.recall[t][:, k, a, m] > -1
        if not some.any():
            return float("nan")
        if self.rules.precision == "epsilon":
            return float(np.mean(self.recall[t][:, k, a, m][some]))
        found = self.found[t][:, k, a, m]
        return exact_mean(found[some], np.broadcast_to(self.truths[k, a], found.shape)[some])

    def numbers(self) -> dict[str, float]:
        """The twelve numbers of COCO by name, of keypoints the ten; NaN where there is none."""
        names = {name for name, _, _ in self.rules.areas}
        return {
            name: float("nan")
            if area not in names
            else (self.ap if what == "ap" else self.ar)(t, area=area, limit=limit)
            for name, (what, t, area, limit) in (TEN if self.kind == "keypoints" else TWELVE).items()
        }

    def stats(self) -> np.ndarray:
        """The same as an array in the order of COCO's program, with its -1 where there is none."""
        return np.nan_to_num(np.array(list(self.numbers().values())), nan=-1.0)

    def per_class(self, names: Sequence[str] = ()) -> list[dict[str, Any]]:
        """A row for each class: label, name, truths, ignored, detections, ap, ap50, ap75, ar; NaN for no number."""
        return class_rows(self, names, self.truths[:, 0])

    def _places(
        self, threshold: float | None, label: int | None, area: str | None, limit: int | None
    ) -> tuple[list[int], slice, int, int]:
        areas = [name for name, _, _ in self.rules.areas]
        if area is not None and area not in areas:
            raise ValueError(f"area must be one of {', '.join(areas)}, not {area!r}")
        if limit is not None and limit not in self.limits and limit not in (1, 10):
            raise ValueError(f"limit must be one of {', '.join(map(str, self.limits))}, not {limit}")
        m = len(self.limits) - 1
        if limit is not None and len(self.limits) > 1:
            m = {1: 0, 10: 1}.get(limit, m)
        labels = slice(label, None if label is None else label + 1)
        return meant(self.rules, threshold), labels, areas.index(area) if area else 0, m


def exact_mean(above: np.ndarray, below: np.ndarray) -> float:
    """The mean of the quotients of integers ``above / below``, at least one, rounded once."""
    base = np.int64(1) << 32
    pairs, times = np.unique(above.astype(np.int64) * base + below, return_counts=True)
    total = 0
    for pair, n in zip(pairs.tolist(), times.tolist(), strict=True):
        p, q = divmod(pair, 1 << 32)
        total += ((p * n) << PLACES) // q
    return float(Fraction(total, int(times.sum()) << PLACES))
