"""Tensor maps for the emulation: what ``cuTensorMapEncodeTiled`` and ``cuTensorMapEncodeIm2col`` make for a GPU.

A map holds an address, so it serves kernels that run in this process (no sanitizer), as long as the array lives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

#: 128 bytes, which kernels take by value.
MAP = np.dtype([("opaque", np.uint64, (16,))])
_FIELDS = np.dtype(
    [
        ("magic", "i4"),
        ("axes", "i4"),
        ("windows", "i4"),
        ("element", "i4"),
        ("address", "u8"),
        ("sizes", "u4", (5,)),
        ("unused", "u4"),
        ("strides", "u8", (4,)),
        ("box", "i4", (2,)),
        ("low", "i4", (2,)),
        ("high", "i4", (2,)),
        ("steps", "u4", (5,)),
        ("swizzle", "i4"),
    ]
)
_MAGIC = 0x3A9D0B17


def missing() -> str | None:
    """Why no tensor maps can be made: they always can."""
    return None


def _common(address: int, element: int, sizes: Sequence[int], strides: Sequence[int]) -> np.ndarray[Any, Any]:
    if address % 16 or any(stride % 16 for stride in strides):
        raise ValueError(f"a tensor map wants address and strides in multiples of 16 bytes, not {address}, {strides}")
    if len(strides) != len(sizes) - 1 or min(sizes) < 1:
        raise ValueError(f"a tensor map of sizes {sizes} takes a stride for all axes but the first, not {strides}")
    fields = np.zeros((), _FIELDS)
    fields["magic"], fields["axes"], fields["element"], fields["address"] = _MAGIC, len(sizes), element, address
    fields["sizes"][: len(sizes)], fields["strides"][: len(strides)] = sizes, strides
    fields["steps"] = 1
    return fields


def _done(fields: np.ndarray[Any, Any], inner: int, element: int) -> Any:
    if inner * element > 128:
        raise ValueError(f"rows of a box have at most 128 bytes in the 128 byte swizzle, not {inner * element}")
    fields["swizzle"] = 128
    return fields.reshape(1).view(MAP)[0]


def tiled(address: int, element: int, sizes: Sequence[int], strides: Sequence[int], box: Sequence[int]) -> Any:
    """Boxes of an array of 3 axes, innermost first, of words of ``element`` bytes; 128 byte swizzle, zeros outside."""
    fields = _common(address, element, sizes, strides)
    if len(sizes) != 3 or len(box) != 3 or not all(1 <= side <= 256 for side in box):
        raise ValueError(f"a box has 3 sides of 1 to 256, not {box}")
    fields["box"], fields["low"][0] = box[:2], box[2]
    return _done(fields, box[0], element)


def windows(
    address: int,
    element: int,
    sizes: Sequence[int],
    strides: Sequence[int],
    low: Sequence[int],
    high: Sequence[int],
    channels: int,
    pixels: int,
    steps: Sequence[int],
) -> Any:
    """Pixels of maps (C, W, H, N) in steps (w, h) through a bounding box: from ``low`` to the last pixel plus ``high``.

    Each copy takes ``channels`` of so many ``pixels``; corners are (w, h), in -128 to 127, and steps 1 to 8.
    """
    fields = _common(address, element, sizes, strides)
    if len(sizes) != 4 or not 1 <= channels <= 256 or not 1 <= pixels <= 1024:
        raise ValueError(
            f"windows are of 4 axes, 256 channels and 1024 pixels at most, not {sizes}, {channels}, {pixels}"
        )
    if not all(-128 <= corner <= 127 for corner in (*low, *high)) or not all(1 <= step <= 8 for step in steps):
        raise ValueError(f"corners lie in -128 to 127 and steps in 1 to 8, not {low}, {high}, {steps}")
    fields["windows"], fields["box"], fields["low"], fields["high"] = 1, (channels, pixels), low, high
    fields["steps"][1:3] = steps
    return _done(fields, channels, element)
