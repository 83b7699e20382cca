"""SSDs with their parameters on the stand-in's "device": loss, gradients, boxes as on the host."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from minidet_kernels.arrays import library
from support.close import assert_close

from minidet import Tensor, no_grad
from minidet.models import build
from minidet.train.multibox import MultiboxLoss
from minidet.train.truths import Truths

TRUTHS = [
    Truths(np.array([[0.3, 0.4, 0.4, 0.3], [0.7, 0.6, 0.2, 0.5]]), np.array([0, 1])),
    Truths(np.zeros((0, 4)), np.zeros(0, np.int64)),
]


@pytest.mark.parametrize("name", ["ssd-small", "ssd-mobilenet"])
def test_an_ssd_there_is_that_on_the_host(name: str, cupy: Any) -> None:
    here, there = (build(name, classes=2, size=64, width=1 / 16, rng=0) for _ in range(2))
    here, there = here.astype(np.float64), there.astype(np.float64).to("cuda")
    images = np.random.default_rng(0).random((2, 3, 64, 64))
    for model in (here, there):
        x = Tensor(model.to_device(images))
        MultiboxLoss(model.boxes, model.size, shortage="twice")(model(x), TRUTHS).backward()
    for (key, a), (_, b) in zip(here.named_parameters(), there.named_parameters(), strict=True):
        assert library(b.grad) == "cupy"
        assert_close(a.grad, b.grad.get(), what=key, rtol=1e-9)
    with no_grad():
        maps = [[raw.data for raw in model.eval()(Tensor(model.to_device(images)))] for model in (here, there)]
    for inside in (False, True):
        boxes = replace(here.boxes, inside=inside)
        for a, b in zip(*(boxes.candidates(m, here.size) for m in maps), strict=True):
            assert_close(a.boxes, b.boxes.get(), what="boxes", rtol=1e-6)
            assert_close(a.scores, b.scores.get(), what="scores", rtol=1e-6)
