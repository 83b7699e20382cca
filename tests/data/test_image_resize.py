"""resize_image: each named method against what it says, and on shapes that are easily got wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from minidet.data.resize import METHODS, resize_image

SIDES = st.integers(1, 9)


def images(max_side: int = 7) -> st.SearchStrategy[np.ndarray]:
    """Small uint8 pictures."""
    side = st.integers(1, max_side)
    return arrays(np.uint8, st.tuples(side, side, st.just(3)))


def row(*levels: int) -> np.ndarray:
    """A gray picture one pixel high."""
    return np.repeat(np.array(levels, np.uint8)[None, :, None], 3, axis=2)


@pytest.mark.parametrize(
    ("method", "three", "five"),
    [
        ("half_pixel", [1 / 6, 1.5, 17 / 6], [0, 1, 5, 9, 10]),
        ("darknet", [0, 1.5, 3], [0, 2.5, 5, 7.5, 10]),
        ("pillow", [0, 2, 3], [0, 1, 5, 9, 10]),  # .3 1.5 2.7, rounded
    ],
)
def test_the_rows_that_tell_them_apart(method: str, three: list[float], five: list[float]) -> None:
    for levels, expected in ((row(0, 1, 2, 3), three), (row(0, 10), five)):
        wide = resize_image(levels, (1, len(expected)), method=method)
        tall = resize_image(levels.transpose(1, 0, 2), (len(expected), 1), method=method)
        for channel in range(3):
            np.testing.assert_allclose(wide[0, :, channel], expected, atol=1e-5)
            np.testing.assert_allclose(tall[:, 0, channel], expected, atol=1e-5)


def darknet_definition(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Two passes, rows first, in float64; a last output sample copies the last input sample."""
    for axis, n in ((1, size[1]), (0, size[0])):
        source = np.moveaxis(image.astype(np.float64), axis, 0)
        out = np.empty((n, *source.shape[1:]))
        for i in range(n - 1):
            position = i * (len(source) - 1) / (n - 1)
            whole = int(position)
            part = position - whole
            out[i] = (1 - part) * source[whole] + part * source[min(whole + 1, len(source) - 1)]
        out[n - 1] = source[-1]
        image = np.moveaxis(out, 0, axis)
    return image


@given(image=images(), h=SIDES, w=SIDES)
def test_darknet_is_corner_aligned_and_copies_the_last(image: np.ndarray, h: int, w: int) -> None:
    found = resize_image(image, (h, w), method="darknet")
    np.testing.assert_allclose(found, darknet_definition(image, (h, w)), atol=1e-3)
    np.testing.assert_allclose(found[-1, -1], image[-1, -1], atol=1e-3)


@given(image=images(), h=SIDES, w=SIDES)
def test_pillow_is_pillow(image: np.ndarray, h: int, w: int) -> None:
    expected = np.asarray(Image.fromarray(image).resize((w, h), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(resize_image(image, (h, w), method="pillow"), expected)


@given(image=images(), h=SIDES, w=SIDES, method=st.sampled_from(METHODS))
def test_every_method(image: np.ndarray, h: int, w: int, method: str) -> None:
    before = image.copy()
    found = resize_image(image, (h, w), method=method)
    assert found.shape == (h, w, 3)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(image, before)
    # A weighted mean of levels lies between them.
    assert image.min() - 1e-3 <= found.min()
    assert found.max() <= image.max() + 1e-3
    # The map is separable and symmetric: exchanging the axes exchanges the result's (pillow rounds after each pass).
    turned = resize_image(image.transpose(1, 0, 2), (w, h), method=method).transpose(1, 0, 2)
    np.testing.assert_allclose(found, turned, atol=1.0 if method == "pillow" else 1e-3)


@given(image=images(), method=st.sampled_from(METHODS))
def test_the_same_size_is_the_same_picture(image: np.ndarray, method: str) -> None:
    np.testing.assert_array_equal(resize_image(image, image.shape[:2], method=method), image)


@given(level=st.integers(0, 255), h=SIDES, w=SIDES, method=st.sampled_from(METHODS))
def test_one_colour_stays_one_colour(level: int, h: int, w: int, method: str) -> None:
    image = np.full((4, 6, 3), level, np.uint8)
    np.testing.assert_allclose(resize_image(image, (h, w), method=method), level, atol=1e-3)


@given(image=images(), h=SIDES, w=SIDES)
def test_half_pixel_mirrors_with_the_picture(image: np.ndarray, h: int, w: int) -> None:
    found = resize_image(image[::-1, ::-1], (h, w))
    np.testing.assert_allclose(found, resize_image(image, (h, w))[::-1, ::-1], atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("source", "target"), [((1, 1000), (416, 1)), ((1, 1), (64, 48)), ((3, 2000), (1, 1))])
def test_extreme_shapes(method: str, source: tuple[int, int], target: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*source, 3), dtype=np.uint8)
    assert np.isfinite(resize_image(image, target, method=method)).all()


def test_what_is_refused() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(ValueError, match="resize 'bicubic' is not known; expected one of half_pixel, darknet, pillow"):
        resize_image(image, (2, 2), method="bicubic")
    with pytest.raises(ValueError, match="at least 1x1 was expected, found 0x2"):
        resize_image(image, (0, 2))
    for wrong in (image[:, :, :1], image.astype(np.float32), image[0], np.zeros((0, 2, 3), np.uint8)):
        with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8 RGB was expected, found shape"):
            resize_image(wrong, (2, 2))
    with pytest.raises(TypeError, match="found list"):
        resize_image(image.tolist(), (2, 2))  # type: ignore[arg-type]
