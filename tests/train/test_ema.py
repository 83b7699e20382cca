"""The moving average of parameters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidet.nn import BatchNorm2d, Buffer, Conv2d, Sequential
from minidet.train.ema import Ema


def model(seed=0):
    made = Sequential(Conv2d(2, 3, 3, bias=False, rng=seed), BatchNorm2d(3))
    made.count = Buffer(np.array([0]))
    return made.astype(np.float64)


@given(st.floats(0, 0.9999), st.one_of(st.just(0.0), st.floats(0.1, 1e4)), st.integers(0, 2**32 - 1))
def test_it_is_its_definition(decay, ramp, seed):
    net = model()
    rng = np.random.default_rng(seed)
    ema = Ema(net, decay=decay, ramp=ramp)
    expected = {name: a.copy() for name, a in net.state_dict().items()}
    for step in range(1, 6):
        for name, a in net.state_dict().items():
            a[...] = rng.normal(size=a.shape) if a.dtype.kind == "f" else step
            d = decay * (1 - math.exp(-step / ramp)) if ramp else decay
            expected[name] = d * expected[name] + (1 - d) * a if a.dtype.kind == "f" else a.copy()
        ema.update()
    for name, a in expected.items():
        assert np.abs(ema.state[name] - a).max() <= 1e-12, name
    assert ema.state["1.running_mean"].any(), "buffers are averaged too"
    assert ema.state["count"] == [5], "what is counted is copied"


def test_swapped_in_and_out_again():
    net = model()
    ema = Ema(net, decay=0.5)
    weight = net[0].weight.data
    weight += 1
    ema.update()
    weight += 1
    with ema.swapped() as inside:
        assert inside is net
        assert np.array_equal(net[0].weight.data, ema.state["0.weight"])
        assert net[0].weight.data is not weight
    assert net[0].weight.data is weight
    with pytest.raises(RuntimeError, match="stop"), ema.swapped():
        raise RuntimeError("stop")
    assert net[0].weight.data is weight


def test_going_on_from_what_was_kept():
    a, b = model(), model()
    first, second = Ema(a, decay=0.9, ramp=3), Ema(b, decay=0.9, ramp=3)
    for _ in range(3):
        a[0].weight.data += 1
        first.update()
    b.load_state_dict(a.state_dict())
    second.load({name: x.copy() for name, x in first.state.items()}, first.steps)
    for net, ema in ((a, first), (b, second)):
        net[0].weight.data *= 2
        ema.update()
    assert all(np.array_equal(first.state[name], second.state[name]) for name in first.state)
    with pytest.raises(KeyError, match=r"0\.weight"):
        second.load({}, 0)


@pytest.mark.parametrize("options", [{"decay": 1.0}, {"decay": -0.1}, {"ramp": -1.0}])
def test_what_is_no_average(options):
    with pytest.raises(ValueError, match="decay must lie"):
        Ema(model(), **options)
