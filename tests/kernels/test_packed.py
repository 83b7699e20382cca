"""The packed kernels where the conformance of ``conv2d_fused`` does not look: infinities, NaN, other steps, threads."""

from __future__ import annotations

import os
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import OPS, conv2d_fused, max_pool2d, pin
from minidet_kernels.convolution import packed_limits
from minidet_kernels.convolution.packed import (
    KINDS,
    NONE,
    Border,
    Epilogue,
    Geometry,
    Map,
    Program,
    bind_enlarge,
    bind_greatest,
    from_map,
    multiply_add_rate,
    to_map,
    whole,
)
from minidet_kernels.convolution.packed import winograd as packed_winograd
from minidet_kernels.convolution.packed.schemes import SCHEMES
from minidet_kernels.convolution.packed.tiles import LINE
from support.cases_fused import fused, tiled
from support.tree import ROOT

PACKED = [name for name in conv2d_fused.rungs("numpy") if name != "layers"]


def a_map(x, border=NONE, guard=7.0):
    """An array (N, C, H, W) as some of the channels of a wider map, the others holding a guard."""
    n, c, h, w = x.shape
    wide = Map.empty((n, h, w, whole(c) + 32), border)
    wide.data[...] = guard
    found = wide.channels(16, c, whole(c))
    to_map(x, found)
    return found, wide


@st.composite
def arrays(draw):
    side = st.integers(1, 9)
    shape = (draw(st.integers(1, 2)), draw(st.sampled_from([1, 3, 16, 20, 33, 40])), draw(side), draw(side))
    x = np.random.default_rng(draw(st.integers(0, 99))).integers(-3, 4, shape).astype(np.float32)
    for value in draw(st.lists(st.sampled_from([np.nan, np.inf, -np.inf]), max_size=3)):
        x[tuple(draw(st.integers(0, n - 1)) for n in shape)] = value
    return x


@given(arrays(), st.integers(1, 7), st.integers(1, 3))
def test_the_greatest_of_windows_is_that_of_max_pool2d(x, size, stride):
    padding = size // 2
    expected, _ = max_pool2d.definition(x, size=size, stride=stride, padding=padding)
    (source, _), out = a_map(x), Map.empty((*np.array(expected.shape)[[0, 2, 3, 1]],), width=whole(x.shape[1]))
    Program(bind_greatest(source, out, size=(size,) * 2, stride=(stride,) * 2, before=(padding,) * 2)).run()
    np.testing.assert_array_equal(from_map(out), expected)


@given(arrays(), st.integers(1, 3), st.integers(1, 3))
def test_to_enlarge_is_to_repeat_and_touches_nothing_else(x, down, right):
    expected = x.repeat(down, axis=2).repeat(right, axis=3)
    (source, _), (out, wide) = a_map(x, guard=5.0), a_map(np.zeros_like(expected))
    Program(bind_enlarge(source, out)).run()
    np.testing.assert_array_equal(from_map(out), expected)
    others = np.ones(wide.data.shape[3], bool)
    others[16 : 16 + x.shape[1]] = False
    assert (wide.data[..., others] == 7).all()


@given(arrays())
def test_there_and_back(x):
    np.testing.assert_array_equal(from_map(a_map(x, Border(1, 2, 3, 4))[0]), x)


