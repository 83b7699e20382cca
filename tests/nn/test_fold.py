"""A folded batch norm computes what the two layers compute."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.close import assert_close, relative_error

from minidet import nn


def pair(groups, bias, epsilon, rng, variances=None):
    conv = nn.Conv2d(2 * groups, 3 * groups, 3, padding=1, groups=groups, bias=bias, rng=rng)
    bn = nn.BatchNorm2d(3 * groups, epsilon=epsilon, eps=1e-3)
    for t in [*bn.parameters(), bn.running_mean, *([conv.bias] if bias else [])]:
        t.data = rng.normal(size=t.shape).astype(np.float32)
    bn.running_var.data = rng.uniform(0.1, 3, 3 * groups).astype(np.float32)
    if variances is not None:
        bn.running_var.data[: len(variances)] = variances
    return conv, bn


@given(
    groups=st.integers(1, 2),
    bias=st.booleans(),
    epsilon=st.sampled_from(["inside", "outside"]),
    seed=st.integers(0, 999),
)
def test_folding_changes_nothing(groups, bias, epsilon, seed):
    rng = np.random.default_rng(seed)
    conv, bn = pair(groups, bias, epsilon, rng)
    for m in (conv, bn):
        m.eval().astype(np.float64)
    x = rng.normal(size=(2, 2 * groups, 4, 5))
    expected = bn(conv(x)).data
    weight, shift = nn.fold_batch_norm(conv, bn)
    folded = nn.Conv2d(2 * groups, 3 * groups, 3, padding=1, groups=groups)
    folded.weight.data, folded.bias.data = weight, shift
    assert_close(folded(x).data, expected, rtol=1e-12)


def test_the_other_place_of_epsilon_gives_another_network():
    rng = np.random.default_rng(0)
    conv, inside = pair(1, False, "inside", rng)
    _, outside = pair(1, False, "outside", rng)
    outside.load_state_dict(inside.state_dict())
    assert relative_error(nn.fold_batch_norm(conv, inside)[0], nn.fold_batch_norm(conv, outside)[0]) > 1e-5


def test_odd_variances_of_real_files():
    conv, bn = pair(1, False, "inside", np.random.default_rng(1), [-1e-6, 6e-45, 2.7e6])
    weight, bias = nn.fold_batch_norm(conv, bn)
    assert weight.dtype == bias.dtype == np.float32
    sigma = np.sqrt(bn.running_var.data.astype(np.float64) + 1e-3)
    assert_close(weight, conv.weight.data * (bn.weight.data / sigma)[:, None, None, None], rtol=2e-7)
    assert np.isfinite(weight).all()
    assert np.isfinite(bias).all()


@pytest.mark.parametrize(("epsilon", "variance"), [("inside", -0.5), ("outside", -1e-6), ("inside", np.nan)])
def test_a_variance_without_a_root_names_its_channel(epsilon, variance):
    conv, bn = pair(1, False, epsilon, np.random.default_rng(1), [1.0, variance])
    with pytest.raises(ValueError, match="channel 1 has the variance") as caught:
        nn.fold_batch_norm(conv, bn)
    assert "\n" not in str(caught.value)


def test_channels_must_match():
    with pytest.raises(ValueError, match="4 channels of batch norm after 3 outputs"):
        nn.fold_batch_norm(nn.Conv2d(1, 3, 1), nn.BatchNorm2d(4))


def test_a_linear_layer_folds_too():
    rng = np.random.default_rng(2)
    layer, (_, bn) = nn.Linear(4, 3, rng=rng), pair(1, False, "inside", rng)
    x = rng.normal(size=(5, 4)).astype(np.float32)
    weight, bias = nn.fold_batch_norm(layer, bn)
    assert_close(x @ weight.T + bias, bn.eval()(layer(x)).data, rtol=1e-5)
