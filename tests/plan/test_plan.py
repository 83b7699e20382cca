"""A plan computes what the layers compute, for networks drawn at random and for the project's own."""

from __future__ import annotations

import copy
import threading

import numpy as np
import pytest
from hypothesis import given
from support.drawn_networks import networks

import minidet.functions as F
from minidet import Tensor, nn, no_grad
from minidet.models.tiny_yolo import TinyYOLO
from minidet.plan import Plan, PlanError
from minidet.plan.fuse import PAYS

#: Of the largest value, for networks of up to fourteen layers: measured at most 1e-6.
BOUND = 2e-5


def layers(net, x):
    """What the layers give, in float64: a reference that no rounding of theirs disturbs."""
    wide = copy.deepcopy(net).astype(np.float64)
    with no_grad():
        return wide(Tensor(x.astype(np.float64)))


def same(got, expected):
    if isinstance(expected, Tensor):
        a, b = got, expected.data
        assert isinstance(a, np.ndarray)
        assert a.shape == b.shape
        assert a.dtype == np.float32
        assert np.isfinite(a).all()
        assert np.abs(a - b).max(initial=0) <= BOUND * np.abs(b).max(initial=1e-3)
    elif isinstance(expected, dict):
        assert got.keys() == expected.keys()
        for key in expected:
            same(got[key], expected[key])
    else:
        assert type(got) is type(expected)
        for part, wanted in zip(got, expected, strict=True):
            same(part, wanted)


@given(networks())
def test_it_computes_what_the_layers_compute(drawn):
    net, x = drawn
    plan = Plan(net)
    before, expected = x.copy(), layers(net, x)
    same(plan(x), expected)
    same(plan(x), expected)  # in memory that was used before
    np.testing.assert_array_equal(x, before)


@pytest.fixture
def net():
    net = TinyYOLO(3, width=16, rng=0)
    rng = np.random.default_rng(1)
    for _, module in net.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.data[...] = rng.uniform(0.5, 2, module.running_var.shape)
    return net.eval()


def pictures(seed=0, n=1, size=(96, 96)):
    return np.random.default_rng(seed).random((n, 3, *size), dtype=np.float32)


@pytest.mark.parametrize("shape", [(1, 3, 96, 96), (3, 3, 64, 96), (0, 3, 96, 96)])
def test_each_shape_of_input_has_its_own(net, shape):
    plan, x = Plan(net), np.random.default_rng(0).random(shape, dtype=np.float32)
    same(plan(pictures()), layers(net, pictures()))
    same(plan(x), layers(net, x))
    same(plan(pictures()), layers(net, pictures()))


def test_the_weights_are_packed_once_for_all_shapes(net):
    plan = Plan(net)
    plan(pictures())
    packed = plan.packed_bytes
    plan(pictures(size=(64, 96)))
    assert packed > 4 * sum(p.size for p in net.parameters()) / 2
    assert plan.packed_bytes < 1.5 * packed  # another size of map may take another algorithm


def change_one_value(net):
    net.fine_head.raw.weight.data[2, 1, 0, 0] += 10


def change_a_statistic(net):
    net.stem.bn.running_mean.data[0] += 3


def swap_two_values(net):
    w = net.stem.conv.weight.data.reshape(-1)
    w[[0, 32]] = w[[32, 0]]


def change_all_signs(net):
    net.stem.conv.weight.data *= -1


def put_another_array(net):
    net.stem.conv.weight.data = net.stem.conv.weight.data * 2


def put_another_parameter(net):
    net.stem.conv.weight = nn.Parameter(net.stem.conv.weight.data * 2)


