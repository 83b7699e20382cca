"""CuPy's stand-in with CUDA kernels that run on the CPU, for a whole test file at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from minidet_kernels import cuda_on_cpu
from support.cuda_launches import OnCpu
from support.strict_cupy import strict_cupy


@pytest.fixture(scope="module")
def cupy() -> Iterator[Any]:
    if not cuda_on_cpu.available():
        pytest.skip("CUDA C on the CPU needs g++, which is not here")
    with strict_cupy(OnCpu()) as module:
        yield module
