"""Winograd's convolution: its matrices, its tiles and blocks, filters that change, where it is chosen."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import conv2d, conv2d_grad_x, pin
from minidet_kernels.convolution import im2col, winograd, winograd_maps, winograd_numba
from minidet_kernels.convolution.scratch import fresh, scratch
from minidet_kernels.convolution.toom_cook import F2, F4, Scheme, toom_cook
from minidet_kernels.convolution.transposed import transpose
from numba import get_num_threads
from support.cases import CASES, assert_close
from support.tree import ROOT

NAMES = [name for name in conv2d.rungs("numpy") if name.startswith("winograd")]
#: Channels and filters that all of them take.
CHANNELS, FILTERS = 16, 17
every_implementation = pytest.mark.parametrize("name", NAMES)


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape, dtype=np.float32)


def relative(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(got - expected).max() / np.abs(expected).max())


# ---- the matrices


@given(st.sets(st.fractions(-3, 3, max_denominator=4), min_size=2, max_size=6), st.integers(2, 3))
def test_any_distinct_points_give_the_convolution(points: set[Fraction], r: int) -> None:
    if len(points) < r:
        return
    scheme = toom_cook(sorted(points), r)
    assert (scheme.At.shape, scheme.G.shape) == ((scheme.m, scheme.n), (scheme.n, r))
    # As a trilinear form, sum_p At[i, p] G[p, k] Bt[p, j] is 1 where j = i + k, else 0.
    form = np.einsum("ip,pk,pj->ikj", scheme.At, scheme.G, scheme.Bt)
    size = np.einsum("ip,pk,pj->ikj", *map(np.abs, scheme[1:]))
    i, k, j = np.indices(form.shape)
    assert (np.abs(form - (j == i + k)) <= 1e-14 * size + 1e-300).all()


def test_f2_is_the_one_in_the_paper_up_to_signs() -> None:
    """Lavin and Gray 2015, equation 7: the products of the three matrices' signs are the same."""
    assert F2.At.tolist() == [[1, 1, 1, 0], [0, 1, -1, 1]]
    assert F2.G.tolist() == [[-1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]]
    assert F2.Bt.tolist() == [[-1, 0, 1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, -1, 0, 1]]


def test_the_points_of_f4_round_less_than_the_usual_ones() -> None:
    usual = toom_cook([Fraction(p) for p in (0, 1, -1, 2, -2)], 3)
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(1, 128, 32, 32)).astype("f"), rng.normal(size=(16, 128, 3, 3)).astype("f")
    exact = conv2d.definition(x.astype(np.float64), w.astype(np.float64))
    errors = [relative(winograd.convolve(x, w, None, 0, scheme), exact) for scheme in (F4, usual)]
    assert 2 * errors[0] < errors[1]
    assert errors[0] < 4e-6


# ---- values


@every_implementation
def test_values_by_hand(name: str) -> None:
    x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    w = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
    x = np.pad(x, [(0, 0), (0, CHANNELS - 1), (0, 0), (0, 0)])
    w = np.pad(w, [(0, FILTERS - 1), (0, CHANNELS - 1), (0, 0), (0, 0)])
    with pin(conv2d=name):
        y = conv2d(x, w, np.full(FILTERS, 0.5, np.float32))
    np.testing.assert_allclose(y[0, 0], [[258.5, 294.5], [402.5, 438.5]], rtol=1e-5)
    assert (y[0, 1:] == 0.5).all()


