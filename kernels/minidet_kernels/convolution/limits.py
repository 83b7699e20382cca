"""Which calls the implementations take, and where they pay.

Apart from them, because this is read without importing Numba.
"""

from __future__ import annotations

from math import log2, prod
from typing import Any

from ..arrays import Array
from .check import Shape
from .fft import sizes
from .geometry import IntOrPair, Pair, out_sizes, pair

#: The most channels, and filters, of a group; with more, a matrix product is faster (measured).
MOST = 4


def few_channels(_: Array, w: Array, *bias: Any, groups: int = 1, **options: Any) -> str | None:
    """Why ``conv2d`` or ``conv2d_grad_x`` is better left to BLAS."""
    return _few(w.shape, groups)


def few_channels_grad_w(x: Array, g: Array, *, shape: Shape, groups: int = 1, **options: Any) -> str | None:
    """Why ``conv2d_grad_w`` is better left to BLAS."""
    return _few(shape, groups)


def _few(w: Shape, groups: int) -> str | None:
    filters = w[0] // groups
    if max(w[1], filters) <= MOST:
        return None
    return f"takes groups of at most {MOST} channels and {MOST} filters, not {w[1]} and {filters}"


def three_by_three(
    _: Array,
    w: Array,
    *bias: Any,
    stride: IntOrPair = 1,
    dilation: IntOrPair = 1,
    groups: int = 1,
    **options: Any,
) -> str | None:
    """Why Winograd's convolution cannot be used."""
    if w.shape[2:] != (3, 3):
        return f"takes filters of 3 x 3, not {w.shape[2]} x {w.shape[3]}"
    for name, value in (("stride", pair(stride)), ("dilation", pair(dilation))):
        if value != (1, 1):
            return f"takes {name} 1, not {value}"
    return None if groups == 1 else f"takes one group, not {groups}"


def float32_three_by_three(x: Array, w: Array, *bias: Any, **options: Any) -> str | None:
    """Why the compiled Winograd convolution cannot be used."""
    return three_by_three(x, w, **options) if x.dtype.char == "f" else f"takes float32, not {x.dtype}"


#: Outputs of a row that ``rows`` computes together, at most.
OUTPUTS = 32


def long_rows(x: Array, w: Array, *bias: Any, **options: Any) -> str | None:
    """Why the convolution by pieces of rows cannot be used."""
    if why := float32_three_by_three(x, w, **options):
        return why
    width = out_sizes(x.shape, w.shape, 1, options.get("padding", 0), 1)[1]
    return None if width >= OUTPUTS else f"takes rows of at least {OUTPUTS} outputs, not {width}"


def rows_lose(x: Array, w: Array, *bias: Any, padding: IntOrPair = 0, **options: Any) -> str | None:
    """Where pieces of rows are slower than looking the columns up (measured): where the last ones mostly repeat."""
    width = out_sizes(x.shape, w.shape, 1, padding, 1)[1]
    if w.shape[1] > 128:
        return f"pays for at most 128 channels, not {w.shape[1]}"
    repeated = -width % OUTPUTS
    return None if 4 * repeated <= width else f"computes {repeated} of {width} outputs of a row twice"


def winograd_maps_loses(x: Array, w: Array, *bias: Any, padding: IntOrPair = 0, **options: Any) -> str | None:
    """Where laying out maps and filters takes longer than what it saves (measured)."""
    oh, ow = out_sizes(x.shape, w.shape, 1, padding, 1)
    pairs = len(x) * w.shape[0] * w.shape[1] * oh * ow
    return None if pairs >= 2**23 else f"pays from {2**23} pairs of a channel and an output on, not for {pairs}"


def float32_three_by_three_grad_x(
    g: Array, w: Array, *, shape: Shape, padding: IntOrPair = 0, **options: Any
) -> str | None:
    """Why the compiled Winograd convolution cannot be used for the gradient of the input."""
    if max(pair(padding)) > 2:  # the convolution that this is has padding 2 - padding
        return f"takes a padding of at most 2, not {pair(padding)}"
    return float32_three_by_three(g, w, **options)


