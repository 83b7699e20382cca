"""Laws and witnesses of crop_and_resize, for every implementation that takes them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import (
    OPS,
    crop_and_resize,
    crop_and_resize_grad_boxes,
    crop_and_resize_grad_x,
    pin,
    resize,
)
from support.cases_regions import cropping

RAMP4 = np.arange(16.0).reshape(1, 1, 4, 4)
nan = float("nan")


def names(operator: str):
    return pytest.mark.parametrize("name", ["definition", *OPS[operator].rungs("numpy")])


every = names("crop_and_resize")


def one(name: str, x: np.ndarray, box: list[float], **options) -> np.ndarray:
    """One box of one image, by one implementation, unless it does not take so small a call."""
    args = x, np.array([box], x.dtype), np.array([0])
    if why := crop_and_resize.refusal(name, *args, **options):
        pytest.skip(why)
    with pin(crop_and_resize=name):
        return crop_and_resize(*args, **options)[0, 0]


@every
@pytest.mark.parametrize(
    ("box", "size", "options", "expected"),
    [
        ([0, 0, 1, 1], 4, {}, RAMP4[0, 0]),  # corners on corners: the map itself
        ([0, 0, 1, 1], 2, {}, [[0, 3], [12, 15]]),
        ([0, 0, 1, 1], 3, {}, [[0, 1.5, 3], [6, 7.5, 9], [12, 13.5, 15]]),
        ([0, 0, 1, 1], 1, {}, [[7.5]]),  # one sample: the middle
        ([1, 1, 0, 0], 4, {}, RAMP4[0, 0, ::-1, ::-1]),  # turned over, both ways
        ([1, 0, 0, 1], 2, {}, [[12, 15], [0, 3]]),
        ([0, 1, 1, 0], (1, 2), {}, [[9, 6]]),
        ([-1, 0, 3, 3], (5, 1), {"unit": "element"}, [[0], [1.5], [5.5], [9.5], [13.5]]),  # before: nothing
        ([0, 0, 4, 3], (5, 1), {"unit": "element", "extrapolation": -7.0}, [[1.5], [5.5], [9.5], [13.5], [-7]]),
        ([2, 2, 3, 3], 2, {"extrapolation": nan}, [[nan, nan], [nan, nan]]),
        ([0, 0, 1, 1], 3, {"method": "nearest"}, [[0, 2, 3], [8, 10, 11], [12, 14, 15]]),  # halves up
        ([0, 0, 3, 3], 4, {"unit": "element"}, RAMP4[0, 0]),
        ([0, 0, 0.75, 0.75], 4, {"unit": "size"}, RAMP4[0, 0]),
        ([0.5, 0.5, 0.5, 0.5], 2, {}, [[7.5, 7.5], [7.5, 7.5]]),  # a point
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_witnesses(name, box, size, options, expected, dtype):
    got = one(name, RAMP4.astype(dtype), box, size=size, **options)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 if dtype == np.float32 else 1e-13)


@every
@given(data=st.data())
def test_laws(name, data):
    """Scaling by a power of two, a permutation of boxes; the whole map is resizing with aligned corners."""
    shape, boxes, index, options = cropping(data.draw)
    options |= {"size": (data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5)))}
    options |= {"method": data.draw(st.sampled_from(["bilinear", "nearest"]))}
    x = np.random.default_rng(data.draw(st.integers(0, 9999))).normal(size=shape)
    if crop_and_resize.refusal(name, x, boxes, index, **options):
        return
    with pin(crop_and_resize=name):
        y = crop_and_resize(x, boxes, index, **options)
        np.testing.assert_array_equal(crop_and_resize(4 * x, boxes, index, **options), 4 * y)
        np.testing.assert_array_equal(crop_and_resize(x, boxes[::-1], index[::-1], **options), y[::-1])
    whole = np.arange(shape[0])
    args, size = (x, np.array([[0, 0, 1, 1.0]] * shape[0]).reshape(-1, 4), whole), options["size"]
    if min(size) > 1 and not crop_and_resize.refusal(name, *args, size=size):
        with pin(crop_and_resize=name):
            crop = crop_and_resize(*args, size=size)
        same = resize(x, size=size, mode="bilinear", coordinates="align_corners")
        np.testing.assert_allclose(crop, same, rtol=0, atol=1e-12)
    with pin(crop_and_resize=name):
        far = crop_and_resize(np.zeros(shape), boxes, index, extrapolation=1.0, **options)
    assert np.isin(far, [0, 1]).all()  # a sample is inside or it is not


@names("crop_and_resize_grad_x")
@given(data=st.data())
def test_the_gradient_by_the_map_is_the_adjoint(name, data):
    shape, boxes, index, options = cropping(data.draw)
    options |= {"method": data.draw(st.sampled_from(["bilinear", "nearest"]))}
    size = (data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5)))
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    x, g = rng.normal(size=shape), rng.normal(size=(len(boxes), shape[1], *size))
    if crop_and_resize_grad_x.refusal(name, g, boxes, index, shape=shape, **options):
        return
    y = crop_and_resize(x, boxes, index, size=size, **options)
    with pin(crop_and_resize_grad_x=name):
        back = crop_and_resize_grad_x(g, boxes, index, shape=shape, **options)
    assert abs((y * g).sum() - (x * back).sum()) <= 1e-10 * (1 + np.abs(y * g).sum())


@names("crop_and_resize_grad_boxes")
@pytest.mark.parametrize("unit", ["last", "size", "element"])
@pytest.mark.parametrize("size", [(3, 4), (1, 2), (2, 1)])
def test_the_gradient_by_the_boxes(name, unit, size):
    """On a map that is a plane every crop is linear in its box, so differences are exact; then on any map, nearly."""
    rng = np.random.default_rng(0)
    H, W = 7, 9
    lengths = {"last": (H - 1, W - 1), "size": (H, W), "element": (1, 1)}[unit]
    boxes = rng.uniform(0.7, 5.1, (6, 4)) / np.tile(lengths, 2)  # inside, some turned over
    index, g = rng.integers(0, 2, 6), rng.normal(size=(6, 3, *size))
    plane = (np.arange(H)[:, None] * 2.0 - np.arange(W) * 3.0) + np.zeros((2, 3, 1, 1))
    options = {"size": size, "unit": unit}
    for x, step, bound in ((plane, 0.1, 1e-10), (rng.normal(size=(2, 3, H, W)), 1e-7, 1e-5)):
        with pin(crop_and_resize_grad_boxes=name):
            got = crop_and_resize_grad_boxes(g, x, boxes, index, unit=unit)
        for side in range(4):
            move = np.zeros(4)
            move[side] = step / np.tile(lengths, 2)[side]
            above, below = (crop_and_resize(x, boxes + s * move, index, **options) for s in (0.5, -0.5))
            slope = ((above - below) * g).sum(axis=(1, 2, 3)) / move[side]
            np.testing.assert_allclose(got[:, side], slope, rtol=0, atol=bound * np.abs(slope).max())


def test_where_a_sample_lies_on_an_element_the_slope_is_that_behind_it():
    x = np.array([0.0, 1, 10]).reshape(1, 1, 1, 3)
    for at, slope in ((0.0, 1), (0.5, 9), (1.0, 0)):
        got = crop_and_resize_grad_boxes(np.ones((1, 1, 1, 1)), x, np.array([[0, at, 0, at]]), np.array([0]))
        np.testing.assert_array_equal(got, [[0, slope, 0, slope]])  # (0.5 + 0.5) of it, times n - 1 = 2


X, B, I = np.zeros((2, 3, 5, 5), np.float32), np.array([[0, 0, 1, 1]], np.float32), np.array([1])


@pytest.mark.parametrize(
    ("args", "options", "error", "words"),
    [
        ((X[0], B, I), {"size": 2}, ValueError, "(N, C, H, W)"),
        ((X, B[:, :3], I), {"size": 2}, ValueError, "y1, x1, y2, x2"),
        ((X, B, I + 1), {"size": 2}, ValueError, "index must be 0 to 1"),
        ((X, B, I - 2), {"size": 2}, ValueError, "index must be 0 to 1"),
        ((X, B, I.astype(np.float64)), {"size": 2}, ValueError, "index must be integers"),
        ((X, B, np.array([0, 1])), {"size": 2}, ValueError, "index must be integers of shape (1,)"),
        ((X, B * nan, I), {"size": 2}, ValueError, "finite"),
        ((X, B.astype(int), I), {"size": 2}, TypeError, "float32 or float64"),
        ((X, B, I), {"size": 0}, ValueError, "at least one"),
        ((X, B, I), {"size": 2, "method": "cubic"}, ValueError, "'bilinear', 'nearest'"),
        ((X, B, I), {"size": 2, "unit": "pixel"}, ValueError, "'last', 'size', 'element'"),
        ((X, B, I), {"size": 2, "extrapolation": "no"}, ValueError, "extrapolation"),
    ],
)
def test_errors(args, options, error, words):
    with pytest.raises(error) as raised:
        crop_and_resize(*args, **options)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_errors_of_the_gradients():
    g = np.zeros((1, 3, 2, 2), np.float32)
    with pytest.raises(ValueError, match="need g of shape"):
        crop_and_resize_grad_x(g[:, :2], B, I, shape=X.shape)
    with pytest.raises(ValueError, match="need g of shape"):
        crop_and_resize_grad_boxes(g, X[:, :2], B, I)
    with pytest.raises(ValueError, match="shape must be"):
        crop_and_resize_grad_x(g, B, I, shape=(2, 3, 5))
