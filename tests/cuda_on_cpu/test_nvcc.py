"""The kernels of these tests, and the examples of the rooms, are CUDA to NVIDIA's compiler too, where that is.

What the rooms launch is compiled, and measured, by ``tests/cuda/test_budgets.py``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from minidet_kernels.cuda import SOURCES, Source
from minidet_kernels.cuda.compiling import to_cubin
from support.cuda_sources import INSTANCES, KERNELS, ROOMS, needs_nvcc
from support.tree import tracked

pytestmark = needs_nvcc
FILES = [path for path in tracked() if path.suffix == ".cu" and KERNELS in path.parents]
FILES += [ROOMS / "resampling" / "nearest.cu"]


@pytest.mark.parametrize("architecture", ["75", "90a"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_compiles_to_a_cubin(path: Path, architecture: str) -> None:
    if path.name == "hopper.cu" and architecture != "90a":
        pytest.skip("hopper.cu is for sm_90a alone")
    bugs = re.findall(r"template <bool RIGHT>\s+__global__ void (\w+)", path.read_text("utf-8"))
    count = len(SOURCES)
    source = Source(
        str(path), path.name, instances=[*INSTANCES.get(path.name, ()), *(f"{name}<true>" for name in bugs)]
    )
    del SOURCES[count:]
    made = to_cubin(source, architecture, by="nvcc")
    assert made.path.stat().st_size > 1000
    assert set(source.instances) <= set(made.names)
