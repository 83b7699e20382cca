"""What nms, batched_nms, diou_nms and fast_nms share: boxes in a ranking, and which of two drops the other.

For a reference it is decided; where the dialect leaves something open, it is asked whether somebody's answer is one of
those that are right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .. import exact
from .operator import Arrays, Dialect


@dataclass(frozen=True)
class Case:
    """``levels``: indices by rank, those of one level in any order; ``drops(k, i)``, does k drop i if it may;
    ``unsure(k, i)``, does rounding decide that; ``by_index``, is the answer in ascending order; ``chains``, does a
    dropped box drop others.
    """

    levels: tuple[tuple[int, ...], ...]
    drops: Callable[[int, int], bool]
    unsure: Callable[[int, int], bool]
    by_index: bool = False
    chains: bool = False

    def kept(self) -> list[int]:
        """Who stays, each level in the order in which it is written."""
        ranked = [i for level in self.levels for i in level]
        stay: list[int] = []
        for place, i in enumerate(ranked):
            if not any(self.drops(k, i) for k in (ranked[:place] if self.chains else stay)):
                stay.append(i)
        return sorted(stay) if self.by_index else stay

    def judge(self, found: Arrays) -> str:
        """Why ``found`` is right though it is not ``kept()``; "" if it is not."""
        if isinstance(found, tuple) or found.ndim != 1 or found.dtype.kind not in "iu":
            return ""
        stay = found.tolist()
        level_of = {i: n for n, level in enumerate(self.levels) for i in level}
        if len(set(stay)) < len(stay) or not set(stay) <= set(level_of):
            return ""
        ranks = stay if self.by_index else [level_of[i] for i in stay]
        if ranks != sorted(ranks):
            return ""
        accepts = self._accepts_chains if self.chains else self._accepts
        if accepts(set(stay), level_of, lambda k, i: False):
            return "unspecified"
        return "undecided" if accepts(set(stay), level_of, self.unsure) else ""

    def _accepts(self, stay: set[int], level_of: dict[int, int], unsure: Callable[[int, int], bool]) -> bool:
        """No two that stay are sure to drop each other; who is gone has one that stays, not below, that may do it.

        Then the order in which those that stay come first within their level is one that gives this answer.
        """

        def surely(k: int, i: int) -> bool:
            return self.drops(k, i) and not unsure(k, i)

        def maybe(k: int, i: int) -> bool:
            return self.drops(k, i) or unsure(k, i)

        for i, level in level_of.items():
            above = [k for k in stay if k != i and level_of[k] <= level]
            if any(surely(k, i) for k in above) if i in stay else not any(maybe(k, i) for k in above):
                return False
        return True

    def _accepts_chains(self, stay: set[int], level_of: dict[int, int], unsure: Callable[[int, int], bool]) -> bool:
        """As ``_accepts``, but whoever is gone drops too: within a level, what is reached from those that stay, or from
        what a level above has dropped, one after the other.
        """
        above: list[int] = []
        for level in self.levels:
            first = [i for i in level if i in stay]
            for i in first:
                if any(self.drops(k, i) and not unsure(k, i) for k in (*above, *(k for k in first if k != i))):
                    return False
            gone = {i for i in level if i not in stay}
            done = [*above, *first]
            while reached := {i for i in gone if any(self.drops(k, i) or unsure(k, i) for k in done)}:
                done += reached
                gone -= reached
            if gone:
                return False
            above = [*above, *level]
        return True


def levels(scores: Sequence[float], dialect: Dialect) -> tuple[tuple[int, ...], ...]:
    """The ranking of a dialect with ``ties``, and where it has them ``sorting`` and ``nan_scores``."""
    nan = dialect.get("nan_scores", "last")
    if dialect.get("sorting") == "assumed":
        return tuple((i,) for i, s in enumerate(scores) if not (nan == "dropped" and math.isnan(s)))
    ties = dialect["ties"]
    ranked = exact.order(scores, ties="lowest" if ties == "any" else ties, nan=nan)
    if ties != "any":
        return tuple((i,) for i in ranked)
    found: list[list[int]] = []
    for i in ranked:
        alike = found and (scores[i] == scores[found[-1][0]] or all(map(math.isnan, (scores[i], scores[found[-1][0]]))))
        if alike:
            found[-1].append(i)
        else:
            found.append([i])
    return tuple(map(tuple, found))


def answer(case: Case) -> np.ndarray:
    """The reference's."""
    return np.array(case.kept(), np.int64)
