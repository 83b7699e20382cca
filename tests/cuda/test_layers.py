"""Kernels of layers and updates beyond what the cases draw: long arrays, remainders, views, extremes; and networks."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from functools import reduce
from typing import Any

import numpy as np
import pytest
from minidet_kernels import OPS
from minidet_kernels.activation import cuda as activation
from minidet_kernels.arrays import to_numpy
from minidet_kernels.cuda import runs_on
from minidet_kernels.normalization import cuda as normalization
from minidet_kernels.updates import cuda as updates
from support.cases import CASES, assert_close
from support.cuda_launches import OnCpu
from support.moved_by_bounds import assert_within_bounds

from minidet import Tensor
from minidet import functions as F
from minidet.models import build
from minidet.nn import BatchNorm2d
from minidet.train.optim import SGD, AdamW

POINTWISE = ["leaky_relu", "leaky_relu_grad", "silu", "silu_grad", "mish", "mish_grad"]
SLOPE = {"leaky_relu": {"slope": 0.1}, "leaky_relu_grad": {"slope": 0.1}}


def agree(name: str, args: Any, options: Any, cupy: Any) -> Any:
    """The CUDA implementation on arrays of the stand-in, compared with the definition; its results, on the host."""
    there = [cupy.asarray(a) if isinstance(a, np.ndarray) else a for a in args]
    assert OPS[name].refusal("cuda", *there, **options) is None
    with np.errstate(all="ignore"):
        expected = OPS[name].definition(*args, **options)
        got = OPS[name].using("cuda")(*there, **options)
        host = tuple(part.get() for part in got) if isinstance(got, tuple) else got.get()
        assert_close(host, expected, CASES[name].rule("cuda"), args, options)
    return host


def numbers(name: str, x: np.ndarray) -> tuple[np.ndarray, ...]:
    """The arguments of an activation of ``x``, or of its gradient."""
    g = np.random.default_rng(1).normal(size=x.shape).astype(x.dtype)
    return (g, x) if name.endswith("_grad") else (x,)


@pytest.fixture
def few_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that threads have to go on by the grid's size."""
    monkeypatch.setattr(activation, "BLOCKS", 2)


@pytest.mark.parametrize("name", POINTWISE)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 1023, 1024, 1025, 2047, 2050, 4096, 5001, 6147])
def test_every_number_of_a_long_array_is_reached(name: str, dtype: str, size: int, cupy: Any, few_blocks: None) -> None:
    x = (4 * np.random.default_rng(size).normal(size=size)).astype(dtype)
    agree(name, numbers(name, x), SLOPE.get(name, {}), cupy)


@pytest.mark.parametrize("name", POINTWISE)
def test_arrays_that_begin_anywhere(name: str, cupy: Any) -> None:
    """A view that is contiguous, but not at a multiple of 16 bytes."""
    x = cupy.asarray(np.random.default_rng(0).normal(size=4001).astype("f4"))
    for start in range(1, 5):
        args = tuple(cupy.asarray(a) for a in numbers(name, x.get()))
        views, hosts = [a[start:] for a in args], [a.get()[start:] for a in args]
        got = OPS[name].using("cuda")(*views, **SLOPE.get(name, {}))
        expected = OPS[name].definition(*hosts, **SLOPE.get(name, {}))
        assert_close(got.get(), expected, CASES[name].rule("cuda"), hosts, SLOPE.get(name, {}))


