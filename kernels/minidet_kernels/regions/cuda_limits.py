"""What the CUDA kernels of this room do not take."""

from __future__ import annotations

from ..arrays import Array
from ..cuda import too_large
from .check import PAYS

#: Shared memory of a block that every GPU gives without being asked.
SHARED = 48 << 10


def fits(x: Array, results: int) -> str | None:
    """Why maps or results are too large, or ``None``."""
    return too_large(arguments=x.size, results=results)


def room(x: Array, out: tuple[int, int]) -> int:
    """How many elements ``channels.cu`` may list for the outputs of a region on a map like ``x``."""
    return x.shape[2] + x.shape[3] + 3 * sum(out)


def wide(x: Array, out: tuple[int, int], regions: int) -> str | None:
    """Why ``channels.cu`` refuses, or ``None``: its lists do not fit, or its copy of the maps does not pay."""
    need = shared(x, out) + 33 * 32 * x.itemsize
    if need > SHARED:
        return f"takes maps and grids whose lists fit in {SHARED} bytes of shared memory, not {need}"
    maps, bins = x.shape[0] * x.shape[2] * x.shape[3], regions * out[0] * out[1]
    if maps > PAYS * bins:
        return f"pays from one bin per {PAYS} elements of the maps, not {bins} bins for {maps} elements"
    return fits(x, bins * x.shape[1])


def shared(x: Array, out: tuple[int, int]) -> int:
    """Bytes of the lists of ``channels.cu``."""
    return room(x, out) * (x.itemsize + 4) + 8 * sum(out)
