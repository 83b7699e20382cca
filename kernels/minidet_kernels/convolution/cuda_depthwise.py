"""Launchers of the depthwise kernels: ``depthwise.cu`` and ``depthwise_grad_w.cu``."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

from ..arrays import Array, namespace
from ..cuda import Source, cover, dense, i4
from .check import Shape
from .cuda_epilogue import NOTHING, epilogue
from .cuda_gather import backward, forward
from .cuda_grad_w import walk
from .cuda_limits import takes, takes_grad_w, takes_grad_x
from .cuda_registers import LEAST, SUM

#: Outputs of a thread, threads of a block at most, and bytes of shared memory that a block gets without asking.
PER, THREADS, SHARED = 4, 256, 48 << 10
#: So many blocks keep a large GPU (132 multiprocessors with room for eight) busy.
ENOUGH = 1056
#: From so many filters a channel on, tiles of them are the better choice.
MANY = 8

FORWARD = Source(__file__, "depthwise.cu", fused=True, PER=PER, instances=[f"conv2d_depthwise<{k}>" for k in (3, 0)])
GRAD_W = Source(
    __file__,
    "depthwise_grad_w.cu",
    fused=True,
    THREADS=THREADS,
    instances=[f"conv2d_depthwise_grad_w<{k}>" for k in (3, 5, 1)],
)


class Block(NamedTuple):
    """Threads: columns, rows (of ``PER`` outputs a thread), planes; and bytes of shared memory of each plane."""

    columns: int
    rows: int
    planes: int
    bytes: int


def block(p: Any) -> Block | None:
    """The block for this plane: as wide as its columns divide evenly, of so many rows and planes as there is room for.

    ``None`` where the pixels that a single output sees are too many for shared memory.
    """
    rows, columns = cover(int(p["rows"]), PER), int(p["columns"])
    across = cover(columns, cover(columns, 32))
    down = cover(rows, cover(rows, THREADS // across))
    while (size := _bytes(p, across, down)) > SHARED:
        if down > 1:
            down = cover(down, 2)
        elif across > 1:
            across = cover(across, 2)
        else:
            return None
    planes = int(p["images"]) * int(p["groups"]) * int(p["filters"])
    return Block(across, down, max(1, min(THREADS // (across * down), SHARED // size, planes, 64)), size)


def _bytes(p: Any, across: int, down: int) -> int:
    """Of the pixels that a plane's outputs in a block see, and of its filter."""
    outputs = (min(down * PER, int(p["rows"])), min(across, int(p["columns"])))
    sides = (
        (n - 1) * int(p[f"step_{side}"]) + (int(p[f"k{side}"]) - 1) * int(p[f"tap_{side}"]) + 1
        for n, side in zip(outputs, "hw", strict=True)
    )
    return 4 * (prod(sides) + int(p["kh"]) * int(p["kw"]))


def limits(x: Array, w: Array, *more: Array | None, **options: Any) -> str | None:
    """Why the kernel refuses a ``conv2d`` or a ``conv2d_fused``, or ``None``."""
    geometry = {name: options[name] for name in ("stride", "padding", "dilation", "groups") if name in options}
    return _single(w.shape) or takes(x, w, *more, **options) or _room(forward(x.shape, w.shape, **geometry))


def limits_grad_x(g: Array, w: Array, *, shape: Shape, **options: Any) -> str | None:
    """The same, of ``conv2d_grad_x``."""
    if why := _single(w.shape) or takes_grad_x(g, w, shape=shape, **options):
        return why
    return _room(*backward(shape, w.shape, **options))


def limits_grad_w(x: Array, g: Array, *, shape: Shape, **options: Any) -> str | None:
    """The same, of ``conv2d_grad_w``."""
    if max(shape[2:]) > 255:
        return f"takes at most 255 taps along an axis, not {max(shape[2:])}"
    return _single(shape) or takes_grad_w(x, g, shape=shape, **options)


def _single(w: Shape) -> str | None:
    return None if w[1] == 1 else f"takes filters of one channel (groups = channels), not of {w[1]}"


