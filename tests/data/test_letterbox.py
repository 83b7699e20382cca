"""letterbox and stretch: where the picture lies, what is around it, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from minidet.data.letterbox import INVERSES, ROUNDINGS, Placement, letterbox, place, stretch
from minidet.data.resize import METHODS, resize_image

SIZES = st.tuples(st.integers(1, 2000), st.integers(1, 2000))
NETWORKS = st.tuples(st.integers(1, 700), st.integers(1, 700))
BOXES = arrays(np.float64, st.tuples(st.integers(0, 4), st.just(4)), elements=st.floats(-5000, 5000))


@pytest.mark.parametrize(
    ("image", "network", "darknet", "yolov5"),
    [
        # (top, left, height, width)
        ((576, 768), (416, 416), (52, 0, 312, 416), (52, 0, 312, 416)),
        ((427, 640), (640, 640), (106, 0, 427, 640), (106, 0, 427, 640)),  # 213 remain: 106 before, 107 after
        ((640, 427), (640, 640), (0, 106, 640, 427), (0, 106, 640, 427)),
        ((1, 1000), (640, 640), (319, 0, 1, 640), (319, 0, 1, 640)),  # Darknet comes to 0 rows, yolov5 to round(.64)
        ((3, 5), (4, 4), (1, 0, 2, 4), (1, 0, 2, 4)),  # 2.4 rows
        ((5, 8), (6, 6), (1, 0, 3, 6), (1, 0, 4, 6)),  # 3.75 rows: 3 or 4
        ((100, 100), (32, 64), (0, 16, 32, 32), (0, 16, 32, 32)),
        ((10, 10), (10, 10), (0, 0, 10, 10), (0, 0, 10, 10)),
    ],
)
def test_where_it_lies(
    image: tuple[int, int], network: tuple[int, int], darknet: tuple[int, ...], yolov5: tuple[int, ...]
) -> None:
    for rounding, expected in (("darknet", darknet), ("yolov5", yolov5)):
        found = place(image, network, rounding=rounding)
        assert (found.top, found.left, found.height, found.width) == expected, rounding


@given(image=SIZES, network=NETWORKS, rounding=st.sampled_from(ROUNDINGS))
def test_it_lies_inside_centred_and_fills_one_axis(
    image: tuple[int, int], network: tuple[int, int], rounding: str
) -> None:
    found = place(image, network, rounding=rounding)
    for start, side, whole in ((found.top, found.height, network[0]), (found.left, found.width, network[1])):
        assert side >= 1
        assert start >= 0
        assert start + side <= whole
        after = whole - start - side
        assert after - start in (0, 1)  # an odd pixel goes after
    assert found.height == network[0] or found.width == network[1]
    # The aspect ratio is kept to the pixel that rounding costs, where there is more than the one that is forced.
    scale = min(network[0] / image[0], network[1] / image[1])
    for side, length in ((found.height, image[0]), (found.width, image[1])):
        assert abs(side - length * scale) < 1 + 1e-9 or side == 1


@given(image=SIZES, network=NETWORKS, rounding=st.sampled_from(ROUNDINGS), boxes=BOXES)
def test_there_and_back_is_the_identity(
    image: tuple[int, int], network: tuple[int, int], rounding: str, boxes: np.ndarray
) -> None:
    for placement in (place(image, network, rounding=rounding), Placement(image, network, 0, 0, *network)):
        before = boxes.copy()
        there = placement.to_network(boxes)
        back = placement.to_image(there)
        # Adding an offset in network pixels costs an ulp of the largest coordinate there, which the scale back
        # magnifies.
        scale = max(image[0] / placement.height, image[1] / placement.width, 1.0)
        largest = max(1.0, np.abs(there).max(initial=0), max(network))
        np.testing.assert_allclose(back, boxes, rtol=1e-14, atol=8 * np.finfo(float).eps * largest * scale)
        np.testing.assert_array_equal(boxes, before)
        assert back.dtype == np.float64


@given(image=SIZES, network=NETWORKS, rounding=st.sampled_from(ROUNDINGS))
def test_edges_map_to_edges_exactly(image: tuple[int, int], network: tuple[int, int], rounding: str) -> None:
    found = place(image, network, rounding=rounding)
    placed = [found.left, found.top, found.left + found.width, found.top + found.height]
    np.testing.assert_array_equal(found.to_network([0, 0, image[1], image[0]]), placed)
    np.testing.assert_array_equal(found.to_image(placed), [0, 0, image[1], image[0]])


def test_the_darknet_way_back_is_half_a_pixel_off_when_the_remainder_is_odd() -> None:
    exact = place((427, 640), (640, 640))
    biased = place((427, 640), (640, 640), inverse="darknet")
    box = np.array([10.0, 200.0, 30.0, 250.0])
    np.testing.assert_allclose(biased.to_image(box) - exact.to_image(box), [0, -0.5, 0, -0.5])
    even = place((426, 640), (640, 640), inverse="darknet")
    np.testing.assert_array_equal(even.to_image(box), place((426, 640), (640, 640)).to_image(box))


@given(
    image=arrays(np.uint8, st.tuples(st.integers(1, 8), st.integers(1, 8), st.just(3))),
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    resize=st.sampled_from(METHODS),
    rounding=st.sampled_from(ROUNDINGS),
    fill=st.sampled_from([0.0, 0.5, 114 / 255, 1.0]),
)
def test_letterbox_is_the_resized_picture_on_the_fill(
    image: np.ndarray, size: tuple[int, int], resize: str, rounding: str, fill: float
) -> None:
    before = image.copy()
    x, placed = letterbox(image, size, resize=resize, rounding=rounding, fill=fill)
    np.testing.assert_array_equal(image, before)
    assert x.shape == (3, *size)
    assert x.dtype == np.float32
    assert x.flags.c_contiguous
    rows, columns = slice(placed.top, placed.top + placed.height), slice(placed.left, placed.left + placed.width)
    expected = resize_image(image, (placed.height, placed.width), method=resize).transpose(2, 0, 1) / np.float32(255)
    np.testing.assert_array_equal(x[:, rows, columns], expected)
    around = np.ones(size, bool)
    around[rows, columns] = False
    np.testing.assert_array_equal(x[:, around], np.float32(fill))


@given(
    image=arrays(np.uint8, st.tuples(st.integers(1, 8), st.integers(1, 8), st.just(3))),
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    resize=st.sampled_from(METHODS),
)
def test_stretch_fills_everything(image: np.ndarray, size: tuple[int, int], resize: str) -> None:
    x, placed = stretch(image, size, resize=resize)
    assert x.shape == (3, *size)
    assert x.dtype == np.float32
    assert x.min() >= 0
    assert x.max() <= 1 + 1e-6
    np.testing.assert_array_equal(x, resize_image(image, size, method=resize).transpose(2, 0, 1) / np.float32(255))
    np.testing.assert_array_equal(placed.to_image([0, 0, size[1], size[0]]), [0, 0, image.shape[1], image.shape[0]])


def test_red_is_the_first_channel_and_white_is_one() -> None:
    red = np.full((4, 4, 3), (255, 0, 51), np.uint8)
    for x, _ in (letterbox(red, (4, 4)), stretch(red, (2, 8))):
        np.testing.assert_allclose(x[:, 1, 1], [1.0, 0.0, 0.2], rtol=1e-6)


def test_the_default_fill_is_half() -> None:
    x, placed = letterbox(np.zeros((2, 4, 3), np.uint8), (4, 4))
    assert (placed.top, placed.height) == (1, 2)
    np.testing.assert_array_equal(x[:, [0, 3]], np.float32(0.5))
    np.testing.assert_array_equal(x[:, 1:3], 0)


@pytest.mark.parametrize("shape", [(1, 1000), (1000, 1), (1, 1), (3, 5000), (2000, 2)])
def test_extreme_pictures_are_placed(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 200, np.uint8)
    for rounding in ROUNDINGS:
        for resize in METHODS:
            x, placed = letterbox(image, (64, 96), rounding=rounding, resize=resize)
            assert placed.height >= 1
            assert placed.width >= 1
            np.testing.assert_allclose(x[:, placed.top, placed.left], 200 / 255, rtol=1e-6)
    assert stretch(image, (64, 96))[0].shape == (3, 64, 96)


def test_what_is_refused() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(ValueError, match="rounding 'up' is not known; expected one of darknet, yolov5"):
        letterbox(image, (4, 4), rounding="up")
    with pytest.raises(ValueError, match="inverse 'none' is not known; expected one of exact, darknet"):
        letterbox(image, (4, 4), inverse="none")
    with pytest.raises(ValueError, match="at least 1x1 was expected, found 4x0"):
        stretch(image, (4, 0))
    with pytest.raises(ValueError, match=r"boxes \(\.\.\., 4\) x1 y1 x2 y2 were expected, found shape \(3,\)"):
        place((2, 2), (4, 4)).to_image([1, 2, 3])
    assert INVERSES[0] == "exact"
    assert ROUNDINGS[0] == "darknet"
