"""Laws and witnesses of the pooling room, for every implementation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import OPS, avg_pool2d, avg_pool2d_grad_x, max_pool2d, max_pool2d_grad_x, pin
from minidet_kernels.pooling.windows import axis
from support.cases_maps import outputs, tied, windows


def names(operator: str) -> Any:
    """Every implementation for NumPy, and the definition."""
    found = OPS[operator].rungs("numpy")
    return pytest.mark.parametrize("name", ["definition", *found])


every_max, every_avg = names("max_pool2d"), names("avg_pool2d")
nan, inf = float("nan"), float("inf")


def row(*values: float) -> np.ndarray:
    return np.array(values, np.float64).reshape(1, 1, 1, -1)


@pytest.mark.parametrize(
    ("n", "size", "stride", "padding", "torch", "caffe"),
    [
        (3, 1, 3, 0, 1, 1),  # plain ceil says 2, and its last window would lie outside
        (2, 2, 3, 1, 1, 1),
        (6, 2, 4, 1, 2, 2),
        (5, 2, 2, 0, 2, 3),
        (4, 2, 2, 0, 2, 2),
        (112, 3, 2, 1, 56, 57),
        (2, 3, 2, 0, 0, 1),  # Caffe's one window overhangs
        (7, 3, 2, 0, 3, 3),
    ],
)
def test_output_sizes_of_torch_and_caffe(n, size, stride, padding, torch, caffe):
    assert axis(n, size, stride, padding, "torch").out == torch
    assert axis(n, size, stride, padding, "caffe").out == caffe


@pytest.mark.parametrize(
    ("n", "size", "stride", "padding", "out", "before"),
    [
        (13, 2, 1, None, 13, 0),  # YOLOv3-tiny: pads right and bottom only
        (5, 2, 2, None, 3, 0),
        (4, 2, 2, None, 2, 0),
        (135, 2, 2, None, 68, 0),
        (135, 2, 2, 0, 67, 0),  # older Darknet
        (13, 5, 1, None, 13, 2),
        (13, 9, 1, None, 13, 4),
        (13, 13, 1, None, 13, 6),
        (13, 3, 1, None, 13, 1),
        (13, 4, 1, None, 13, 1),  # an odd total: less in front
        (7, 3, 2, None, 4, 1),
        (7, 3, 2, 1, 3, 0),
    ],
)
def test_darknet_windows(n, size, stride, padding, out, before):
    v = axis(n, size, stride, padding, "darknet")
    assert (v.out, v.before) == (out, before)
    x = np.random.default_rng(0).normal(size=(1, 2, n, n)).astype(np.float32)
    for name in ["definition", *OPS["max_pool2d"].rungs("numpy")]:
        with pin(max_pool2d=name):
            y, _ = max_pool2d(x, size=size, stride=stride, padding=padding, convention="darknet")
        assert y.shape == (1, 2, out, out)
        for i in range(out):
            start = i * stride - before
            window = x[..., max(start, 0) : start + size, max(start, 0) : start + size]
            np.testing.assert_array_equal(y[..., i, i], window.max(axis=(2, 3)))


@every_max
@pytest.mark.parametrize(
    ("x", "options", "y", "index"),
    [
        (row(1, 3, 2, 4, 0), {"size": (1, 2)}, [3, 4], [1, 3]),
        (row(1, 3, 2, 4, 0), {"size": (1, 2), "convention": "darknet"}, [3, 4, 0], [1, 3, 4]),
        (row(1, 3, 2, 4, 0), {"size": (1, 2), "convention": "caffe"}, [3, 4, 0], [1, 3, 4]),
        (row(1, 3, 2, 4, 0), {"size": (1, 2), "stride": 1, "convention": "darknet"}, [3, 3, 4, 4, 0], [1, 1, 3, 3, 4]),
        (row(5, 5, 5), {"size": (1, 3), "stride": 1, "padding": (0, 1)}, [5, 5, 5], [0, 0, 1]),  # ties: the first
        (row(-1, -1), {"size": (1, 2), "stride": 1, "padding": (0, 1)}, [-1, -1, -1], [0, 0, 1]),  # padding never wins
        (row(-inf, -inf), {"size": (1, 2), "stride": 1, "padding": (0, 1)}, [-inf] * 3, [0, 0, 1]),
        (row(1, nan, 3, 4), {"size": (1, 2), "stride": 1}, [nan, nan, 4], [1, 1, 3]),
        (row(nan, 1, nan, 4), {"size": (1, 4)}, [nan], [0]),  # the first NaN
        (row(inf, nan, -inf), {"size": (1, 3)}, [nan], [1]),
        (row(0.0, -0.0), {"size": (1, 2)}, [0], [0]),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_max_witnesses(name, x, options, y, index, dtype):
    for vertical in (False, True):
        if vertical:  # the same along the other axis
            x = x.swapaxes(2, 3)
            options = {k: tuple(reversed(v)) if isinstance(v, tuple) else v for k, v in options.items()}
        with pin(max_pool2d=name):
            got = max_pool2d(x.astype(dtype), **options)
        np.testing.assert_array_equal(got[0].ravel(), np.array(y, dtype))
        assert got[1].ravel().tolist() == index


@every_max
def test_ties_and_nan_in_row_major_order(name):
    with pin(max_pool2d=name):
        tie = max_pool2d(np.array([[[[0, 7.0], [7, 0]]]]), size=2)
        hole = max_pool2d(np.array([[[[1, nan, 3], [nan, 5, 6], [7, 8, 9.0]]]]), size=3)
    assert tie[1].item() == 1
    assert hole[1].item() == 1
    assert np.isnan(hole[0]).all()


@every_max
@given(data=st.data())
def test_the_index_points_at_the_maximum(name, data):
    shape, options = windows(data.draw, ["torch", "caffe", "darknet"], max_pool2d.check)
    x = tied(data.draw, shape, np.float32)
    with pin(max_pool2d=name):
        y, index = max_pool2d(x, **options)
    assert y.shape == index.shape == outputs(shape, options)
    flat = x.reshape(*shape[:2], -1) if x.size else x.reshape(*shape[:2], shape[2] * shape[3])
    picked = np.take_along_axis(flat, index.reshape(*shape[:2], y.shape[2] * y.shape[3]), axis=2)
    np.testing.assert_array_equal(picked.reshape(y.shape), y)


@every_max
@given(data=st.data())
def test_max_laws(name, data):
    """Increasing maps, transposition and translation by whole strides commute with the maximum."""
    shape, options = windows(data.draw, ["torch", "caffe", "darknet"], max_pool2d.check)
    x = np.random.default_rng(data.draw(st.integers(0, 9999))).normal(size=shape)
    with pin(max_pool2d=name):
        y, index = max_pool2d(x, **options)
        doubled = max_pool2d(2 * x, **options)
        turned = {k: tuple(reversed(v)) if isinstance(v, tuple) else v for k, v in options.items()}
        flipped, _ = max_pool2d(x.swapaxes(2, 3), **turned)
        stride = options.get("stride", options["size"])
        s = stride if isinstance(stride, tuple) else (stride, stride)
        more = np.pad(x, ((0, 0), (0, 0), (s[0], 0), (s[1], 0)), constant_values=-np.inf)
        later, _ = max_pool2d(more, **options)
    np.testing.assert_array_equal(doubled[0], 2 * y)
    np.testing.assert_array_equal(doubled[1], index)
    np.testing.assert_array_equal(flipped, y.swapaxes(2, 3))
    np.testing.assert_array_equal(later[:, :, 1:, 1:], y)


@every_max
@given(seed=st.integers(0, 9999), h=st.integers(1, 20), w=st.integers(1, 20))
def test_windows_of_nine_and_thirteen_are_fives_in_a_row(name, seed, h, w):
    x = np.random.default_rng(seed).normal(size=(1, 2, h, w)).astype(np.float32)

    def pool(z: np.ndarray, size: int) -> np.ndarray:
        with pin(max_pool2d=name):
            return max_pool2d(z, size=size, stride=1, convention="darknet")[0]

    nine = pool(pool(x, 5), 5)
    np.testing.assert_array_equal(nine, pool(x, 9))
    np.testing.assert_array_equal(pool(nine, 5), pool(x, 13))


@names("max_pool2d_grad_x")
@given(data=st.data())
def test_max_gradient_is_the_adjoint(name, data):
    """``<v[index], g> = <v, grad_x(g, index)>``: with the index fixed, the maximum is a linear map of x."""
    shape, options = windows(data.draw, ["torch", "caffe", "darknet"], max_pool2d.check)
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    _, index = max_pool2d(tied(data.draw, shape, np.float64), **options)
    g, v = rng.normal(size=index.shape), rng.normal(size=shape)
    with pin(max_pool2d_grad_x=name):
        x = max_pool2d_grad_x(g, index, shape=shape)
    flat = (*shape[:2], shape[2] * shape[3])
    picked = np.take_along_axis(v.reshape(flat), index.reshape(*shape[:2], g.shape[2] * g.shape[3]), axis=2)
    left, right = (picked.reshape(g.shape) * g).sum(), (v * x).sum()
    assert abs(left - right) <= 1e-10 * (1 + np.abs(picked.reshape(g.shape) * g).sum())
    assert x.shape == shape


@names("max_pool2d_grad_x")
def test_overlapping_windows_add_up(name):
    _, index = max_pool2d(row(1, 3, 2), size=(1, 3), stride=1, padding=(0, 1))
    with pin(max_pool2d_grad_x=name):
        x = max_pool2d_grad_x(row(1, 10, 100), index, shape=(1, 1, 1, 3))
    assert x.ravel().tolist() == [0, 111, 0]


OVERHANG = {"size": (1, 4), "stride": 3, "padding": (0, 2), "convention": "caffe"}


@every_avg
@pytest.mark.parametrize(
    ("options", "y"),
    [
        ({"size": (1, 2)}, [3, 7]),
        ({"size": (1, 2), "convention": "caffe"}, [3, 7, 10]),  # the overhang is no padding: one element
        ({"size": (1, 3), "stride": 2, "padding": (0, 1)}, [2, 6, 6]),
        ({"size": (1, 3), "stride": 2, "padding": (0, 1), "count_include_pad": False}, [3, 6, 9]),
        (OVERHANG, [1.5, 7, 10 / 3]),  # the last window is cut to three elements, where the padding ends
        (OVERHANG | {"count_include_pad": False}, [3, 7, 10]),
    ],
)
def test_avg_witnesses(name, options, y):
    x = row(2, 4, 6, 8, 10)
    with pin(avg_pool2d=name):
        np.testing.assert_allclose(avg_pool2d(x, **options).ravel(), y, rtol=1e-15)
        turned = {k: tuple(reversed(v)) if isinstance(v, tuple) else v for k, v in options.items()}
        np.testing.assert_allclose(avg_pool2d(x.swapaxes(2, 3), **turned).ravel(), y, rtol=1e-15)


@every_avg
@given(data=st.data(), include=st.booleans())
def test_avg_laws(name, data, include):
    """The adjoint identity; constants stay where the padding is not counted; linearity."""
    shape, options = windows(data.draw, ["torch", "caffe"], avg_pool2d.check)
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    x, options = rng.normal(size=shape), options | {"count_include_pad": include}
    g = rng.normal(size=outputs(shape, options))
    with pin(avg_pool2d=name, avg_pool2d_grad_x=name):
        y, back = avg_pool2d(x, **options), avg_pool2d_grad_x(g, shape=shape, **options)
        ones = avg_pool2d(np.ones(shape), **options)
    assert y.shape == g.shape
    assert back.shape == shape
    assert abs((y * g).sum() - (x * back).sum()) <= 1e-10 * (1 + np.abs(y * g).sum())
    np.testing.assert_allclose(ones, np.minimum(ones, 1) if include else 1, rtol=1e-14)


def test_no_images_no_channels():
    for shape in ((0, 3, 4, 4), (2, 0, 4, 4)):
        x, out = np.zeros(shape, np.float32), (*shape[:2], 2, 2)
        for name in ["definition", *OPS["max_pool2d"].rungs("numpy")]:
            with pin(max_pool2d=name):
                y, index = max_pool2d(x, size=2)
            assert y.shape == index.shape == out
        assert max_pool2d_grad_x(y, index, shape=shape).shape == shape
        assert avg_pool2d(x, size=2).shape == out
        assert avg_pool2d_grad_x(y, size=2, shape=shape).shape == shape


good = np.zeros((1, 2, 4, 4), np.float32)


@pytest.mark.parametrize(
    ("x", "options", "error", "words"),
    [
        (good.tolist(), {}, TypeError, "x must be a NumPy or CuPy array, not list"),
        (good.astype(np.uint8), {}, TypeError, r"x must be float32 or float64, not uint8; use x.astype\(np.float32\)"),
        (good[0], {}, ValueError, r"x must have shape \(N, C, H, W\), not \(2, 4, 4\)"),
        (good, {"size": 0}, ValueError, "size must be at least 1 along both axes, not 0"),
        (good, {"size": 1.5}, TypeError, "size must be an integer or a .*pair, not 1.5"),
        (good, {"size": (2, 2, 2)}, TypeError, "size must be an integer or a .*pair"),
        (good, {"size": None}, TypeError, "size must be an integer or a .*pair, not None"),
        (good, {"stride": (1, 0)}, ValueError, r"stride must be at least 1 along both axes, not \(1, 0\)"),
        (good, {"padding": -1}, ValueError, "padding must be at least 0 along both axes, not -1"),
        (good, {"size": 3, "padding": 2}, ValueError, "padding 2 is more than half of size 3"),
        (good, {"size": 3, "padding": 3, "convention": "caffe"}, ValueError, "padding of 3 before and 3 after leaves"),
        (good, {"size": 5}, ValueError, r"height 4 padded by 0 \+ 0 is too small for size 5"),
        (good[..., :1], {"size": 2}, ValueError, r"width 1 padded by 0 \+ 0 is too small for size 2"),
        (good[:, :, :0], {"size": 1}, ValueError, "height 0 padded"),
        (good, {"convention": "keras"}, ValueError, "convention is one of 'torch', 'caffe'.* not 'keras'"),
    ],
)
def test_bad_arguments_get_one_line(x, options, error, words):
    for operator in (max_pool2d, avg_pool2d):
        with pytest.raises(error, match=words) as caught:
            operator(x, **({"size": 2} | options))
        assert "\n" not in str(caught.value)
        assert str(caught.value).startswith(f"{operator.name}: ")


def test_bad_arguments_of_one_operator():
    with pytest.raises(ValueError, match="padding of 1 before and 2 after leaves windows of size 2"):
        max_pool2d(good, size=2, padding=3, convention="darknet")
    with pytest.raises(ValueError, match="convention is one of 'torch', 'caffe', not 'darknet'"):
        avg_pool2d(good, size=2, convention="darknet")
    y, index = max_pool2d(good, size=2)
    with pytest.raises(ValueError, match=r"index must be int64 of g's shape \(1, 2, 2, 2\)"):
        max_pool2d_grad_x(y, index.astype(np.int32), shape=good.shape)
    with pytest.raises(ValueError, match=r"shape is that of x, \(1, 2, H, W\), not \(1, 3, 4, 4\)"):
        max_pool2d_grad_x(y, index, shape=(1, 3, 4, 4))
    with pytest.raises(ValueError, match="index points outside 1 x 4"):
        max_pool2d_grad_x(y, index + 2, shape=(1, 2, 1, 4))
    with pytest.raises(ValueError, match=r"gives y of shape \(1, 2, 2, 2\), but g has \(1, 2, 4, 4\)"):
        avg_pool2d_grad_x(good, shape=good.shape, size=2)


def test_an_index_before_the_first_pixel_is_refused():
    for wrong in (-1, np.iinfo(np.int64).min):
        index = np.array([[[[0, wrong]]]])[..., ::-1]
        with pytest.raises(ValueError, match="index points outside 1 x 4"):
            max_pool2d_grad_x(np.zeros((1, 1, 1, 2)), index, shape=(1, 1, 1, 4))


@pytest.mark.parametrize("name", ["definition", *max_pool2d.rungs("numpy")])
@pytest.mark.parametrize("corner", range(4))
@pytest.mark.parametrize("second", range(4))
def test_in_windows_of_2_x_2_the_first_nan_wins(name, corner, second):
    x = np.tile(np.float32([[3, 7], [7, 5]]), (1, 1, 3, 9))
    for at in (corner, second):
        x[..., at // 2 :: 2, at % 2 :: 2] = np.nan
    with pin(max_pool2d=name):
        y, index = max_pool2d(x, size=2)
    first = min(corner, second)
    assert np.isnan(y).all()
    rows, columns = np.mgrid[:3, :9]
    np.testing.assert_array_equal(index[0, 0], (2 * rows + first // 2) * 18 + 2 * columns + first % 2)


def test_large_maps_shared_among_threads_are_the_same():
    numba = pytest.importorskip("numba")
    x = np.random.default_rng(0).normal(size=(1, 5, 200, 210)).round(1)
    before, found = numba.get_num_threads(), []
    for threads in sorted({1, numba.config.NUMBA_NUM_THREADS}):
        numba.set_num_threads(threads)
        with pin(max_pool2d="numba", max_pool2d_grad_x="numba"):
            y, index = max_pool2d(x, size=3, stride=2, padding=1)
            found.append((y, index, max_pool2d_grad_x(y, index, shape=x.shape)))
    numba.set_num_threads(before)
    expected = max_pool2d.definition(x, size=3, stride=2, padding=1)
    for y, index, back in found:
        np.testing.assert_array_equal(y, expected[0])
        np.testing.assert_array_equal(index, expected[1])
        np.testing.assert_array_equal(back, found[0][2])
    back = max_pool2d_grad_x.definition(*expected, shape=x.shape)
    np.testing.assert_allclose(found[0][2], back, rtol=0, atol=1e-12)
