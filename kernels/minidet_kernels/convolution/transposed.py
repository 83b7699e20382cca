"""Numbers moved from rows to columns, sixteen by sixteen in registers, for kernels that want their channels last.

A transpose by single numbers reads or writes one number of each cache line that it touches.  Here sixteen rows are read
a vector each, turned around by exchanges of lanes (``winograd_grad_vectors``), and written a vector each.
"""

from __future__ import annotations

from typing import Any

from numba import njit, types
from numba.extending import intrinsic

from .vectors import FLOAT, LANES, Builder, Value, index, kernel, load, load_float, store
from .winograd_grad_vectors import swapped

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"


def _block(b: Builder, x: Value, x_step: Value, y: Value, y_step: Value) -> None:
    rows = [load(b, b.add(x, b.mul(x_step, index(k)))) for k in range(LANES)]
    for k, row in enumerate(swapped(b, rows)):
        store(b, row, b.add(y, b.mul(y_step, index(k))))


@intrinsic
def _turn(context: Any, x: Any, x_step: Any, y: Any, y_step: Any) -> Any:
    """Sixteen rows of sixteen numbers, ``x_step`` bytes apart, to sixteen columns in rows ``y_step`` bytes apart."""
    return types.void(*(types.int64,) * 4), kernel("minidet_turn", _block)


def _one(b: Builder, x: Value, y: Value) -> None:
    b.store(load_float(b, x), b.inttoptr(y, FLOAT.as_pointer()), align=4)


@intrinsic
def _move(context: Any, x: Any, y: Any) -> Any:
    """One number."""
    return types.void(types.int64, types.int64), kernel("minidet_move", _one)


@njit(cache=True)
def transpose(x, x_step, rows, columns, y, y_step):
    """``rows`` x ``columns`` float32 at the address ``x``, rows ``x_step`` bytes apart, to columns x rows at ``y``."""
    whole_rows, whole_columns = rows // LANES * LANES, columns // LANES * LANES
    for c in range(0, whole_columns, LANES):
        for r in range(0, whole_rows, LANES):
            _turn(x + r * x_step + 4 * c, x_step, y + c * y_step + 4 * r, y_step)
        for r in range(whole_rows, rows):
            for k in range(c, c + LANES):
                _move(x + r * x_step + 4 * k, y + k * y_step + 4 * r)
    for c in range(whole_columns, columns):
        for r in range(rows):
            _move(x + r * x_step + 4 * c, y + c * y_step + 4 * r)


__all__ = ["transpose"]
