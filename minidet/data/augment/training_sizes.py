"""Which size of input to train on when: Darknet's random shapes, and how a transform is told."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from ..sample import Transform
from .options import check_count


@dataclass(frozen=True)
class TrainingSizes:
    """A size (h, w) for each step, a multiple of ``multiple`` from ``lowest`` to ``highest``, changed every ``every``
    steps.

    A pure function of ``seed`` and the step, so that a resumed run goes on with the sizes of the one that was left
    alone.  Both sides are the same unless ``square`` is False.  With ``total`` the last ``settle`` steps have the
    highest size, as in Darknet, whose numbers these are (YOLOv2, Redmon and Farhadi 2017, section 2).
    """

    lowest: int = 320
    highest: int = 608
    multiple: int = 32
    every: int = 10
    seed: int = 0
    square: bool = True
    total: int | None = None
    settle: int = 200

    def __post_init__(self) -> None:
        for name, least in (("multiple", 1), ("every", 1), ("seed", 0), ("settle", 0), ("lowest", 1), ("highest", 1)):
            check_count(name, getattr(self, name), least)
        if self.lowest > self.highest or self.lowest % self.multiple or self.highest % self.multiple:
            raise ValueError(
                f"lowest and highest must be multiples of {self.multiple}, in order, "
                f"found {self.lowest} and {self.highest}"
            )

    def at(self, step: int) -> tuple[int, int]:
        """The size (h, w) of step ``step``, from 0."""
        check_count("step", step, 0)
        if self.total is not None and step >= self.total - self.settle:
            return self.highest, self.highest
        rng = np.random.default_rng([self.seed, int(step) // self.every])
        sides = self.multiple * rng.integers(self.lowest // self.multiple, self.highest // self.multiple + 1, 2)
        return int(sides[0]), int(sides[0 if self.square else 1])


def with_size(transform: Transform, size: tuple[int, int]) -> Transform:
    """``transform`` with every option named ``size`` in it, and in the transforms it is made of, set to ``size``."""
    found: Any = _with_size(transform, (int(size[0]), int(size[1])))
    return found


def _with_size(value: Any, size: tuple[int, int]) -> Any:
    if isinstance(value, tuple):
        return tuple(_with_size(item, size) for item in value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changed = {f.name: size if f.name == "size" else _with_size(getattr(value, f.name), size) for f in fields(value)}
    return replace(value, **changed)