def winograd_numba_loses(x: Array, w: Array, *bias: Any, **options: Any) -> str | None:
    """Where the compiled Winograd convolution is slower than a plain product (measured).

    It computes sixteen tiles of an image at a time, whether there are so many or not.
    """
    return _few_tiles(w, out_sizes(x.shape, w.shape, 1, options.get("padding", 0), 1), 128)


def winograd_numba_loses_grad_x(g: Array, w: Array, *, shape: Shape, **options: Any) -> str | None:
    """The same, for the gradient of an input of this shape."""
    return _few_tiles(w, (shape[2], shape[3]), 48)


def _few_tiles(w: Array, size: Pair, least: int) -> str | None:
    channels, tiles = min(w.shape[:2]), -(-size[0] // 4) * -(-size[1] // 4)
    if channels < least or tiles < 9:
        return f"pays from {least} channels and filters and 9 tiles an image on, not for {channels} and {tiles}"
    return None


def winograd_f2_loses(x: Array, w: Array, *bias: Any, **options: Any) -> str | None:
    """Where F(2 x 2, 3 x 3) in NumPy is slower than a plain product, or too coarse (measured)."""
    return _winograd_loses(x, w, tile=2, padding=options.get("padding", 0), least=(128, 169))


def winograd_f4_loses(x: Array, w: Array, *bias: Any, **options: Any) -> str | None:
    """Where F(4 x 4, 3 x 3) in NumPy is slower than a plain product, or too coarse (measured)."""
    return _winograd_loses(x, w, tile=4, padding=options.get("padding", 0), least=(64, 49))


def _winograd_loses(x: Array, w: Array, *, tile: int, padding: IntOrPair, least: tuple[int, int]) -> str | None:
    """Transforming tiles and filters is a fixed cost: many channels and many tiles have to share it."""
    if x.dtype.char != "f":
        return "rounds more than float64 is chosen for"
    oh, ow = out_sizes(x.shape, w.shape, 1, padding, 1)
    channels, tiles = min(w.shape[:2]), len(x) * -(-oh // tile) * -(-ow // tile)
    if channels < least[0] or tiles < least[1]:
        return f"pays from {least[0]} channels and filters and {least[1]} tiles on, not for {channels} and {tiles}"
    return None


def one_by_one(_: Array, w: Array, *bias: Any, padding: IntOrPair = 0, **options: Any) -> str | None:
    """Why a convolution is not a plain product of its channels."""
    return _one_by_one(w.shape, padding)


def one_by_one_grad_w(x: Array, g: Array, *, shape: Shape, padding: IntOrPair = 0, **options: Any) -> str | None:
    """The same, for the gradient of filters of this shape."""
    return _one_by_one(shape, padding)


def _one_by_one(w: Shape, padding: IntOrPair) -> str | None:
    if w[2:] != (1, 1):
        return f"takes filters of 1 x 1, not {w[2]} x {w[3]}"
    return None if pair(padding) == (0, 0) else f"takes padding 0, not {pair(padding)}"


def depthwise_three(x: Array, w: Array, *bias: Any, **options: Any) -> str | None:
    """Why the vector kernels of the depthwise convolution cannot be used."""
    return _depthwise(x, w.shape, **options)


def depthwise_three_grad_w(x: Array, g: Array, *, shape: Shape, **options: Any) -> str | None:
    """The same, for the gradient of filters of this shape."""
    return _depthwise(x, shape, **options)


def depthwise_three_grad_x(
    g: Array, w: Array, *, shape: Shape, stride: IntOrPair = 1, padding: IntOrPair = 0, **options: Any
) -> str | None:
    """The same, for the gradient of the input, which is not summed over several filters of a channel."""
    if why := _depthwise(g, w.shape, stride=stride, **options):
        return why
    if len(w) != options.get("groups", 1):
        return f"takes one filter per channel, not {len(w) // options.get('groups', 1)}"
    if pair(stride) == (1, 1):
        return None if max(pair(padding)) <= 2 else f"takes a padding of at most 2, not {pair(padding)}"
    return None if pair(padding) == (1, 1) else f"takes padding 1 with stride 2, not {pair(padding)}"


def _depthwise(
    x: Array, w: Shape, *, stride: IntOrPair = 1, dilation: IntOrPair = 1, groups: int = 1, **options: Any
) -> str | None:
    if x.dtype.char != "f":
        return f"takes float32, not {x.dtype}"
    if w[1] != 1:
        return f"takes one channel a group, not {w[1]}"
    if w[2:] != (3, 3):
        return f"takes filters of 3 x 3, not {w[2]} x {w[3]}"
    if pair(stride) not in ((1, 1), (2, 2)):
        return f"takes stride 1 or 2, not {pair(stride)}"
    return None if pair(dilation) == (1, 1) else f"takes dilation 1, not {pair(dilation)}"


def indirect_limits(x: Array, w: Array, *bias: Any, **options: Any) -> str | None:
    """Why the compiled product of each group cannot be used."""
    return None if x.dtype.char == "f" else f"takes float32, not {x.dtype}"


def indirect_limits_grad_x(
    g: Array, w: Array, *, shape: Shape, stride: IntOrPair = 1, padding: IntOrPair = 0, dilation: IntOrPair = 1,
    **options: Any,
) -> str | None:  # fmt: skip
    """The same, for the gradient of the input: a convolution with stride 1 and padding d (k - 1) - p."""
    if pair(stride) != (1, 1):
        return f"takes stride 1, not {pair(stride)}"
    for k, p, d in zip(w.shape[2:], pair(padding), pair(dilation), strict=True):
        if p > d * (k - 1):
            return f"takes a padding of at most {d * (k - 1)} for {k} taps, not {p}"
    return indirect_limits(g, w)


def indirect_loses(x: Array, w: Array, *bias: Any, **options: Any) -> str | None:
    """Where looking the columns up is slower than a plain product of what is there already (measured)."""
    if _one_by_one(w.shape, options.get("padding", 0)) is not None:
        return None
    oh, ow = out_sizes(x.shape, w.shape, options.get("stride", 1), 0, 1)
    return None if oh * ow >= 400 else f"pays for filters of 1 x 1 from 400 pixels an image on, not for {oh * ow}"


def indirect_loses_grad_x(g: Array, w: Array, *, padding: IntOrPair = 0, **options: Any) -> str | None:
    """The same, for the gradient of the input: the filters have to be copied besides."""
    return None if _one_by_one(w.shape, padding) else "does not pay for filters of 1 x 1"


_GEOMETRY = {"stride": 1, "padding": 0, "dilation": 1}


def fft_loses(x: Array, w: Array, *bias: Any, **options: Any) -> str | None:
    """Where transforms take longer than sums (measured)."""
    return _fft_loses(x.shape, w.shape, _sums(x, w.shape, True, **options), **options)


def fft_loses_grad_x(g: Array, w: Array, *, shape: Shape, **options: Any) -> str | None:
    """The same, for the gradient of the input."""
    return _fft_loses(shape, w.shape, _sums(g, w.shape, pair(options.get("stride", 1)) == (1, 1), **options), **options)


def fft_loses_grad_w(x: Array, g: Array, *, shape: Shape, **options: Any) -> str | None:
    """The same, for the gradient of the filters."""
    return _fft_loses(x.shape, shape, _sums(x, shape, False, **options), **options)


def _sums(x: Array, w: Shape, indirect: bool, *, groups: int = 1, **options: Any) -> int:
    """How many products the best of the others does while a transform does one step for one number, on two cores."""
    single = x.dtype.char == "f"
    if _few(w, groups) is None:
        return 15 if single else 9
    return (80 if indirect else 6) if single else 5


def _fft_loses(x: Shape, w: Shape, sums: int, *, groups: int = 1, **options: Any) -> str | None:
    geometry = [options.get(name, default) for name, default in _GEOMETRY.items()]
    (oh, ow), (L1, L2) = out_sizes(x, w, *geometry), sizes(x, w, *geometry)
    steps = (x[0] * (x[1] + w[0]) + w[0] * w[1]) * L1 * L2 * log2(2 * L1 * L2)
    products = x[0] * prod(w) * oh * ow
    if products < sums * steps:
        return (
            f"pays from {sums} products in place of a step of the transforms on, not for {products / max(steps, 1):.2g}"
        )
    return None
