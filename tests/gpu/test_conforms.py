"""The conformance suite, unchanged, on every implementation for a GPU."""

from __future__ import annotations

from typing import Any

import pytest
from support.device_targets import CUDA_C, conforms
from support.on_device import EXAMPLES


@pytest.mark.parametrize(("name", "rung"), CUDA_C)
def test_every_kernel_in_cuda_c_conforms_to_our_profile(name: str, rung: str, cupy: Any) -> None:
    conforms(cupy, name, rung, EXAMPLES)