#: Where the functions change their form, reach their limits, overflow or underflow; and what is no number.
EXTREMES = [0.0, -0.0, 1e-45, -1e-45, 1e-30, -1e-30, 9.5, 19.9, 20.0, 20.1, 23.9, 24.0, 24.1, 44.4, 45.0, 88.0, 89.0]
EXTREMES += [-16.7, -20.0, -44.0, -87.0, -88.0, -103.0, -104.0, -110.0, -300.0, 709.0, -709.0, -745.0, -1000.0, 1e4]
EXTREMES += [104.0, 3e38, -3e38, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("name", POINTWISE)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_extremes(name: str, dtype: str, cupy: Any) -> None:
    x = np.array(EXTREMES, dtype)
    y = agree(name, numbers(name, x), SLOPE.get(name, {}), cupy)
    assert (np.isnan(y) == np.isnan(OPS[name].definition(*numbers(name, x), **SLOPE.get(name, {})))).all()


@pytest.mark.parametrize("name", ["silu", "mish"])
def test_the_tail_is_not_lost(name: str, cupy: Any) -> None:
    """Below -17, where 1 + exp(x) is 1 in float32, the value is x exp(x) to 8 units in the last place, as in NumPy."""
    x = -np.linspace(17, 85, 500).astype("f4")
    y = OPS[name](cupy.asarray(x)).get()
    assert (np.abs(y / (x.astype("f8") * np.exp(x.astype("f8"))) - 1) <= 8 * np.finfo("f4").eps).all()


def test_float16_is_left_to_whole_arrays(cupy: Any) -> None:
    x = cupy.asarray(np.float16([1, 2]))
    assert OPS["mish"].choose(x) == "whole"
    assert "takes float32 or float64, not float16" in OPS["mish"].explain(x)


# --- batch norm -------------------------------------------------------------------------------------------------------

OPTIONS = {"eps": 1e-5, "epsilon": "inside", "variance": "biased"}


def maps(shape: tuple[int, ...], dtype: str = "f4", seed: int = 0) -> tuple[np.ndarray, ...]:
    """``x``, ``weight``, ``bias``, and ``g``."""
    rng = np.random.default_rng(seed)
    x = rng.normal(3, 2, shape).astype(dtype)
    weight, bias = rng.normal(size=(2, shape[1])).astype(dtype)
    return x, weight, bias, rng.normal(size=shape).astype(dtype)


def both_ways(x: Any, weight: Any, bias: Any, g: Any, cupy: Any, **changes: Any) -> tuple[Any, Any]:
    options = OPTIONS | changes
    forward = agree("batch_norm_train", (x, weight, bias), options, cupy)
    with np.errstate(all="ignore"):
        _, mean, var = OPS["batch_norm_train"].definition(x, **options)
    return forward, agree("batch_norm_grad", (g, x, weight, mean, var), options, cupy)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that more blocks share a channel than a warp has lanes, and threads go on by the grid's size."""
    monkeypatch.setattr(normalization, "PART", 16)
    monkeypatch.setattr(normalization, "BLOCKS", 2)


SHAPES = [
    (2, 3, 4, 4),
    (3, 5, 7, 9),
    (1, 1, 1, 2),
    (2, 1),
    (9, 7),
    (1, 2, 33, 35),
    (4, 3, 1, 5),
    (2, 90, 1, 1),
    (5, 2, 3),
]
SHAPES += [(3, 1, 2, 2), (2, 4, 16, 16), (1, 3, 2, 1), (1030, 2)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_batch_norm_of_every_division(shape: tuple[int, ...], dtype: str, cupy: Any, small_parts: None) -> None:
    both_ways(*maps(shape, dtype), cupy)


def test_batch_norm_of_long_channels(cupy: Any) -> None:
    """More than a block's part, as it is: with maps that are whole packs, and that are not."""
    for shape in [(2, 2, 72, 80), (2, 2, 71, 79)]:
        both_ways(*maps(shape), cupy)


def test_weights_of_another_dtype(cupy: Any) -> None:
    x, weight, bias, g = maps((3, 4, 5, 5))
    for w, b in [(weight.astype("f8"), bias), (weight.astype("f2"), bias.astype("f2")), (None, bias), (weight, None)]:
        both_ways(x, w, b, g, cupy, epsilon="outside", variance="unbiased")


@pytest.mark.parametrize("offset", [1e4, -3e6])
def test_a_large_mean_costs_no_digits(offset: float, cupy: Any) -> None:
    x, weight, bias, g = maps((4, 2, 9, 9))
    x = (x + offset).astype("f4")
    (_, mean, var), _ = both_ways(x, weight, bias, g, cupy)
    x64 = x.astype("f8")
    # Differences from the guess are exact, since float32 holds them; sums of 324 are in float64, here and there.
    np.testing.assert_allclose(mean, x64.mean(axis=(0, 2, 3)), rtol=2 * 324 * 2**-53)
    np.testing.assert_allclose(var, x64.var(axis=(0, 2, 3)), rtol=2 * 332 * 2**-53)


def test_an_outlier_among_the_samples_costs_no_digits(cupy: Any) -> None:
    """The first number is a sample, from which all are counted."""
    x, weight, bias, g = maps((4, 2, 9, 9))
    x[0, :, 0, 0] = 1e6
    (_, mean, var), _ = both_ways(x, weight, bias, g, cupy)
    # A difference of up to 1e6 is rounded once to float32, so its square is off by twice that, and the mean's as well.
    np.testing.assert_allclose(mean, x.astype("f8").mean(axis=(0, 2, 3)), rtol=0, atol=1e6 * 2**-24)
    np.testing.assert_allclose(var, x.astype("f8").var(axis=(0, 2, 3)), rtol=0, atol=1e12 * 4 * 2**-24)


def test_what_is_no_number_stays_in_its_channel(cupy: Any) -> None:
    x, weight, bias, _ = maps((2, 5, 6, 6))
    x[1, 1, 3, 3], x[0, 2, 0, 0], x[1, 3, 5, 5] = np.nan, np.inf, -np.inf
    x[:, 4] *= np.float32(1e25)  # whose squares do not fit into float32
    there = [cupy.asarray(a) for a in (x, weight, bias)]
    y, mean, var = (a.get() for a in OPS["batch_norm_train"].using("cuda")(*there, **OPTIONS))
    assert np.isnan(y[:, 1:4]).all()
    assert (mean[2], mean[3]) == (np.inf, -np.inf)
    assert np.isnan(var[1:4]).all()
    expected, *_ = OPS["batch_norm_train"].definition(x[:, [0, 4]], weight[[0, 4]], bias[[0, 4]], **OPTIONS)
    given = (np.ascontiguousarray(x[:, [0, 4]]), weight[[0, 4]], bias[[0, 4]])
    assert_close(y[:, [0, 4]], expected, CASES["batch_norm_train"].rule("cuda")[0], given, OPTIONS)


def test_no_channels_and_a_single_value(cupy: Any) -> None:
    empty = cupy.asarray(np.zeros((3, 0, 4), "f4"))
    y, mean, var = OPS["batch_norm_train"](empty, eps=1e-5)
    assert (y.shape, mean.shape, var.shape) == ((3, 0, 4), (0,), (0,))
    assert OPS["batch_norm_grad"](empty, empty, None, mean, var, eps=1e-5)[0].shape == (3, 0, 4)
    with pytest.raises(ValueError, match="1 value per channel"):
        OPS["batch_norm_train"](cupy.asarray(np.zeros((1, 3, 1, 1), "f4")), eps=1e-5)


def test_batch_norm_is_the_same_bit_for_bit_whatever_the_batches_around(cupy: Any) -> None:
    """A channel's statistics do not depend on the other channels, nor on how many blocks go over the numbers."""
    x, weight, bias, _ = maps((3, 6, 11, 13))
    there = [cupy.asarray(a) for a in (x, weight, bias)]
    whole = [a.get() for a in OPS["batch_norm_train"].using("cuda")(*there, **OPTIONS)]
    some = [cupy.asarray(np.ascontiguousarray(a)) for a in (x[:, 2:5], weight[2:5], bias[2:5])]
    part = [a.get() for a in OPS["batch_norm_train"].using("cuda")(*some, **OPTIONS)]
    np.testing.assert_array_equal(part[0], whole[0][:, 2:5])
    np.testing.assert_array_equal(part[1], whole[1][2:5])
    np.testing.assert_array_equal(part[2], whole[2][2:5])


ACTIVATIONS: list[dict[str, Any]] = [
    {"activation": "leaky", "slope": 0.1},
    {"activation": "silu"},
    {"activation": "mish"},
]


@pytest.mark.parametrize("act", ACTIVATIONS, ids=lambda act: act["activation"])
@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (3, 5, 7, 9), (2, 1)], ids=str)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_batch_norm_with_its_activation(
    act: dict[str, Any], shape: tuple[int, ...], dtype: str, cupy: Any, small_parts: None
) -> None:
    x, weight, bias, g = maps(shape, dtype)
    options = OPTIONS | act
    agree("batch_norm_act_train", (x, weight, bias), options, cupy)
    _, mean, var = OPS["batch_norm_train"].definition(x, **OPTIONS)
    agree("batch_norm_act_grad", (g, x, weight, bias, mean, var), options, cupy)
    agree("batch_norm_act_grad", (g, x, None, None, mean, var), options, cupy)


