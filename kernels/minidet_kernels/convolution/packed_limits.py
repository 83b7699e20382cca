"""Which fused convolutions the packed implementations take, and where one of them pays.

Apart from them, because this is read without importing Numba.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from ..arrays import Array
from .geometry import IntOrPair, out_sizes, pair
from .limits import three_by_three

#: Channels that a vector holds.
LANES = 16

#: The most channels times filters for which Winograd's filters are transformed when they are packed (measured).
FEW = 2**14

#: The most for which a stride of 2 goes by its phases where the caches beyond the first are far (measured).
FEW_PHASES = 2**15


@cache
def zen() -> bool:
    """Whether this processor is one of AMD's Zen, whose caches beyond the first are near; asked where Numba is."""
    from llvmlite.binding import get_host_cpu_name

    return bool(get_host_cpu_name().startswith("znver"))


@cache
def second_cache() -> int:
    """Bytes of a core's second-level cache, where Linux tells; else what most have."""
    try:
        text = Path("/sys/devices/system/cpu/cpu0/cache/index2/size").read_text(encoding="ascii").strip()
        return int(text.removesuffix("K")) << 10
    except (OSError, ValueError):
        return 1 << 20


def packed_windows(x: Array, w: Array, *others: Any, groups: int = 1, **options: Any) -> str | None:
    """Why the packed product over windows cannot be used."""
    if x.dtype.char != "f":
        return f"takes float32, not {x.dtype}"
    return None if groups == 1 else f"takes one group, not {groups}"


def packed_depthwise(x: Array, w: Array, *others: Any, groups: int = 1, **options: Any) -> str | None:
    """Why the packed depthwise convolution cannot be used."""
    if x.dtype.char != "f":
        return f"takes float32, not {x.dtype}"
    if groups == x.shape[1] == len(w):
        return None
    return f"takes as many groups as channels and filters, not {groups}, {x.shape[1]} and {len(w)}"


def _three_by_three(x: Array, w: Array, stride: int, options: dict[str, Any]) -> str | None:
    """Why a packed Winograd scheme of this stride cannot be used."""
    if x.dtype.char != "f":
        return f"takes float32, not {x.dtype}"
    if not x.shape[1] or x.shape[1] % LANES:
        return f"takes a multiple of {LANES} channels, not {x.shape[1]}"
    if len(w) <= LANES:
        return f"takes more than {LANES} filters, not {len(w)}"
    if pair(options.get("stride", 1)) != (stride, stride):
        return f"takes stride {stride}, not {pair(options.get('stride', 1))}"
    return three_by_three(x, w, **options | {"stride": 1})


def packed_winograd(x: Array, w: Array, *others: Any, **options: Any) -> str | None:
    """Why the packed Winograd convolution cannot be used."""
    return _three_by_three(x, w, 1, options)


def packed_polyphase(x: Array, w: Array, *others: Any, **options: Any) -> str | None:
    """Why the packed polyphase convolution cannot be used."""
    return _three_by_three(x, w, 2, options)


def _loses(x: Array, w: Array, padding: IntOrPair, stride: int, schemes: tuple[tuple[int, int], ...]) -> str | None:
    """Where schemes, (side of a tile, products of it), have about as much to multiply as the windows."""
    oh, ow = out_sizes(x.shape, w.shape, stride, padding, 1)
    products = min(many * -(-oh // side) * -(-ow // side) for side, many in schemes)
    return None if products < 0.8 * 9 * oh * ow else f"pays where tiles are full, not for outputs of {oh} x {ow}"


def packed_winograd_loses(x: Array, w: Array, *others: Any, padding: IntOrPair = 0, **options: Any) -> str | None:
    """Where the packed Winograd convolution has more to multiply than the windows: on maps of a few pixels."""
    return _loses(x, w, padding, 1, ((4, 36), (5, 49)))


def packed_polyphase_loses(x: Array, w: Array, *others: Any, padding: IntOrPair = 0, **options: Any) -> str | None:
    """Where the packed polyphase convolution has as much to multiply as the windows, or too much to carry about.

    Its transformed inputs are five times the inputs.  Zen holds them in caches that are fast enough; elsewhere (Intel's
    Sapphire and Emerald Rapids were measured) it pays for few of them.
    """
    if not zen() and x.shape[1] * len(w) > FEW_PHASES:
        most, found = f"{FEW_PHASES:,}", f"{x.shape[1] * len(w):,}"
        return f"pays up to {most} pairs of channels and filters on this processor, not for {found}"
    return _loses(x, w, padding, 2, ((4, 81), (5, 121)))
