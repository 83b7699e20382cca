"""The largest value of each window of a map with its channels last; padding never wins, NaN does.

Large windows are done down the columns first, into a row of the thread's own, and then along it: kh + kw comparisons
for a pixel instead of kh kw.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import njit, types
from numba.extending import intrinsic

from ..geometry import Pair
from ..vectors import BYTES, LANES, Builder, Value, constant, index, kernel, load, repeat, store
from .maps import Map
from .pack import Step, places

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"


def _window(
    b: Builder, x: Value, row: Value, pixel: Value, rows: Value, columns: Value, y: Value, vectors: Value
) -> None:
    def channels(c: Value, state: list[Value]) -> list[Value]:
        shift = b.mul(c, index(BYTES))

        def line(i: Value, best: list[Value]) -> list[Value]:
            start = b.add(b.add(x, shift), b.mul(row, i))

            def one(j: Value, best: list[Value]) -> list[Value]:
                value = load(b, b.add(start, b.mul(pixel, j)))
                wins = b.or_(b.fcmp_ordered(">", value, best[0]), b.fcmp_unordered("uno", value, value))
                return [b.select(wins, value, best[0])]

            return repeat(b, columns, best, one)

        (best,) = repeat(b, rows, [constant(float("-inf"))], line)
        store(b, best, b.add(y, shift))
        return state

    repeat(b, vectors, [], channels)


@intrinsic
def _greatest(context: Any, x: Any, row: Any, pixel: Any, rows: Any, columns: Any, y: Any, vectors: Any) -> Any:
    """The largest of ``rows`` by ``columns`` pixels from ``x`` on, ``vectors`` of sixteen channels."""
    return types.void(*(types.int64,) * 7), kernel("minidet_packed_greatest", _window)


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
    x_height: int
    x_width: int
    height: int
    width: int
    kh: int
    kw: int
    sh: int
    sw: int
    ph: int
    pw: int
    vectors: int


KIND = 6

#: Pixels of a window up to which it is done at once.
FEW = 9


@njit(cache=True)
def work(c, private, thread, threads):
    """A thread's share of the rows of all images."""
    rows, step, twice = c.images * c.height, c.vectors * BYTES, c.kh * c.kw > FEW
    for item in range(rows * thread // threads, rows * (thread + 1) // threads):
        n, i = item // c.height, item % c.height
        top = max(0, i * c.sh - c.ph)
        bottom = min(c.x_height, i * c.sh - c.ph + c.kh)
        x, y = c.x + n * c.x_image + top * c.x_row, c.y + n * c.y_image + i * c.y_row
        if twice:
            for j in range(c.x_width):
                _greatest(x + j * c.x_pixel, c.x_row, c.x_pixel, bottom - top, 1, private + j * step, c.vectors)
        for j in range(c.width):
            left = max(0, j * c.sw - c.pw)
            right = min(c.x_width, j * c.sw - c.pw + c.kw)
            if twice:
                _greatest(private + left * step, 0, step, 1, right - left, y + j * c.y_pixel, c.vectors)
            else:
                _greatest(
                    x + left * c.x_pixel, c.x_row, c.x_pixel, bottom - top, right - left, y + j * c.y_pixel, c.vectors
                )


def bind_greatest(x: Map, y: Map, *, size: Pair, stride: Pair, before: Pair) -> list[Step]:
    """Max pooling from ``x`` to ``y``, by windows that begin ``before`` pixels outside of ``x``.

    Every window holds a pixel of ``x``; the channels of both maps lie in whole vectors.
    """
    vectors = -(-x.data.shape[3] // LANES)
    assert min(x.width, y.width) >= vectors * LANES
    images, height, width, _ = y.data.shape
    call = Call._make((
        x.address, *x.steps, *places(y, None)[:4], images, *x.data.shape[1:3], height, width,
        *size, *stride, *before, vectors,
    ))  # fmt: skip
    return [Step(KIND, call, (x, y), private=x.data.shape[2] * vectors * LANES)]
