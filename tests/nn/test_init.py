"""How parameters are drawn."""

import numpy as np
import pytest

from minidet import nn
from minidet.nn import init

SHAPE = (64, 32, 3, 3)
FAN_IN, FAN_OUT = 32 * 9, 64 * 9


@pytest.mark.parametrize(
    ("draw", "variance"),
    [
        (lambda rng: init.kaiming_uniform(SHAPE, rng=rng), 2 / FAN_IN),
        (lambda rng: init.kaiming_normal(SHAPE, rng=rng), 2 / FAN_IN),
        (lambda rng: init.kaiming_normal(SHAPE, slope=0.5, rng=rng), 2 / 1.25 / FAN_IN),
        (lambda rng: init.xavier_uniform(SHAPE, rng=rng), 2 / (FAN_IN + FAN_OUT)),
        (lambda rng: init.xavier_normal(SHAPE, gain=3, rng=rng), 18 / (FAN_IN + FAN_OUT)),
        (lambda rng: init.uniform(SHAPE, -1, 1, rng), 1 / 3),
    ],
)
def test_variances(draw, variance):
    a = draw(0)
    assert a.dtype == np.float32
    assert a.shape == SHAPE
    n = a.size
    assert abs(a.mean()) <= 5 * (variance / n) ** 0.5
    assert abs(a.var() / variance - 1) <= 5 * (2 / n) ** 0.5
    np.testing.assert_array_equal(a, draw(0))
    assert (a != draw(1)).any()


def test_uniform_draws_stay_inside_their_bound():
    assert np.abs(init.kaiming_uniform(SHAPE, rng=0)).max() <= np.float32((6 / FAN_IN) ** 0.5)


def test_a_generator_is_used_and_advances():
    rng = np.random.default_rng(0)
    assert (init.normal((4,), 1.0, rng) != init.normal((4,), 1.0, rng)).all()


def test_the_default_generator_is_seeded():
    init.seed(3)
    first = nn.Conv2d(3, 4, 3).weight.data
    second = nn.Conv2d(3, 4, 3).weight.data
    init.seed(3)
    np.testing.assert_array_equal(nn.Conv2d(3, 4, 3).weight.data, first)
    assert (first != second).any()


def test_skipped_draws_are_zeros():
    init.seed(0)
    with init.skipped():
        layer = nn.Linear(3, 4)
        assert not layer.weight.data.any()
    assert nn.Linear(3, 4).weight.data.any()
    init.seed(0)
    first = nn.Linear(3, 4).weight.data
    init.seed(0)
    with init.skipped():
        nn.Linear(3, 4)
    np.testing.assert_array_equal(nn.Linear(3, 4).weight.data, first)


def test_fans_need_a_matrix():
    with pytest.raises(ValueError, match="has no fans"):
        init.kaiming_normal((3,))