EXTREMES = np.float32([np.nan, np.inf, -np.inf, 1e38, -1e38, 200, -200, 88.5, -88.5, 20, -20, 0.1, -0.1, 1e-30, 0.0])


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("activation", ["linear", "relu", "leaky", "sigmoid", "silu", "mish", "tanh"])
@pytest.mark.parametrize("slope", [0.1, 0.0])
@pytest.mark.parametrize("residual", [False, True])
def test_activations_of_extreme_values(name, activation, slope, residual):
    """As biases of a convolution of zeros, since in its input a NaN would reach every output."""
    x, w = np.zeros((1, 48, 1, 5), np.float32), np.zeros((48, 1 if name == "depthwise" else 48, 3, 3), np.float32)
    bias = np.zeros(48, np.float32)
    bias[: len(EXTREMES)] = bias[-len(EXTREMES) :] = EXTREMES
    if name == "polyphase":
        x = np.zeros((1, 48, 1, 9), np.float32)
    more = np.ones((1, 48, 1, 5), np.float32) if residual else None
    options = {"padding": 1, "groups": 48 // w.shape[1], "activation": activation, "slope": slope}
    options |= {"stride": 2} if name == "polyphase" else {}
    with pin(conv2d_fused=name):
        got = conv2d_fused(x, w, bias, more, **options)
    expected = conv2d_fused.definition(x, w, bias, more, **options)
    np.testing.assert_allclose(got, expected, rtol=2e-6, atol=2e-36)


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("uneven", [{"stride": (1, 2)}, {"dilation": (1, 2)}, {"dilation": (3, 1), "padding": (0, 2)}])
def test_rows_and_columns_are_not_confused(name, uneven):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 16, 15, 19)).astype(np.float32), rng.normal(size=(20, 16, 3, 3)).astype(np.float32)
    if name == "depthwise":
        w, uneven = w[:16, :1], uneven | {"groups": 16}
    if name in ("winograd", "polyphase"):
        uneven = {"padding": uneven.get("padding", (2, 0)), "stride": 1 if name == "winograd" else 2}
    got, expected = conv2d_fused.using(name)(x, w, **uneven), conv2d_fused.definition(x, w, **uneven)
    assert np.abs(got - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_a_scheme_is_the_convolution_of_its_stride(scheme):
    """Along one axis, in float64: the inputs and taps at their points, multiplied, summed over phases, interpolated."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=scheme.reach), rng.normal(size=3)
    expected = [w @ x[scheme.stride * j : scheme.stride * j + 3] for j in range(scheme.m)]
    sums = np.zeros(scheme.n)
    for phase, (point, value) in enumerate(zip(scheme.phases, scheme.values, strict=True)):
        inner = scheme.stride == 2 and value == scheme.n
        part = x[inner :: scheme.stride]
        sums[point] += scheme.Bt[point, : len(part)] @ part * (scheme.taps[value] @ w)
        assert phase == 0 or point >= scheme.phases[phase - 1]
    np.testing.assert_allclose(scheme.At @ sums, expected, rtol=1e-12, atol=1e-12)
    assert len(scheme.phases) ** 2 < 9 * scheme.m**2
    assert sum(map(len, scheme.groups)) == len(scheme.phases) ** 2


@pytest.mark.parametrize(
    ("stride", "size", "channels", "filters", "name"),
    [
        (1, 12, 144, 130, "F(4x4, 3x3)"),
        (1, 13, 144, 130, "F(5x5, 3x3)"),
        (1, 26, 144, 130, "F(4x4, 3x3)"),
        (1, 13, 16, 32, "F(4x4, 3x3)"),
        (2, 24, 144, 130, "polyphase F(4x4, 2x2)"),
        (2, 26, 144, 130, "polyphase F(5x5, 2x2)"),
        (2, 26, 16, 32, "polyphase F(4x4, 2x2)"),
    ],
)
def test_the_scheme_is_chosen_by_how_tiles_fit(stride, size, channels, filters, name):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, channels, size, size + stride)).astype(np.float32)
    w, more = rng.normal(size=(filters, channels, 3, 3)).astype(np.float32), None
    kind = "winograd" if stride == 1 else "polyphase"
    expected = conv2d_fused.definition(x, w, None, more, stride=stride, padding=1, activation="silu")
    conv = KINDS[kind](w, None, Geometry((3, 3), (stride, stride), (1, 1)), Epilogue("silu"))
    assert conv.scheme(expected.shape[2:]).name == name
    more = rng.normal(size=expected.shape).astype(np.float32)
    options = {"stride": stride, "padding": 1, "activation": "silu", "order": "residual_first"}
    got = conv2d_fused.using(kind)(x, w, None, more, **options)
    expected = conv2d_fused.definition(x, w, None, more, **options)
    assert (np.abs(got - expected) <= fused(tiled)(expected, x, w, None, more, **options)).all()


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("room", "pieces"), [({"TOGETHER": 1 << 30}, 1), ({"TOGETHER": 0, "PIECE": 48 * 81 * LINE}, None)]
)
@pytest.mark.parametrize("tiles", [{}, {"MOST": 5, "WHOLE": 7, "HELD": 2}])
def test_filters_of_all_channels_at_a_time_or_of_some(stride, room, pieces, tiles):
    """What fits in a cache decides it, so each processor would test its own way only."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(1, 144, 17, 22)).astype(np.float32)
    w = rng.normal(size=(130, 144, 3, 3)).astype(np.float32)
    options = {"stride": stride, "padding": 1}
    with mock.patch.multiple(packed_winograd, **room, **tiles):
        kind = ("winograd", "polyphase")[stride - 1]
        conv = KINDS[kind](w, None, Geometry((3, 3), (stride, stride), (1, 1)), Epilogue())
        out = -(-17 // stride), -(-22 // stride)
        source = Map.empty((1, 17, 22, 144), conv.border((17, 22), out), 144)
        steps = conv.bind(source, Map.empty((1, *out, 130), width=whole(130)))
        piece = 144 // packed_winograd.Call._make(steps[-1].row).piece
        assert piece == pieces if pieces else piece > 1
        assert len(steps) == 2 or tiles
        got = conv2d_fused.using(kind)(x, w, **options)
    expected = conv2d_fused.definition(x, w, **options)
    assert (np.abs(got - expected) <= fused(tiled)(expected, x, w, **options)).all()


def test_the_second_cache_has_a_size():
    assert 2**15 <= packed_limits.second_cache() <= 2**28


def test_polyphase_is_chosen_by_the_processor():
    x, few, many = (np.zeros(shape, np.float32) for shape in ((1, 128, 104, 104), (256, 128, 3, 3), (512, 128, 3, 3)))
    options = {"stride": 2, "padding": 1}
    for zen, names in ((True, ["polyphase", "polyphase"]), (False, ["polyphase", "windows"])):
        with mock.patch.object(packed_limits, "zen", return_value=zen):
            assert [conv2d_fused.choose(x, w, **options) for w in (few, many)] == names


def test_the_ceiling_is_a_rate():
    assert multiply_add_rate(0.001) > 1e8


SCRIPT = """
import numpy as np, numba
from minidet_kernels import conv2d_fused, pin, set_threads
found = []
for threads in (1, 3):
    set_threads(threads)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        x, w = (rng.normal(size=s).astype(np.float32) for s in ((1, 144, 17, 19), (130, 144, 3, 3)))
        found.append([])
        for name, stride in (("windows", 1), ("winograd", 1), ("polyphase", 2)):
            with pin(conv2d_fused=name):
                found[-1].append(conv2d_fused(x, w, padding=1, stride=stride, activation="mish"))
for one, other in zip(found[:12], found[12:]):
    for a, b in zip(one, other):
        assert np.array_equal(a, b)
print("equal", numba.config.NUMBA_NUM_THREADS)
"""


def test_any_number_of_threads_gives_the_same_bits():
    """Three threads whatever the machine has; a step that began before the last one ended would read an older map."""
    environment = os.environ | {
        "NUMBA_NUM_THREADS": "3",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels"), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "equal 3", done.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"activation": "softplus"}, "no activation 'softplus'"),
        ({"order": "both"}, "order is 'activation_first' or 'residual_first'"),
    ],
)
def test_unknown_words_are_refused(options, says):
    x, w = np.zeros((1, 2, 4, 4), np.float32), np.zeros((3, 2, 1, 1), np.float32)
    with pytest.raises(ValueError, match=says):
        conv2d_fused(x, w, **options)
    with pytest.raises(ValueError, match=r"residual of float32 \(1, 3, 4, 5\)"):
        conv2d_fused(x, w, None, np.zeros((1, 3, 4, 5), np.float32))
    assert OPS["conv2d_fused"] is conv2d_fused
