"""From arrays (N, C, H, W) to maps with their channels last, back, and from map to map."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, prange, types
from numba.extending import intrinsic

from ..vectors import BYTES, FLOAT, LANES, Builder, Value, index, kernel, load, load_float, repeat, store
from .maps import Map
from .pack import Step

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"


def _flat(a: Map) -> tuple[np.ndarray, tuple[int, int, int]]:
    """The numbers from a map's first to its last as one vector, and its steps in numbers: one type for all maps."""
    image, row, pixel = (step // 4 for step in a.steps)
    n, h, w, c = a.data.shape
    size = 0 if 0 in a.data.shape else (n - 1) * image + (h - 1) * row + (w - 1) * pixel + c
    return np.lib.stride_tricks.as_strided(a.data, (size,), (4,)), (image, row, pixel)


@njit(cache=True, parallel=True)
def _to_map(x, y, steps):
    """y[n, i, j, c] = x[n, c, i, j]."""
    N, C, H, W = x.shape
    image, row, pixel = steps
    for item in prange(N * H):
        n, i = item // H, item % H
        start = n * image + i * row
        if C < 8:  # a picture: its pixels are written one after the other
            for j in range(W):
                for c in range(C):
                    y[start + j * pixel + c] = x[n, c, i, j]
        else:
            for c in range(C):
                line = x[n, c, i]
                for j in range(W):
                    y[start + j * pixel + c] = line[j]


@njit(cache=True, parallel=True)
def _from_map(x, y, steps):
    """y[n, c, i, j] = x[n, i, j, c]."""
    N, C, H, W = y.shape
    image, row, pixel = steps
    for item in prange(N * H):
        n, i = item // H, item % H
        start = n * image + i * row
        for c in range(C):
            line = y[n, c, i]
            for j in range(W):
                line[j] = x[start + j * pixel + c]


def _copy(b: Builder, x: Value, y: Value, vectors: Value, rest: Value) -> None:
    def body(k: Value, state: list[Value]) -> list[Value]:
        shift = b.mul(k, index(BYTES))
        store(b, load(b, b.add(x, shift)), b.add(y, shift))
        return state

    def one(k: Value, state: list[Value]) -> list[Value]:
        shift = b.add(b.mul(vectors, index(BYTES)), b.mul(k, index(4)))
        target = b.inttoptr(b.add(y, shift), FLOAT.as_pointer())
        b.store(load_float(b, b.add(x, shift)), target, align=4)
        return state

    repeat(b, vectors, [], body)
    repeat(b, rest, [], one)


@intrinsic
def _copy_pixel(context: Any, x: Any, y: Any, vectors: Any, rest: Any) -> Any:
    """All channels of a pixel: ``vectors`` of sixteen and the ``rest``."""
    return types.void(*(types.int64,) * 4), kernel("minidet_packed_copy", _copy)


class Call(NamedTuple):
    """Addresses, and distances in bytes, of one call; all integers."""

    x: int
    x_image: int
    x_row: int
    x_pixel: int
    y: int
    y_image: int
    y_row: int
    y_pixel: int
    images: int
    height: int
    width: int
    down: int
    right: int
    vectors: int
    rest: int


KIND = 7


@njit(cache=True)
def work(c, thread, threads):
    """A thread's share of the rows of the larger map."""
    rows = c.images * c.height
    for item in range(rows * thread // threads, rows * (thread + 1) // threads):
        n, i = item // c.height, item % c.height
        x, y = c.x + n * c.x_image + i // c.down * c.x_row, c.y + n * c.y_image + i * c.y_row
        for j in range(c.width):
            _copy_pixel(x + j // c.right * c.x_pixel, y + j * c.y_pixel, c.vectors, c.rest)


def to_map(x: np.ndarray, y: Map) -> None:
    """Copy an array (N, C, H, W) of float32 into a map of that size."""
    vector, steps = _flat(y)
    _to_map(x if x.flags.carray else np.array(x, order="C"), vector, steps)


def from_map(x: Map) -> np.ndarray:
    """A new array (N, C, H, W) of what a map holds."""
    n, h, w, c = x.data.shape
    y = np.empty((n, c, h, w), np.float32)
    vector, steps = _flat(x)
    _from_map(vector, y, steps)
    return y


def bind_enlarge(x: Map, y: Map) -> list[Step]:
    """Repeat each pixel so that it fills ``y``, whose sides are whole multiples; with equal sides, copy."""
    images, height, width, channels = y.data.shape
    down, right = height // x.data.shape[1], width // x.data.shape[2]
    call = Call(x.address, *x.steps, y.address, *y.steps, images, height, width, down, right, *divmod(channels, LANES))
    return [Step(KIND, call, (x, y))]
