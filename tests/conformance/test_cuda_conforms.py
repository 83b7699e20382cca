"""Our CUDA C, launcher and kernel, passes the suite without a GPU: run on the CPU, called through CuPy's stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from minidet_kernels import cuda_on_cpu
from support.cuda_launches import OnCpu
from support.device_targets import CUDA_C, OnDevice, conforms
from support.strict_cupy import strict_cupy

from minidet.conformance import OPERATORS, check, profiles


@pytest.fixture(scope="module")
def cupy() -> Iterator[Any]:
    if not cuda_on_cpu.available():
        pytest.skip("CUDA C on the CPU needs g++, which is not here")
    with strict_cupy(OnCpu(schedule="random")) as module:
        yield module


@pytest.mark.oracle  # as it takes long
@pytest.mark.parametrize(("name", "rung"), CUDA_C)
def test_every_kernel_in_cuda_c_conforms_to_our_profile(name: str, rung: str, cupy: Any):
    conforms(cupy, name, rung, 40)


@pytest.mark.parametrize("name", ["iou", "nms", "max_pool2d"])
def test_some_of_them_at_once(name: str, cupy: Any):
    conforms(cupy, name, next(rung for one, rung in CUDA_C if one == name), 10)


def test_in_another_dialect_they_do_not_conform(cupy: Any):
    operator = OPERATORS["nms"]
    dialect = operator.dialect(**{**profiles()["minidet"]["nms"], "compare": "inclusive"})
    assert check(operator, OnDevice(cupy, "nms", "cuda"), dialect, examples=60, variants=False).word == "diverges"


def test_every_operator_with_a_kernel_is_asked():
    assert {"iou", "nms", "batched_nms", "roi_align", "max_pool2d", "resize", "conv2d"} <= {name for name, _ in CUDA_C}
    assert len(CUDA_C) >= 14