@every_implementation
def test_many_channels_and_tiles(name: str) -> None:
    """Beyond one block of everything: more channels, filters and tiles than the drawn cases have."""
    rng = np.random.default_rng(1)
    for C, O, size, padding in [(67, 37, (31, 70), 1), (130, 16, (13, 13), (2, 0)), (3, 5, (100, 9), 1)]:
        if name == "winograd_maps":  # whole vectors of channels, and more than one of filters
            C, O = -(-C // 16) * 16, O + 16
        x, w, b = (rng.normal(size=s).astype("f") for s in ((2, C, *size), (O, C, 3, 3), (O,)))
        with pin(conv2d=name):
            y = conv2d(x, w, b, padding=padding)
        expected = conv2d.definition(x, w, b, padding=padding)
        assert_close(y, expected, CASES["conv2d"].rule(name), (x, w, b), {"padding": padding})
        assert relative(y, expected) < 5e-6


@pytest.mark.parametrize("buffer", [1, 3000, 20000])
def test_any_cutting_into_blocks_gives_the_same(buffer: int) -> None:
    rng = np.random.default_rng(2)
    x, w = rng.normal(size=(3, 2, 13, 10)), rng.normal(size=(4, 2, 3, 3))
    with mock.patch.object(winograd, "BUFFER", buffer), mock.patch.object(im2col, "LEAST", 1):
        for f in (winograd.conv2d_f2, winograd.conv2d_f4):
            np.testing.assert_allclose(f(x, w, padding=1), conv2d.definition(x, w, padding=1), atol=1e-12)


@every_implementation
def test_a_filter_that_changes_in_place_changes_the_result(name: str) -> None:
    """Nothing of the filters is kept from one call to the next, whatever happens to their memory."""
    rng = np.random.default_rng(3)
    x, w = rng.normal(size=(1, 16, 12, 12)).astype("f"), rng.normal(size=(17, 16, 3, 3)).astype("f")
    with pin(conv2d=name):
        first = conv2d(x, w, padding=1)
        w *= -2  # what an optimiser's step does
        np.testing.assert_allclose(conv2d(x, w, padding=1), -2 * first, rtol=1e-6)
        w[3, 5, 1, 2] += 100  # one weight among many
        once = conv2d(x, w, padding=1)
        np.testing.assert_allclose(once, conv2d.definition(x, w, padding=1), atol=1e-3)
        view = w.reshape(-1)
        view[0] = 1e6
        assert relative(conv2d(x, w, padding=1), conv2d.definition(x, w, padding=1)) < 1e-5


@every_implementation
def test_the_same_call_gives_the_same_bits(name: str) -> None:
    rng = np.random.default_rng(4)
    x, w = rng.normal(size=(1, 80, 30, 30)).astype("f"), rng.normal(size=(33, 80, 3, 3)).astype("f")
    with pin(conv2d=name):
        np.testing.assert_array_equal(conv2d(x, w), conv2d(x, w))


@every_implementation
def test_a_nan_reaches_its_tiles_and_no_further(name: str) -> None:
    m = 2 if name == "winograd_f2" else 4
    x, w = np.ones((1, CHANNELS, 24, 24), np.float32), np.ones((FILTERS, CHANNELS, 3, 3), np.float32)
    x[0, 1, 12, 12] = np.nan
    with pin(conv2d=name):
        bad = np.isnan(conv2d(x, w, padding=1))
    seen = np.zeros((24, 24), bool)
    seen[11:14, 11:14] = True
    tiles = seen.reshape(24 // m, m, 24 // m, m).any(axis=(1, 3)).repeat(m, 0).repeat(m, 1)
    assert bad[0, :, seen].all()
    assert not bad[0, :, ~tiles].any()


# ---- where it is taken


X, W = np.zeros((1, 128, 52, 52), np.float32), np.zeros((128, 128, 3, 3), np.float32)


def test_limits_and_doubts_name_the_reason() -> None:
    for options, why in [
        ({"stride": 2}, "takes stride 1, not (2, 2)"),
        ({"dilation": (1, 2)}, "takes dilation 1, not (1, 2)"),
    ]:
        assert conv2d.refusal("winograd_f4", X, W, **options) == why  # type: ignore[arg-type]
    assert conv2d.refusal("winograd_f4", X, W[:, :, :1]) == "takes filters of 3 x 3, not 1 x 3"
    assert conv2d.refusal("winograd_f4", X, W[:, :64], groups=2) == "takes one group, not 2"
    assert conv2d.doubt("winograd_f4", X, W, padding=1) is None
    few = conv2d.doubt("winograd_f4", X[:, :8], W[:, :8], padding=1)
    assert few == "pays from 64 channels and filters and 49 tiles on, not for 8 and 169"
    why = f"would take it, but {few}"
    assert why in conv2d.explain(X[:, :8], W[:, :8], padding=1)
    for name in NAMES:
        assert not conv2d.choose(X.astype(np.float64), W.astype(np.float64), padding=1).startswith("winograd"), name


def test_the_compiled_one_runs_where_it_was_measured_faster() -> None:
    assert conv2d.choose(X, W, padding=1) == "winograd_maps"
    assert conv2d.choose(X[:, :, :13, :13], W, padding=1) == "winograd_numba"
    assert conv2d.choose(X[:, :, :7, :7], W, padding=1) == "indirect"
    assert conv2d.choose(X[:, :127, :13, :13], W[:, :127], padding=1) == "indirect"
    assert conv2d.doubt("winograd_maps", X, W[:16], padding=1) is not None
    assert conv2d.refusal("winograd_maps", X, W[:16], padding=1) == "takes more than 16 filters, not 16"
    few = conv2d.doubt("winograd_maps", X[:, :, :13, :13], W, padding=1)
    assert few == "pays from 8388608 pairs of a channel and an output on, not for 2768896"
    assert conv2d.refusal("winograd_numba", X.astype("d"), W.astype("d")) == "takes float32, not float64"
    why = conv2d.doubt("winograd_numba", X[:, :, :7, :7], W, padding=1)
    assert why == "pays from 128 channels and filters and 9 tiles an image on, not for 128 and 4"


@pytest.mark.parametrize("padding", [0, 1, (2, 1)])
def test_the_gradient_of_the_input_is_the_adjoint(padding: Any) -> None:
    rng = np.random.default_rng(7)
    x, w = rng.normal(size=(2, 53, 19, 30)).astype("f"), rng.normal(size=(50, 53, 3, 3)).astype("f")
    g = rng.normal(size=conv2d(x, w, padding=padding).shape).astype("f")
    assert conv2d_grad_x.choose(g, w, shape=x.shape, padding=padding) == "winograd_numba"
    got = conv2d_grad_x(g, w, shape=x.shape, padding=padding)
    assert relative(got, conv2d_grad_x.definition(g, w, shape=x.shape, padding=padding)) < 5e-6
    w *= 3  # nothing is kept here either
    np.testing.assert_allclose(conv2d_grad_x(g, w, shape=x.shape, padding=padding), 3 * got, rtol=0, atol=1e-3)


def test_where_the_gradient_takes_it() -> None:
    g = np.zeros((1, 128, 16, 16), np.float32)
    why = conv2d_grad_x.refusal("winograd_numba", g, W, shape=(1, 128, 10, 10), padding=(4, 4))
    assert why == "takes a padding of at most 2, not (4, 4)"
    assert conv2d_grad_x.doubt("winograd_numba", g[:, :, :6, :6], W, shape=(1, 128, 8, 8)) is not None
    assert (
        conv2d_grad_x.refusal("winograd_numba", g, W, shape=(1, 128, 33, 33), stride=2) == "takes stride 1, not (2, 2)"
    )


@pytest.mark.parametrize(("buffer", "filters"), [(1, 1), (30_000, 10**6)])
def test_any_cutting_of_the_compiled_one_gives_the_same(buffer: int, filters: int) -> None:
    rng = np.random.default_rng(5)
    x, w, b = (rng.normal(size=s).astype("f") for s in ((3, 18, 27, 38), (67, 18, 3, 3), (67,)))
    whole = winograd_numba.conv2d(x, w, b, padding=1)
    with (
        mock.patch.multiple(winograd_numba, BUFFER=buffer, FILTERS=filters),
        mock.patch.object(im2col, "LEAST", 1),
        mock.patch.object(winograd_numba, "get_num_threads", return_value=3),
    ):
        np.testing.assert_array_equal(winograd_numba.conv2d(x, w, b, padding=1), whole)


@pytest.mark.parametrize("together", [1, 10**6, 2**24])
@pytest.mark.parametrize(("channels", "filters"), [(16, 17), (32, 70), (128, 144), (512, 33)])
def test_any_images_and_threads_together_give_the_same(channels: int, filters: int, together: int) -> None:
    """Few filters, whose transforms are made first, and many, in one piece and in several."""
    x, w, b = normal(3, channels, 9, 18), normal(filters, channels, 3, 3), normal(filters)
    exact = conv2d.definition(x.astype("d"), w.astype("d"), b.astype("d"), padding=(1, 2))
    results = []
    ways = [(1, "omp"), (2, "omp"), (2, "tbb")]
    if get_num_threads() == 1:  # threads that are not there would be waited for
        ways.remove((2, "omp"))
    for threads, layer in ways:
        with (
            mock.patch.object(winograd_maps, "TOGETHER", together),
            mock.patch.object(winograd_maps, "get_num_threads", return_value=threads),
            mock.patch.object(winograd_maps.numba, "threading_layer", return_value=layer),
        ):
            results.append(winograd_maps.conv2d(x, w, b, padding=(1, 2)))
    assert relative(results[0], exact) < 5e-6
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


TOGETHER = """
import numpy as np
from minidet_kernels import conv2d, set_threads
rng, found = np.random.default_rng(0), []
xs, w = rng.normal(size=(8, 3, 144, 17, 19)).astype("f"), rng.normal(size=(130, 144, 3, 3)).astype("f")
for threads in (1, 3, 2):
    set_threads(threads)
    found.append([conv2d.using("winograd_maps")(x, w, padding=1) for x in xs])  # never twice the same, left in scratch
assert all(np.array_equal(y, first) for some in found for y, first in zip(some, found[0], strict=True))
print("equal")
"""


def test_threads_that_are_there_give_the_same() -> None:
    """Three threads whatever the machine has; one that went on too early would read what is not there yet."""
    environment = os.environ | {
        "NUMBA_NUM_THREADS": "3",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels"), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(
        [sys.executable, "-c", TOGETHER], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "equal", done.stderr


def test_new_memory_begins_on_a_cache_line() -> None:
    for size in range(1, 40):
        assert fresh((size, 3)).ctypes.data % 64 == 0
        assert fresh((size, 3)).shape == (size, 3)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (16, 16), (15, 33), (33, 15), (16, 40), (40, 16), (31, 47)])
def test_transposes_of_any_size_leave_the_rest_alone(rows: int, columns: int) -> None:
    x, y = normal(rows, 50), np.full((columns, 60), 7, np.float32)
    transpose(x.ctypes.data, 200, rows, columns, y.ctypes.data, 240)
    np.testing.assert_array_equal(y[:, :rows], x[:, :columns].T)
    assert (y[:, rows:] == 7).all()


def test_scratch_memory_is_kept_by_each_thread_for_itself() -> None:
    mine = scratch("a test", (3, 4))
    assert scratch("a test", (2, 2)).base is mine.base
    assert scratch("a test", (5, 4)).base is not mine.base
    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(scratch, "a test", (3, 4)).result()
    assert not np.shares_memory(theirs, scratch("a test", (3, 4)))


def test_several_threads_at_once_do_not_disturb_each_other() -> None:
    rng = np.random.default_rng(6)
    x, w = rng.normal(size=(8, 1, 16, 24, 24)).astype("f"), rng.normal(size=(16, 16, 3, 3)).astype("f")
    alone = [im2col.conv2d(one, w, padding=1) for one in x]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda one: winograd_numba.conv2d(one, w, padding=1), [*x, *x, *x]))
    for one, expected in zip(together, alone * 3, strict=True):
        assert relative(one, expected) < 5e-6


def test_doubts_do_not_hold_for_a_pin() -> None:
    x, w = np.ones((1, 1, 5, 5)), np.ones((1, 1, 3, 3))
    with pin(conv2d="winograd_f4"):
        assert conv2d.choose(x, w) == "winograd_f4"
        np.testing.assert_allclose(conv2d(x, w), np.full((1, 1, 3, 3), 9.0), rtol=1e-12)


def test_schemes_are_of_the_sizes_that_their_names_say() -> None:
    for scheme, m in [(F2, 2), (F4, 4)]:
        assert isinstance(scheme, Scheme)
        assert (scheme.m, scheme.n, scheme.G.shape) == (m, m + 2, (m + 2, 3))
