"""Mixed precision, as far as it can be tested without a GPU: the scaler, the masters, and the loop with both."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny_run import settings

from minidet import functions as F
from minidet import models, nn
from minidet.errors import InputError
from minidet.train.assemble import open_splits, parts_of
from minidet.train.ema import Ema
from minidet.train.feed import Batch
from minidet.train.mixed import LossScaler, Masters, supported
from minidet.train.optim import SGD
from minidet.train.trainer import NotFiniteError, Parts, Trainer


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5))
def test_the_scale_by_its_definition(seen, patience):
    scaler = LossScaler(scale=16.0, patience=patience, least=2.0, most=64.0)
    scale, good = 16.0, 0
    for finite in seen:
        assert scaler.update(finite) == finite
        if finite:
            good += 1
            if good == patience:
                scale, good = min(2 * scale, 64.0), 0
        else:
            scale, good = max(scale / 2, 2.0), 0
        assert scaler.scale == scale
        assert scaler.exhausted == (scale == 2.0)
        assert math.log2(scaler.scale).is_integer()


class Line(nn.Module):
    """y = w x."""

    def __init__(self):
        self.weight = nn.Parameter(np.full((3, 1), 0.5, np.float32))
        self.seen = nn.Buffer(np.zeros(1, np.float32))

    def forward(self, x):
        """(N, 3, 1, 1) to (N, 1)."""
        return F.matmul(F.reshape(x, shape=(-1, 3)), self.weight)


def test_masters_are_the_parameters_in_float32():
    net = Line()
    masters = Masters(net)
    assert net.weight.dtype == np.float16
    ((name, weight),) = masters.named_parameters()
    assert (name, weight.dtype) == ("weight", np.float32)
    assert masters.state_dict().keys() == net.state_dict().keys()
    net.weight.grad = np.full((3, 1), 2.0**-10, np.float16)
    masters.gather(2.0**20)
    assert (weight.grad == np.float32(2.0**-30)).all(), "smaller than any float16"
    weight.data += np.float32(2.0**-20)
    masters.spread()
    assert (net.weight.data == np.float16(0.5)).all(), "too little to be seen in float16"
    assert (weight.data > 0.5).all(), "and kept in float32"
    net.weight.grad = None
    masters.gather(1.0)
    assert weight.grad is None


def mixed(tmp_path, slope=2.0**-13, steps=4, scale=2.0**15):
    net = Line()
    masters = Masters(net)

    class Points:
        """One point, again and again."""

        def since(self, k):
            while True:
                yield Batch(np.ones((1, 3, 1, 1), np.float32), [], ["point"])

    parts = Parts(
        net, lambda y, truths, size: F.sum(F.mul(F.mul(y, slope), slope)), Points(), SGD(masters.parameters(), lr=1.0),
        lambda step: 8.0, steps, masters=masters, scaler=LossScaler(scale), ema=Ema(masters, decay=0.5),
    )  # fmt: skip
    return Trainer(parts, tmp_path)


def test_gradients_that_float16_has_not_are_followed(tmp_path):
    run = mixed(tmp_path)
    run.run()
    assert np.allclose(run.parts.masters.state_dict()["weight"], 0.5 - 4 * 8 * 2.0**-26, rtol=0, atol=1e-9)
    assert run.parts.model.weight.dtype == np.float16
    assert run.parts.ema.state["weight"].dtype == np.float32


def test_an_overflow_lowers_the_scale_and_the_step_is_left_out(tmp_path):
    run = mixed(tmp_path, slope=10.0, steps=1)  # 10 x 10 x 2^15 is above 65504
    with np.errstate(over="ignore"):
        run.run()
    assert run.parts.scaler.scale == 2.0**14
    assert (run.parts.masters.state_dict()["weight"] == 0.5).all()
    assert run.state.step == 1
    assert run.parts.ema.steps == 0


def test_with_the_least_scale_it_is_an_error(tmp_path):
    run = mixed(tmp_path, slope=np.nan, steps=1, scale=1.0)
    with pytest.raises(NotFiniteError):
        run.run()


def test_going_on_with_the_scale_that_was(tmp_path):
    run = mixed(tmp_path, steps=2)
    run.parts.scaler.scale, run.parts.scaler.good = 2.0**12, 7
    run.run()
    again = mixed(tmp_path, steps=4)
    again.resume()
    assert (again.parts.scaler.scale, again.parts.scaler.good) == (2.0**12, 9)
    assert np.array_equal(again.parts.model.weight.data, run.parts.model.weight.data)
    assert np.array_equal(again.parts.masters.state_dict()["weight"], run.parts.masters.state_dict()["weight"])


def test_where_there_is_no_float16_it_is_said(monkeypatch):
    net = models.build("yolov3-shapes", classes=5, rng=0)
    Masters(net)
    assert "float16" in supported(net)
    made = settings(run__device="cuda")
    made = type(made)(**{**vars(made), "run": type(made.run)(precision="mixed", device="cuda")})
    monkeypatch.setattr(nn.Module, "to", lambda self, device: self)
    with pytest.raises(InputError, match=r"run.precision: no float16 on this device yet: .*; say 'float32'"):
        parts_of(made, open_splits(made))
