"""Tensor maps by NVIDIA's driver, for Hopper's tensor memory accelerator.  cuda-bindings is asked for here alone.

The same two functions as ``cuda_on_cpu.tensor_maps``, which makes them for the emulation.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

MAP = np.dtype([("opaque", np.uint64, (16,))])


def _driver() -> Any:
    from cuda.bindings import driver

    return driver


@cache
def missing() -> str | None:
    """Why no tensor maps can be made here, or ``None``."""
    try:
        error, _ = _driver().cuDriverGetVersion()
    except Exception as wrong:  # no bindings, no driver, or one of another age: in the library's own words
        said = " ".join(str(wrong).split()) or type(wrong).__name__
        return f"needs tensor maps, which NVIDIA's driver makes through cuda-bindings: {said}"
    return None if int(error) == 0 else f"needs tensor maps, which the driver does not make: {error.name}"


def _made(result: Any, what: str) -> Any:
    """The 128 bytes of a map as a value for a kernel; ``RuntimeError`` for what the driver refuses."""
    error, made = result
    if int(error) != 0:
        raise RuntimeError(f"conv2d: the driver makes no tensor map of {what}: {error.name}")
    data = ctypes.string_at(int(made.getPtr()), 128)
    return np.frombuffer(data, MAP)[0]


def _types(driver: Any, element: int) -> tuple[Any, ...]:
    assert element == 2, "bfloat16"
    return driver.CUtensorMapDataType.CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, (
        driver.CUtensorMapInterleave.CU_TENSOR_MAP_INTERLEAVE_NONE,
        driver.CUtensorMapSwizzle.CU_TENSOR_MAP_SWIZZLE_128B,
        driver.CUtensorMapL2promotion.CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
        driver.CUtensorMapFloatOOBfill.CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
    )


def tiled(address: int, element: int, sizes: Sequence[int], strides: Sequence[int], box: Sequence[int]) -> Any:
    """Boxes of an array of bfloat16, innermost axis first; strides in bytes, of all axes but the first."""
    driver = _driver()
    kind, rest = _types(driver, element)
    wide, narrow = driver.cuuint64_t, driver.cuuint32_t
    steps = [narrow(1)] * len(sizes)
    args = ([*map(wide, sizes)], [*map(wide, strides)], [*map(narrow, box)], steps)
    return _made(driver.cuTensorMapEncodeTiled(kind, narrow(len(sizes)), address, *args, *rest), f"boxes {tuple(box)}")


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
    """Pixels of maps (C, W, H, N) of bfloat16 in steps (w, h) through a bounding box, whose corners are (w, h)."""
    driver = _driver()
    kind, rest = _types(driver, element)
    wide, narrow = driver.cuuint64_t, driver.cuuint32_t
    box = ([*low], [*high], narrow(channels), narrow(pixels), [*map(narrow, (1, *steps, 1))])
    args = (narrow(len(sizes)), address, [*map(wide, sizes)], [*map(wide, strides)], *box)
    return _made(driver.cuTensorMapEncodeIm2col(kind, *args, *rest), f"windows {tuple(low)} to {tuple(high)}")