CHANGES = [
    change_one_value, change_a_statistic, swap_two_values, change_all_signs, put_another_array, put_another_parameter,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_weights_that_change_are_noticed(net, change):
    plan, x = Plan(net), pictures()
    before = plan(x)
    change(net)
    same(plan(x), layers(net, x))
    assert any(not np.array_equal(a, b) for a, b in zip(plan(x), before, strict=True))


@pytest.mark.parametrize("change", CHANGES)
def test_frozen_weights_cannot_be_changed_unnoticed(net, change):
    plan, x = Plan(net, weights="frozen"), pictures()
    plan(x)
    if "another" in change.__name__:
        change(net)
        same(plan(x), layers(net, x))
    else:
        with pytest.raises(ValueError, match="read-only"):
            change(net)


def test_threads_do_not_disturb_each_other(net):
    plan = Plan(net)
    images = [pictures(seed) for seed in range(8)]
    expected = [plan(x) for x in images]
    wrong = []

    def work(k):
        for _ in range(20):
            for got, wanted in zip(plan(images[k]), expected[k], strict=True):
                if not np.array_equal(got, wanted):
                    wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_results_are_nobody_elses_memory(net):
    plan = Plan(net)
    first = plan(pictures(0))
    kept = [a.copy() for a in first]
    plan(pictures(1))
    for a, b in zip(first, kept, strict=True):
        np.testing.assert_array_equal(a, b)


def test_it_is_equal_bit_for_bit_each_time(net):
    plan = Plan(net)
    for a, b in zip(plan(pictures()), plan(pictures()), strict=True):
        np.testing.assert_array_equal(a, b)


def test_it_explains_itself(net):
    plan = Plan(net)
    found = plan.explain(pictures(), repeats=2)
    steps = {row.step: row for row in found.rows}
    convolutions = [name for name, module in net.named_modules() if isinstance(module, nn.Conv2d)]
    assert set(convolutions) <= set(steps)
    assert "winograd" in steps["fine_head.spread.conv"].how
    assert steps["fine_head.spread.conv"].why == PAYS["winograd"]
    for name in convolutions:  # a product over windows says why those of its stride that multiply less are not taken
        row, stride = steps[name], dict(net.named_modules())[name].stride
        if row.how.startswith("windows"):
            assert row.why.startswith("polyphase " if stride in (2, (2, 2)) else "winograd "), row
        else:
            assert row.why == PAYS[row.how.partition(" ")[0]], row
    assert "residual" in " ".join(row.how for row in found.rows)
    assert steps["fine_head.spread.conv"].flops == 2 * 64 * 64 * 9 * 12 * 12
    assert all(row.ms > 0 for row in found.rows if row.flops)
    assert "GFLOP/s" in str(found)
    assert str(found).count("\n") == len(found.rows) + 1
    assert found.document()["packed_bytes"] == plan.packed_bytes


class Wired(nn.Module):
    """Maps that meet in ways that drawn networks seldom have; ``how`` is the method that wires them."""

    def __init__(self, how):
        self.how, rng = how, 0
        self.first, self.second = (nn.Conv2d(3, 8, 3, padding=1, rng=rng + k) for k in range(2))
        self.wide, self.narrow = nn.Conv2d(8, 16, 5, padding=2, rng=3), nn.Conv2d(8, 16, 3, padding=1, rng=4)

    def forward(self, x):
        return getattr(self, self.how)(x)

    def the_residual_is_made_after_the_convolution(self, x):
        y = self.first(x)
        return F.relu(F.add(y, self.second(x)))

    def both_terms_are_convolutions(self, x):
        y, z = self.first(x), self.second(x)
        return F.add(z, y)

    def readers_want_different_borders(self, x):
        y = F.relu(self.first(x))
        return self.wide(y), self.narrow(y)

    def the_second_of_a_join_is_made_first(self, x):
        second = self.second(x)
        return F.concatenate(self.first(x), second, axis=1)

    def a_map_is_joined_twice(self, x):
        y, z = self.first(x), self.second(x)
        return F.concatenate(y, z, axis=1), F.concatenate(z, y, y, axis=1)

    def an_output_is_used_further_on(self, x):
        y = self.first(x)
        return y, F.relu(y), self.narrow(F.leaky_relu(y, slope=0.1))

    def the_input_is_an_output(self, x):
        return x, self.first(x)

    def nothing_is_computed(self, x):
        return [x]


@pytest.mark.parametrize("how", [name for name in vars(Wired) if "_" in name.strip("_") and not name.startswith("__")])
def test_maps_that_meet_in_special_ways(how):
    net, x = Wired(how).eval(), np.random.default_rng(0).normal(size=(2, 3, 11, 13)).astype(np.float32)
    plan = Plan(net)
    for _ in range(2):
        same(plan(x), layers(net, x))


class Kept(nn.Module):
    """Multiplies by a tensor that is neither parameter nor buffer."""

    def __init__(self):
        self.by = Tensor(np.float32([1, 2, 3]).reshape(1, 3, 1, 1))

    def forward(self, x):
        return F.mul(x, self.by)


def test_a_tensor_that_a_module_keeps_is_a_constant():
    net, x = Kept().eval(), pictures()
    plan = Plan(net)
    same(plan(x), layers(net, x))
    net.by.data = 2 * net.by.data
    same(plan(x), layers(net, x))


class Behind(nn.Module):
    """Computes with NumPy what no function sees."""

    def __init__(self):
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        return F.mul(self.conv(x), np.abs(x.data[:, :1]))


class Count(nn.Module):
    """Returns no tensor."""

    def forward(self, x):
        return 3


@pytest.mark.parametrize(
    ("net", "says"),
    [
        (Behind().eval(), r"mul\(\) was given an array of shape \(1, 1, 96, 96\)"),
        (Count().eval(), "returns a int"),
        (TinyYOLO(3), "TinyYOLO is in training mode"),
    ],
    ids=["behind", "count", "training"],
)
def test_what_cannot_be_planned_is_refused(net, says):
    with pytest.raises(PlanError, match=says):
        Plan(net)(pictures())


@pytest.mark.parametrize("x", [[[1.0]], pictures().astype(np.float64), None], ids=["list", "float64", "nothing"])
def test_it_takes_float32_arrays(net, x):
    with pytest.raises(TypeError, match="float32"):
        Plan(net)(x)


def test_it_knows_its_options(net):
    with pytest.raises(ValueError, match="'checked' or 'frozen'"):
        Plan(net, weights="loose")


def test_a_batch_norm_that_divides_by_nothing_is_named(net):
    net.stem.bn.running_var.data[...] = -1
    with pytest.raises(PlanError, match=r"stem\.conv"):
        Plan(net)(pictures())
