"""A convolution, or its input's gradient, as the sums that ``gather.cuh`` describes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .check import Shape
from .geometry import IntOrPair, out_sizes, pair

_FIELDS = (
    "images groups channels H W filters oh ow kh kw rows columns step_h step_w first_h first_w tap_h tap_w "
    "to_step_h to_step_w to_first_h to_first_w w_first w_group w_filter w_channel w_row w_tap"
)
#: The kernels' ``Gather``, which is handed over by value.
GATHER = np.dtype([(name, np.int32) for name in _FIELDS.split(" ")])


class Sizes(NamedTuple):
    """Of a group's matrix product: (filters, terms) times (terms, places)."""

    groups: int
    filters: int
    terms: int
    places: int


def sizes(p: np.ndarray) -> Sizes:
    """The sizes of the product that ``p`` describes."""
    n = {name: int(p[name]) for name in _FIELDS.split(" ")}
    places = n["images"] * n["rows"] * n["columns"]
    return Sizes(n["groups"], n["filters"], n["channels"] * n["kh"] * n["kw"], places)


def forward(
    x: Shape, w: Shape, *, stride: IntOrPair = 1, padding: IntOrPair = 0, dilation: IntOrPair = 1, groups: int = 1
) -> np.ndarray:
    """``conv2d`` of maps of shape ``x`` by filters of shape ``w``."""
    (N, _, H, W), (O, Cg, kh, kw), (oh, ow) = x, w, out_sizes(x, w, stride, padding, dilation)
    (ph, pw), Og, taps = pair(padding), O // groups, kh * kw
    filters = (0, Og * Cg * taps, Cg * taps, taps, kw, 1)
    read, written = (*pair(stride), -ph, -pw, *pair(dilation)), (1, 1, 0, 0)
    values = (N, groups, Cg, H, W, Og, oh, ow, kh, kw, oh, ow, *read, *written, *filters)
    return np.array(values, GATHER)


def backward(
    x: Shape, w: Shape, *, stride: IntOrPair = 1, padding: IntOrPair = 0, dilation: IntOrPair = 1, groups: int = 1
) -> Iterator[np.ndarray]:
    """``conv2d_grad_x`` to maps of shape ``x``: one for each phase of the stride, which together write every pixel."""
    (N, _, H, W), (O, Cg, kh, kw), (oh, ow) = x, w, out_sizes(x, w, stride, padding, dilation)
    (sh, sw), Og, taps = pair(stride), O // groups, kh * kw
    for a in range(min(sh, H)):
        for b in range(min(sw, W)):
            rows, columns = (
                _phase(a, 0, H, kh, stride, padding, dilation),
                _phase(b, 1, W, kw, stride, padding, dilation),
            )
            channels, (th, tw) = (Og, (rows.taps, columns.taps)) if rows.taps and columns.taps else (0, (1, 1))
            last = (rows.first_tap + rows.every * (th - 1)) * kw + columns.first_tap + columns.every * (tw - 1)
            filters = (last, Og * Cg * taps, taps, Cg * taps, -rows.every * kw, -columns.every)
            read = (1, 1, rows.first, columns.first, rows.tap, columns.tap)
            values = (N, groups, channels, oh, ow, Cg, H, W, th, tw, rows.places, columns.places)
            yield np.array((*values, *read, sh, sw, a, b, *filters), GATHER)


class _Axis(NamedTuple):
    """Of one axis and phase: the pixels ``a + q stride``, what they read (``q + first + t tap``), and by which taps."""

    places: int
    first: int
    tap: int
    taps: int
    first_tap: int
    every: int


def _phase(a: int, axis: int, n: int, k: int, stride: IntOrPair, padding: IntOrPair, dilation: IntOrPair) -> _Axis:
    """Pixel ``a + q s`` is reached from output ``i`` by tap ``u`` where ``i s + u d - p`` is it: those ``u``."""
    s, p, d = (pair(value)[axis] for value in (stride, padding, dilation))
    reached = [u for u in range(k) if (a + p - u * d) % s == 0]
    places = -(-(n - a) // s)
    if not reached:
        return _Axis(places, 0, 1, 0, 0, 1)
    every = reached[1] - reached[0] if len(reached) > 1 else 1
    tap = every * d // s if len(reached) > 1 else 1
    return _Axis(places, (a + p - reached[-1] * d) // s, tap, len(reached), reached[0], every)
