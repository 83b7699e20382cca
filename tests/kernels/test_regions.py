"""Laws and witnesses of RoIAlign, for every implementation that takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import OPS, pin, roi_align, roi_align_grad_x
from support.cases_regions import aligning


def names(operator: str) -> Any:
    """Every implementation for NumPy, and the definition."""
    found = OPS[operator].rungs("numpy")
    return pytest.mark.parametrize("name", ["definition", *found])


every_align, every_grad = names("roi_align"), names("roi_align_grad_x")
RAMP4 = np.arange(16.0).reshape(1, 1, 4, 4)
RAMP5 = np.arange(25.0).reshape(1, 1, 5, 5)
SQUARE = np.array([[[[1.0, 2], [3, 4]]]])
inf = float("inf")


def of(name: str, *maps: np.ndarray) -> tuple[tuple[np.ndarray, ...], dict[str, Any]]:
    """The mode that an implementation takes, by name; and the maps that its gradient needs beside g and the regions."""
    return (maps, {"mode": "max"}) if name == "numba_max" else ((), {})


def run(name: str, x: np.ndarray, box: list[float], size: Any, **options: Any) -> np.ndarray:
    """One region of one image, by one implementation, unless it does not take these options."""
    rois = np.array([[0, *box]], x.dtype)
    if why := roi_align.refusal(name, x, rois, output_size=size, **options):
        pytest.skip(why)
    with pin(roi_align=name):
        return roi_align(x, rois, output_size=size, **options)[0, 0]


@every_align
@pytest.mark.parametrize(
    ("x", "box", "size", "options", "expected"),
    [
        # aligned: the whole map at one sample per element is the map itself; otherwise half an element further
        (RAMP4, [0, 0, 4, 4], 4, {"sampling_ratio": 1, "aligned": True}, RAMP4[0, 0]),
        (RAMP4, [0, 0, 4, 4], 4, {"sampling_ratio": 1}, RAMP4[0, 0] + [2.5, 2.5, 2.5, 2]
         - np.array([0, 0, 0, 2])[:, None]),
        (RAMP5, [1, 1, 3, 3], 4, {}, 7.5 + np.arange(4) / 2 + 2.5 * np.arange(4)[:, None]),
        (RAMP5, [1, 1, 3, 3], 4, {"aligned": True}, 4.5 + np.arange(4) / 2 + 2.5 * np.arange(4)[:, None]),
        # least size: 1 unless aligned; or as given
        (RAMP4, [1, 1, 1, 1], 1, {"sampling_ratio": 2}, [[7.5]]),
        (RAMP4, [1, 1, 1, 1], 1, {"sampling_ratio": 2, "aligned": True}, [[2.5]]),
        (RAMP4, [1, 1, 1, 1], 1, {"sampling_ratio": 2, "aligned": True, "min_size": 1.0}, [[5.0]]),
        (RAMP4, [1, 1, 1, 1], 1, {"sampling_ratio": 2, "min_size": -inf}, [[5.0]]),
        # an adaptive grid of no samples: 0
        (RAMP4, [1, 1, 1, 1], 1, {"aligned": True}, [[0.0]]),
        (RAMP4, [1, 1, 1, 1], 1, {"aligned": True, "sampling_ratio": -1}, [[0.0]]),
        (RAMP4, [1, 1, 1, 1], 1, {"sampling_ratio": 0}, [[7.5]]),
        # an adaptive grid rounds up: two samples of 1.25 elements, at 0.3125 and 0.9375
        (RAMP4, [0, 0, 1.25, 1], 1, {"sampling_ratio": 0}, [[2.625]]),
        # outside of the map
        (RAMP4, [-2, 0, 2, 4], (1, 4), {"sampling_ratio": 1}, [[0, 8, 8.5, 9.5]]),
        (RAMP4, [-2, 0, 2, 4], (1, 4), {"sampling_ratio": 1, "aligned": True}, [[0, 6, 6, 7]]),
        (RAMP4, [-2, 0, 2, 4], (1, 4), {"sampling_ratio": 1, "outside": "zero"}, [[0, 0, 8.5, 9.5]]),
        (RAMP4, [-2, 0, 2, 4], (1, 4), {"sampling_ratio": 1, "outside": "border"}, [[8, 8, 8.5, 9.5]]),
        (RAMP4, [3, 0, 6, 4], (1, 3), {"sampling_ratio": 1}, [[11, 0, 0]]),
        (RAMP4, [3, 0, 6, 4], (1, 3), {"sampling_ratio": 1, "aligned": True}, [[9, 9, 0]]),
        (RAMP4, [3.5, 0, 4.5, 4], 1, {"sampling_ratio": 1}, [[11]]),  # at 4 = n: the border still
        (RAMP4, [3.5, 0, 4.5, 4], 1, {"sampling_ratio": 1, "outside": "zero"}, [[0]]),
        (RAMP4, [-1.5, 0, -0.5, 4], 1, {"sampling_ratio": 1}, [[8]]),  # at -1: the border still
        # inverted
        (RAMP4, [3, 3, 1, 1], 1, {"sampling_ratio": 2}, [[15.0]]),
        (RAMP4, [3, 3, 1, 1], 1, {"sampling_ratio": 0}, [[15.0]]),
        (RAMP4, [3, 3, 1, 1], 1, {"sampling_ratio": 2, "aligned": True}, [[7.5]]),
        (RAMP4, [3, 3, 1, 1], 1, {"sampling_ratio": 0, "aligned": True}, [[0.0]]),
        # the maximum of the samples, or of the weighted corners
        (SQUARE, [0, 0, 2, 2], 1, {"sampling_ratio": 1, "aligned": True, "mode": "max"}, [[2.5]]),
        (SQUARE, [0, 0, 2, 2], 1, {"sampling_ratio": 1, "aligned": True, "mode": "max", "max_of": "corners"}, [[1.0]]),
        (-SQUARE, [0, 0, 2, 2], 1, {"sampling_ratio": 1, "aligned": True, "mode": "max"}, [[-2.5]]),
        (-SQUARE, [0, 0, 2, 2], 1, {"sampling_ratio": 1, "aligned": True, "mode": "max", "max_of": "corners"},
         [[-0.25]]),
        (SQUARE, [0, 0, 2, 2], 1, {"sampling_ratio": 2, "aligned": True, "mode": "max"}, [[4.0]]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_align_witnesses(name, x, box, size, options, expected, dtype):
    got = run(name, x.astype(dtype), box, size, **options)
    np.testing.assert_allclose(got, expected, rtol=1e-6 if dtype == np.float32 else 1e-14)
    turned = [box[1], box[0], box[3], box[2]]
    across = size[::-1] if isinstance(size, tuple) else size
    got = run(name, x.astype(dtype).swapaxes(2, 3), turned, across, **options)
    np.testing.assert_allclose(got, np.transpose(expected), rtol=1e-6 if dtype == np.float32 else 1e-14)


@every_align
def test_blocks_of_channels_and_wide_regions(name):
    """More channels than are worked on at once, not a multiple; regions whose columns are far apart, or bridged."""
    rng = np.random.default_rng(1)
    x, g = rng.normal(size=(2, 71, 6, 60)), rng.normal(size=(20, 71, 3, 7))
    corners = rng.uniform(0, 5, (20, 2))
    sides = np.stack([rng.uniform(5, 55, 20), rng.uniform(1, 5, 20)], axis=1)
    rois = np.concatenate([rng.integers(0, 2, (20, 1)), corners, corners + sides], axis=1)
    maps, mode = of(name, x)
    for ratio in (0, 1, 2):
        options = mode | {"sampling_ratio": ratio}
        with pin(roi_align=name, roi_align_grad_x=name):
            y = roi_align(x, rois, output_size=(3, 7), **options)
            back = roi_align_grad_x(g, rois, *maps, shape=x.shape, **options)
        expected = roi_align.definition(x, rois, output_size=(3, 7), **options)
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-13)
        expected = roi_align_grad_x.definition(g, rois, *maps, shape=x.shape, **options)
        np.testing.assert_allclose(back, expected, rtol=0, atol=1e-12)


@every_align
def test_each_region_is_of_its_own_image(name):
    x = np.arange(3.0)[:, None, None, None] + np.zeros((3, 2, 4, 4))
    rois = np.array([[2, 0, 0, 4, 4], [0, 1, 1, 2, 2], [1, 0, 1, 3, 2], [0, 0, 0, 1, 1.0]])
    with pin(roi_align=name):
        y = roi_align(x, rois, output_size=2, outside="border", **of(name)[1])
    np.testing.assert_allclose(y, np.broadcast_to(np.reshape([2, 0, 1, 0], (4, 1, 1, 1)), y.shape), rtol=1e-15)


@every_align
@given(data=st.data())
def test_align_laws(name, data):
    """Scaling by a power of two, a translation of the map, a permutation of regions; constants inside stay."""
    shape, rois, out, options = aligning(data.draw)
    x = np.random.default_rng(data.draw(st.integers(0, 9999))).normal(size=shape)
    if roi_align.refusal(name, x, rois, output_size=out, **options):
        return
    with pin(roi_align=name):
        y = roi_align(x, rois, output_size=out, **options)
        assert y.shape == (len(rois), shape[1], *out)
        np.testing.assert_array_equal(roi_align(4 * x, rois, output_size=out, **options), 4 * y)
        double = rois * np.array([1, 2, 2, 2, 2], rois.dtype)
        half = options | {"spatial_scale": options["spatial_scale"] / 2}
        np.testing.assert_array_equal(roi_align(x, double, output_size=out, **half), y)
        np.testing.assert_array_equal(roi_align(x, rois[::-1], output_size=out, **options), y[::-1])
        if options["outside"] == "border" and options["mode"] == "avg":
            ones = roi_align(np.ones(shape), rois, output_size=out, **options)
            assert ((np.abs(ones - 1) < 1e-12) | (ones == 0)).all()


@every_grad
@given(data=st.data())
def test_align_gradient_is_the_adjoint(name, data):
    """``<roi_align(x), g> = <x, roi_align_grad_x(g)>``; the maximum is linear where it is attained."""
    shape, rois, out, options = aligning(data.draw)
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    x, g = rng.normal(size=shape), rng.normal(size=(len(rois), shape[1], *out))
    given_x = (x,) if options["mode"] == "max" else ()
    if roi_align_grad_x.refusal(name, g, rois, *given_x, shape=shape, **options):
        return
    y = roi_align(x, rois, output_size=out, **options)
    with pin(roi_align_grad_x=name):
        back = roi_align_grad_x(g, rois, *given_x, shape=shape, **options)
    assert back.shape == shape
    assert abs((y * g).sum() - (x * back).sum()) <= 1e-10 * (1 + np.abs(y * g).sum())


@every_grad
def test_the_gradient_does_not_depend_on_the_number_of_threads(name):
    numba = pytest.importorskip("numba")
    rng = np.random.default_rng(0)
    g = rng.normal(size=(60, 70, 7, 7)).astype(np.float32)
    corners = rng.uniform(0, 12, (60, 2))
    rois = np.concatenate([rng.integers(0, 2, (60, 1)), corners, corners + rng.uniform(0, 9, (60, 2))], axis=1)
    maps, mode = of(name, rng.normal(size=(2, 70, 20, 20)).astype(np.float32))
    before, found = numba.get_num_threads(), []
    for threads in (1, numba.config.NUMBA_NUM_THREADS):
        numba.set_num_threads(threads)
        with pin(roi_align_grad_x=name):
            found.append(roi_align_grad_x(g, rois, *maps, shape=(2, 70, 20, 20), sampling_ratio=2, **mode))
    numba.set_num_threads(before)
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize("name", ["definition", "numba_max"])
def test_the_gradient_of_a_maximum_goes_to_the_first(name):
    with pin(roi_align_grad_x=name):
        _the_gradient_of_a_maximum_goes_to_the_first()


def _the_gradient_of_a_maximum_goes_to_the_first():
    rois, one = np.array([[0, 0, 0, 2.0, 2]]), np.ones((1, 1, 1, 1))
    options: dict[str, Any] = {"shape": (1, 1, 2, 2), "aligned": True, "mode": "max"}
    flat = np.ones((1, 1, 2, 2))
    back = roi_align_grad_x(one, rois, flat, sampling_ratio=2, **options)
    assert back.ravel().tolist() == [1, 0, 0, 0]
    back = roi_align_grad_x(one, rois, flat, sampling_ratio=1, **options)
    assert back.ravel().tolist() == [0.25, 0.25, 0.25, 0.25]
    back = roi_align_grad_x(one, rois, SQUARE, sampling_ratio=1, max_of="corners", **options)
    assert back.ravel().tolist() == [0, 0, 0, 0.25]


X = np.zeros((2, 3, 8, 8), np.float32)
R = np.array([[0, 1, 1, 4, 4], [1, 0, 0, 8, 8]], np.float32)


def changed(k: int, c: int, value: float) -> np.ndarray:
    rois = R.copy()
    rois[k, c] = value
    return rois


@pytest.mark.parametrize(
    ("x", "rois", "options", "error", "words"),
    [
        (X.tolist(), R, {}, TypeError, "x must be a NumPy or CuPy array, not list"),
        (X.astype(np.float16), R, {}, TypeError, r"x must be float32 or float64, not float16"),
        (X[0], R, {}, ValueError, r"x must have shape \(N, C, H, W\), not \(3, 8, 8\)"),
        (X[:, :, :0], R, {}, ValueError, "of at least one element each way"),
        (X, R.astype(int), {}, TypeError, "rois must be float32 or float64, not int64"),
        (X, R[0], {}, ValueError, r"rois must have shape \(K, 5\), not \(5,\)"),
        (X, R[:, 1:], {}, ValueError, r"rois must have shape \(K, 5\): batch index, x1, y1, x2, y2; not \(2, 4\)"),
        (X, changed(1, 0, 2), {}, ValueError, r"rois\[1\] is \[2.0, .*the batch index must be 0 to 1"),
        (X, changed(0, 0, -1), {}, ValueError, r"rois\[0\] .*the batch index must be 0 to 1"),
        (X, changed(0, 0, 0.5), {}, ValueError, r"rois\[0\] .*the batch index must be 0 to 1"),
        (X, changed(1, 3, np.nan), {}, ValueError, r"rois\[1\] is .*nan.*; every number must be finite"),
        (X, changed(1, 3, np.inf), {}, ValueError, "every number must be finite"),
        (X, changed(1, 3, -1), {"inverted": "raise"}, ValueError, r"rois\[1\] is .*x2 < x1 or y2 < y1"),
        (X, R, {"inverted": "swap"}, ValueError, "inverted is one of 'keep', 'raise', not 'swap'"),
        (X, R, {"output_size": 0}, ValueError, r"output_size must be \(oh, ow\), of at least one .* not \(0, 0\)"),
        (X, R, {"output_size": (7, 7, 7)}, ValueError, r"output_size must be \(oh, ow\)"),
        (X, R, {"output_size": 7.0}, TypeError, r"output_size must be integers \(oh, ow\)"),
        (X, R, {"spatial_scale": 0}, ValueError, "spatial_scale must be a positive number, such as 1/16, not 0"),
        (X, R, {"spatial_scale": float("nan")}, ValueError, "spatial_scale must be a positive number"),
    ],
)
def test_bad_arguments_get_one_line(x, rois, options, error, words):
    with pytest.raises(error, match=words) as caught:
        roi_align(x, rois, **({"output_size": 7} | options))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("roi_align: ")


@pytest.mark.parametrize(
    ("rois", "options", "error", "words"),
    [
        (R, {"sampling_ratio": -2}, ValueError, "sampling_ratio is 1 to 16384, or 0 or -1 for adaptive, not -2"),
        (R, {"sampling_ratio": 1.5}, TypeError, "sampling_ratio must be an integer, not 1.5"),
        (R, {"min_size": float("nan")}, ValueError, "min_size must be a number .* not nan"),
        (R, {"outside": "wrap"}, ValueError, "outside is one of 'margin', 'zero', 'border', not 'wrap'"),
        (R, {"mode": "mean"}, ValueError, "mode is one of 'avg', 'max', not 'mean'"),
        (R, {"mode": "max", "max_of": "all"}, ValueError, "max_of is one of"),
        (R, {"max_of": "corners"}, ValueError, "max_of 'corners' is for mode 'max'"),
        (changed(1, 4, 1e9), {}, ValueError, r"rois\[1\] is .* bins of 1.43e\+08 elements need more than 16384"),
        (changed(1, 4, 3e38), {}, ValueError, "need more than 16384 samples a side; clip the boxes"),
    ],
)
def test_bad_options_of_align(rois, options, error, words):
    with pytest.raises(error, match=words):
        roi_align(X, rois, output_size=7, **options)
    with pytest.raises(error, match=words):
        roi_align_grad_x(np.zeros((2, 3, 7, 7), np.float32), rois, shape=X.shape, **options)


def test_boxes_of_astronomical_size_are_taken_with_a_fixed_ratio():
    for name in ("definition", *roi_align.rungs("numpy")):
        with pin(roi_align=name):
            y = roi_align(X + 1, changed(1, 4, 3e38), output_size=3, sampling_ratio=2, **of(name)[1])
        assert np.isfinite(y).all()


def test_bad_arguments_of_the_gradient():
    g = np.zeros((2, 3, 7, 7), np.float32)
    with pytest.raises(ValueError, match=r"2 rois of 3 channels need g of shape \(2, 3, oh, ow\), not \(1, 3, 7, 7\)"):
        roi_align_grad_x(g[:1], R, shape=X.shape)
    with pytest.raises(ValueError, match=r"shape must be \(N, C, H, W\)"):
        roi_align_grad_x(g, R, shape=(3, 8, 8))
    with pytest.raises(ValueError, match=r"mode 'max' needs the map x, of shape \(2, 3, 8, 8\) on numpy, not none"):
        roi_align_grad_x(g, R, shape=X.shape, mode="max")
    with pytest.raises(ValueError, match=r"mode 'max' needs the map x"):
        roi_align_grad_x(g, R, X[:1], shape=X.shape, mode="max")