@pytest.mark.parametrize("name", ["silu", "mish"])
def test_fused_is_one_after_the_other_bit_for_bit(name: str, cupy: Any) -> None:
    x, weight, bias, g = (cupy.asarray(a) for a in maps((3, 5, 7, 9)))
    u, mean, var = OPS["batch_norm_train"].using("cuda")(x, weight, bias, **OPTIONS)
    y, *statistics = OPS["batch_norm_act_train"].using("cuda")(x, weight, bias, activation=name, **OPTIONS)
    np.testing.assert_array_equal(y.get(), OPS[name].using("cuda")(u).get())
    for a, b in zip(statistics, (mean, var), strict=True):
        np.testing.assert_array_equal(a.get(), b.get())
    h = OPS[f"{name}_grad"].using("cuda")(g, u)
    one = OPS["batch_norm_act_grad"].using("cuda")(g, x, weight, bias, mean, var, activation=name, **OPTIONS)
    two = OPS["batch_norm_grad"].using("cuda")(h, x, weight, mean, var, **OPTIONS)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.get(), b.get())


# --- updates of parameters --------------------------------------------------------------------------------------------

STEPS: list[tuple[str, int, dict[str, Any]]] = [
    ("sgd_update", 0, {"lr": 0.1, "weight_decay": 5e-4}),
    ("sgd_update", 1, {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4}),
    ("sgd_update", 1, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "first": True}),
    ("adam_update", 2, {"lr": 0.1, "step": 3, "weight_decay": 0.1}),
    ("adam_update", 2, {"lr": 0.1, "step": 1, "weight_decay": 0.1, "decoupled": True}),
]


