"""How the rooms' Numba CUDA kernels are launched: the readable twins of some kernels in CUDA C.

A room keeps them in ``numba_cuda.py``.  They take CuPy's arrays where they are, without a copy, on CuPy's current
stream, so that they stand in order with everything that CuPy does there.  Numba's own way of taking such an array waits
for that stream at every launch; here it does not.  They are never chosen, since the CUDA C beside them starts sooner
and is as fast or faster: ``with pin(nms="numba_cuda"):`` runs one.

With ``NUMBA_ENABLE_CUDASIM=1`` in the environment before Numba is imported, the kernels run in Numba's simulator, a
Python thread for each CUDA thread, and no GPU is needed; then NumPy's arrays are taken.  Two things differ there:

* two shared arrays that are made on one line of the source are one and the same, so each has a line of its own;
* a number without a type (``0.0``) is float64 when compiled, and takes its partner's type there.  So zeros are made of
  what is computed with, and sums begin with a typed number.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from numba import config
from numba import cuda as numbas
from numba.cuda import libdevice

from ..arrays import library

#: Numba's module, without the types that it has for Python: a kernel's names mean something else.
cuda: Any = numbas

SIMULATED = bool(getattr(config, "ENABLE_CUDASIM", 0))


def _times(a: Any, b: Any) -> Any:
    return a * b


#: The product of two float32, rounded.  Numba fuses ``a * b + c`` into one rounding, and offers no way to turn that
#: off; this product it leaves alone, so boxes are compared bitwise as NumPy compares them.
product: Callable[[Any, Any], Any] = cuda.jit(_times, device=True) if SIMULATED else libdevice.fmul_rn


def launch(
    kernel: Any, grid: int | Sequence[int], block: int | Sequence[int], args: Sequence[Any], shared: int = 0
) -> None:
    """``kernel`` with ``grid`` blocks of ``block`` threads and ``shared`` bytes, on CuPy's current stream.

    ``args`` are arrays, NumPy's scalars and tuples of integers.  A grid without blocks launches nothing.
    """
    blocks = (grid,) if isinstance(grid, int) else tuple(grid)
    if 0 in blocks:
        return
    for size, most in zip(blocks, (2**31 - 1, 65535, 65535), strict=False):
        if size > most:
            raise ValueError(f"a grid of {blocks} blocks; a GPU takes at most {most} there: make the batch smaller")
    kernel[blocks, block, _stream(), shared](*map(given, args))


def given(x: Any) -> Any:
    """An argument as Numba takes it: CuPy's arrays by their address, everything else as it is."""
    return cuda.as_cuda_array(x, sync=False) if library(x) == "cupy" else x


def _stream() -> Any:
    """CuPy's current stream as one of Numba's; 0 is the default one."""
    if SIMULATED:
        return 0
    pointer = sys.modules["cupy"].cuda.get_current_stream().ptr
    return cuda.external_stream(pointer) if pointer else 0
