"""A GPU for the tests marked ``gpu``; where there is none they are skipped, and say what is missing.

``MINIDET_GPU=stand-in`` lets them run without one: arrays of the stand-in for CuPy, kernels on the CPU.  That is how
these tests are themselves tested (``tests/cuda/test_gpu_suite.py``).  ``MINIDET_GPU_EXAMPLES`` is the number of
examples that Hypothesis draws, and with ``MINIDET_GPU_POOL=0`` every array is a piece of memory of its own, so that
compute-sanitizer sees where it ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from minidet_kernels import cuda, cuda_on_cpu
from support.cuda_launches import OnCpu
from support.strict_cupy import strict_cupy

STAND_IN = os.environ.get("MINIDET_GPU") == "stand-in"


@pytest.fixture(scope="session")
def why() -> str | None:
    """Why nothing can run, or ``None``."""
    if STAND_IN:
        return None if cuda_on_cpu.available() else "CUDA C on the CPU needs g++, which is not here"
    found = cuda.gpu()
    return f"no GPU: {found}" if isinstance(found, str) else None


@pytest.fixture(scope="module")
def cupy(why: str | None) -> Iterator[Any]:
    """CuPy, or its stand-in; the test is skipped where there is neither."""
    if why:
        pytest.skip(why)
    if STAND_IN:
        with strict_cupy(OnCpu(schedule="random")) as module:
            yield module
        return
    import cupy

    pooled = os.environ.get("MINIDET_GPU_POOL", "1") != "0"
    cupy.cuda.set_allocator(cupy.get_default_memory_pool().malloc if pooled else None)
    yield cupy
    cupy.cuda.get_current_stream().synchronize()  # what went wrong late belongs to this file
    if pooled:
        cupy.get_default_memory_pool().free_all_blocks()


@pytest.fixture
def real(cupy: Any) -> Any:
    """CuPy itself: for what the stand-in has not, or takes too long for."""
    if STAND_IN:
        pytest.skip("needs a real GPU, not the stand-in")
    return cupy


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.gpu)
