"""The structs that the tensor-core kernels take by value, and the lattices of pixels that they work on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np


def record(names: str, **values: int) -> Any:
    """A struct of 32-bit integers in the order of ``names``: NumPy's structured scalar, which kernels take by value."""
    assert set(names.split()) == set(values), set(names.split()) ^ set(values)
    numbers = np.array([values[name] for name in names.split()], np.int64)
    return numbers.astype(np.uint32).view([(name, np.int32) for name in names.split()])[0]


def division(name: str, by: int) -> dict[str, int]:
    """The fields of ``Division`` (mma.cuh) for exact quotients by ``by`` of integers from 0 to 2^31 - 1."""
    shift = (by - 1).bit_length()
    return {f"{name}_by": by, f"{name}_magic": (2**32 * (2**shift - by)) // by + 1, f"{name}_shift": shift}


@dataclass(frozen=True)
class Axis:
    """Along one axis: places ``first + step i`` of the output, under which lies ``stride i + start + by t`` of x.

    ``t`` counts ``taps`` of the filters' taps, of which it is number ``tap + tap_step t``.
    """

    places: int
    first: int
    step: int
    stride: int
    start: int
    by: int
    taps: int
    tap: int
    tap_step: int

    @classmethod
    def of_phase(cls, a: int, s: int, p: int, d: int, n: int, k: int) -> Axis:
        """The pixels a, a + s, ... of n pixels, and the outputs and taps that reach them: i s + u d - p = a + s t."""
        reach = [u for u in range(k) if (a + p - u * d) % s == 0]
        first, tap_step = (reach[0] if reach else 0), (reach[1] - reach[0] if len(reach) > 1 else 1)
        return cls(
            places=-(-(n - a) // s),
            first=a,
            step=s,
            stride=1,
            start=(a + p - first * d) // s,
            by=-(tap_step * d) // s,
            taps=len(reach),
            tap=first,
            tap_step=tap_step,
        )


def axes(down: Axis, across: Axis) -> dict[str, int]:
    """The fields of ``Lattice`` (mma_conv.cu) that are there for both axes."""
    names = {field.name: "from" if field.name == "start" else field.name for field in fields(Axis)}
    return {
        f"{names[field]}_{side}": getattr(axis, field) for axis, side in ((down, "h"), (across, "w")) for field in names
    }
