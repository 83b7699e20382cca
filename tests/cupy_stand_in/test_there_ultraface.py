"""A network that normalises its pixels, with its parameters on the stand-in's "device"."""

from __future__ import annotations

from typing import Any

import numpy as np
from minidet_kernels.arrays import library
from support.close import assert_close

from minidet import Tensor, no_grad
from minidet.models import build


def test_a_network_that_normalises_pixels_computes_there(cupy: Any) -> None:
    host, device = (build("ultraface-rfb-320", size=64, width=1 / 4, rng=0).eval() for _ in range(2))
    device.to("cuda")
    x = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    with no_grad():
        mine, there = host(Tensor(x)), device(Tensor(cupy.asarray(x)))
    for one, other in zip(mine, there, strict=True):
        assert library(other.data) == "cupy"
        assert_close(other.numpy(), one.numpy(), rtol=1e-5)
