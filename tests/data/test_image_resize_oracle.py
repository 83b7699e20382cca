"""resize_image "half_pixel" against OpenCV's INTER_LINEAR and torch's bilinear."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.realdata import data

from minidet.data.resize import resize_image

pytestmark = pytest.mark.oracle

SIDES = st.integers(1, 40)
IMAGES = arrays(np.uint8, st.tuples(st.integers(1, 30), st.integers(1, 30), st.just(3)))
# OpenCV computes positions and weights in float32: at position p (up to 40 here) a weight is off by about p * 2**-23,
# which moves a value by as much times the step between two levels, at most 255; and two passes.
FLOAT = 2 * 255 * 40 * 2.0**-23


@given(image=IMAGES, h=SIDES, w=SIDES)
def test_against_opencv(image: np.ndarray, h: int, w: int) -> None:
    cv2 = pytest.importorskip("cv2")
    found = resize_image(image, (h, w))
    exact = cv2.resize(image.astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(found, exact, rtol=0, atol=FLOAT)
    rounded = cv2.resize(image, (w, h), interpolation=cv2.INTER_LINEAR)
    assert np.abs(found - rounded).max() <= 1.0


@given(image=IMAGES, h=SIDES, w=SIDES, aligned=st.booleans())
def test_against_torch(image: np.ndarray, h: int, w: int, aligned: bool) -> None:
    torch = pytest.importorskip("torch")
    if aligned and 1 in (h, w):
        return  # darknet copies the last sample to an output of one, torch the first
    x = torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float64))
    y = torch.nn.functional.interpolate(x, size=(h, w), mode="bilinear", align_corners=aligned, antialias=False)
    found = resize_image(image, (h, w), method="darknet" if aligned else "half_pixel")
    np.testing.assert_allclose(found, y[0].numpy().transpose(1, 2, 0), rtol=0, atol=1e-3)


def test_a_photograph_against_opencv() -> None:
    cv2 = pytest.importorskip("cv2")
    from minidet.data.image import load_image

    image = load_image(data("darknet/images/dog.jpg"))
    for size in ((56, 56), (320, 320), (416, 608), (700, 900)):
        found = resize_image(image, size)
        exact = cv2.resize(image.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(found, exact, rtol=0, atol=2 * 255 * 768 * 2.0**-23)
        assert np.abs(found - cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)).max() <= 1.0


def test_load_image_against_opencv() -> None:
    """Two decoders of one JPEG differ by a level or two; orientation and channel order are the same."""
    cv2 = pytest.importorskip("cv2")
    from minidet.data.image import load_image

    for name in ("darknet/images/dog.jpg", "edge_images/hopper_orientation_3.jpg", "edge_images/hopper_gray.jpg"):
        path = data(name)
        theirs = cv2.imread(str(path), cv2.IMREAD_COLOR)[:, :, ::-1].astype(int)
        assert np.abs(load_image(path) - theirs).max() <= 3, name