def _room(*every: Any) -> str | None:
    if all(block(p) for p in every):
        return None
    return f"takes filters whose pixels fit into {SHARED} bytes of shared memory"


def many_filters(x: Array, w: Array, *more: Array | None, groups: int = 1, **options: Any) -> str | None:
    """Where tiles of filters share what they read: from so many filters of a channel on."""
    return _many(len(w) // groups)


def many_filters_grad_w(x: Array, g: Array, *, shape: Shape, groups: int = 1, **options: Any) -> str | None:
    """The same, of ``conv2d_grad_w``."""
    return _many(shape[0] // groups)


def _many(filters: int) -> str | None:
    return f"pays for fewer than {MANY} filters a channel, not for {filters}" if filters >= MANY else None


def _launch(x: Array, w: Array, bias: Array | None, more: Array | None, y: Array, p: Any, end: Any = NOTHING) -> None:
    across, down, planes, size = block(p) or Block(1, 1, 1, 0)  # there is one: ``limits`` has looked
    tiles = cover(int(p["rows"]), down * PER) * cover(int(p["columns"]), across)
    count = cover(int(p["images"]) * int(p["groups"]) * int(p["filters"]), planes) * tiles
    k = 3 if p["kh"] == p["kw"] == 3 else 0
    args = (x, w, bias, more, y, p, end)
    FORWARD(f"conv2d_depthwise<{k}>", count, (across, down, planes), args, shared=planes * size)


def conv2d_fused(
    x: Array,
    w: Array,
    bias: Array | None = None,
    residual: Array | None = None,
    *,
    activation: str = "linear",
    slope: float = 0.1,
    order: str = "activation_first",
    **options: Any,
) -> Array:
    """`minidet_kernels.convolution.conv2d_fused` by ``depthwise.cu``."""
    p = forward(x.shape, w.shape, **options)
    y = namespace(x).empty((len(x), len(w), int(p["oh"]), int(p["ow"])), x.dtype)
    bias, residual = (None if a is None else dense(a) for a in (bias, residual))
    _launch(dense(x), dense(w), bias, residual, y, p, epilogue(activation, slope, order))
    return y


def conv2d(x: Array, w: Array, bias: Array | None = None, **options: Any) -> Array:
    """`minidet_kernels.convolution.conv2d` by ``depthwise.cu``."""
    return conv2d_fused(x, w, bias, **options)


def conv2d_grad_x(g: Array, w: Array, *, shape: Shape, **options: Any) -> Array:
    """`minidet_kernels.convolution.conv2d_grad_x` by ``depthwise.cu``: a launch for each phase of the stride."""
    gx = namespace(g).empty(tuple(shape), g.dtype)
    g, w = dense(g), dense(w)
    for p in backward(shape, w.shape, **options):
        _launch(g, w, None, None, gx, p)
    return gx


def conv2d_grad_w(x: Array, g: Array, *, shape: Shape, **options: Any) -> Array:
    """`minidet_kernels.convolution.conv2d_grad_w` by ``depthwise_grad_w.cu``, in shares that are added in order."""
    xp, (O, _, kh, kw) = namespace(g), shape
    gw, terms = xp.empty(tuple(shape), g.dtype), len(g) * prod(g.shape[2:])
    k = kh if kh == kw and kh in (3, 5) else 1
    taps = kh * kw // (k * k)
    splits = max(1, min(cover(ENOUGH, max(1, O * taps)), terms // (LEAST * 8)))
    steps = cover(cover(terms, THREADS), splits)
    into = gw if splits == 1 else xp.empty((splits, gw.size), g.dtype)
    args = (dense(x), dense(g), into, i4(steps), walk(x.shape, shape, THREADS, **options))
    GRAD_W(f"conv2d_depthwise_grad_w<{k}>", (O, splits, taps), THREADS, args)
    if splits > 1:
        sizes = (i4(splits), i4(gw.size), i4(1), i4(1), NOTHING)
        SUM("conv2d_sum_splits", cover(gw.size, 256), 256, (into, None, None, gw, *sizes))
    return gw