@pytest.mark.parametrize(("name", "moments", "options"), STEPS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("start", [0, 1])  # 1: not at a multiple of 16 bytes
@pytest.mark.parametrize("size", [0, 1, 3, 4, 1023, 2049, 4099])
def test_updates_in_place(
    name: str,
    moments: int,
    options: dict[str, Any],
    dtype: str,
    start: int,
    size: int,
    cupy: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(updates, "BLOCKS", 2)
    host = list(np.random.default_rng(size).normal(size=(2 + moments, size + start)).astype(dtype))
    host[-1] = abs(host[-1])
    there = [cupy.asarray(a)[start:] for a in host]
    host = [a[start:] for a in host]
    gradient = host[1].copy()
    got = OPS[name].using("cuda")(*there, **options, in_place=True)
    expected = OPS[name].definition(*host, **options)
    assert [id(a) for a in got] == [id(there[0]), *map(id, there[2:])], "they are the arrays that were given"
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == dtype
        np.testing.assert_array_equal(a.get(), b)
    np.testing.assert_array_equal(there[1].get(), gradient)


def test_a_velocity_that_holds_nothing_is_not_read(cupy: Any) -> None:
    p, g = (cupy.asarray(np.ones(9, "f4")) for _ in range(2))
    _, v = OPS["sgd_update"](p, g, cupy.asarray(np.full(9, np.nan, "f4")), lr=0.5, momentum=0.9, first=True)
    assert (v.get() == 1).all()


def test_updates_of_a_view_are_left_to_whole_arrays(cupy: Any) -> None:
    p = cupy.asarray(np.ones((4, 3), "f4"))
    assert OPS["sgd_update"].choose(p.T, p.T, lr=0.1) == "cuda"
    assert OPS["sgd_update"].choose(p.T, p.T, lr=0.1, in_place=True) == "pieces"
    assert OPS["sgd_update"].choose(p, p.T.T, lr=0.1, in_place=True) == "cuda"


# --- through the library ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["leaky_relu", "silu", "mish"])
@pytest.mark.parametrize("make", [lambda p: SGD(p, lr=0.1, momentum=0.9), lambda p: AdamW(p, lr=0.1)])
def test_layers_and_optimisers_reach_the_kernels(act: str, make: Any, cupy: Any) -> None:
    rng = np.random.default_rng(0)
    data, g = rng.normal(size=(2, 3, 5, 6, 6)).astype("f4")
    taken = OnCpu()

    def run(there: bool = False) -> dict[str, np.ndarray]:
        bn = BatchNorm2d(5)
        optimiser = make(list(bn.parameters()))
        x = Tensor(cupy.asarray(data) if there else data, requires_grad=True)
        bn = bn.to("cuda") if there else bn
        with runs_on(taken) if there else nullcontext():
            for _ in range(2):
                optimiser.zero_grad()
                y = getattr(F, act)(bn(x))
                y.backward(cupy.asarray(g) if there else g)
                optimiser.step()
        made = {"y": y.data, "gradient": x.grad, **{name: p.data for name, p in bn.named_parameters()}}
        return {name: to_numpy(a).copy() for name, a in made.items()}

    assert_within_bounds(run(True), run)
    ran = " ".join(taken.launches)
    update = "sgd" if make([]).__class__ is SGD else "adam"
    function = {"leaky_relu": "Leaky", "silu": "SiLU", "mish": "Mish"}[act]
    for kernel in (
        "moments<",
        "normalise<",
        "back_apply<",
        f"activate<{function}",
        f"activate_back<{function}",
        update,
    ):
        assert kernel in ran, ran


@pytest.mark.parametrize("act", ["leaky", "silu", "mish"])
def test_a_batch_norm_with_its_activation_is_one_kernel_there(act: str, cupy: Any) -> None:
    data, _, _, g = maps((3, 5, 6, 6))
    bn = BatchNorm2d(5).to("cuda")
    taken = OnCpu()

    def run(there: bool = False) -> dict[str, np.ndarray]:
        layer = bn if there else BatchNorm2d(5)
        x = Tensor(cupy.asarray(data) if there else data, requires_grad=True)
        with runs_on(taken):
            y = layer.then(x, act)
            y.backward(cupy.asarray(g) if there else g)
        made = {"y": y.data, "gradient": x.grad, **{name: p.grad for name, p in layer.named_parameters()}}
        made |= {"mean": layer.running_mean.data, "var": layer.running_var.data}
        return {name: to_numpy(a) for name, a in made.items()}

    there = run(True)
    function = {"leaky": "Leaky", "silu": "SiLU", "mish": "Mish"}[act]
    kernels = [name.partition("<")[0] for name in taken.launches]
    assert kernels == ["moments", "moments_line", "normalise", "lines", "back_sums", "back_line", "back_apply"]
    assert f"normalise<{function}<float>>" in taken.launches
    assert_within_bounds(there, run)
    x = Tensor(cupy.asarray(data))
    bn.register_forward_hook(lambda *_: None)
    with runs_on(taken := OnCpu()):
        bn.then(x, act)
        bn.eval().then(x, act)
    assert [name.partition("<")[0] for name in taken.launches].count("activate") == 2


def test_a_network_trains_by_these_kernels_and_twice_the_same(cupy: Any) -> None:
    """Two steps on the host, and twice there: the same losses, and there the same bits."""
    x = np.random.default_rng(0).random((2, 3, 32, 32)).astype("f4")
    taken = OnCpu("random")

    def steps(there: bool = False) -> dict[str, np.ndarray]:
        model = build("yolov3-shapes", width=4, size=32, rng=0)
        model = model.to("cuda") if there else model
        optimiser, losses = SGD(model.parameters(), lr=1e-3, momentum=0.9), []
        for _ in range(2):
            optimiser.zero_grad()
            loss = reduce(F.add, [F.sum(F.mul(y, y)) for y in model(Tensor(model.to_device(x)))])
            loss.backward()
            optimiser.step()
            losses.append(float(loss.item()))
        return {"losses": np.array(losses), **{name: to_numpy(p.data).copy() for name, p in model.named_parameters()}}

    with runs_on(taken):
        first, second = steps(True), steps(True)
    for name, a in first.items():
        np.testing.assert_array_equal(a, second[name], err_msg=name)
    assert_within_bounds(first, steps)
    kernels = Counter(name.partition("<")[0] for name in taken.launches)
    assert kernels["normalise"] == kernels["back_apply"] == kernels["moments"] > 0
    assert kernels["sgd"] > 0
    assert kernels["activate"] == 0, "leaky ReLU is done with the batch norm"
