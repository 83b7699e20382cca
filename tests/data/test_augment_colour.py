"""What changes colours: each against its definition, in exact or float64 arithmetic."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.drawn_samples import never, seeds

from minidet.data.augment import HSV
from minidet.data.augment.hsv import BLOCK, either_way, hsv
from minidet.data.dataset import Objects
from minidet.data.sample import Sample

IMAGES = arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3)))
NOTHING = Objects(np.zeros((0, 4)), np.zeros(0))


def hsv_by_colorsys(pixel: np.ndarray, turn: float, saturation: float, value: float) -> np.ndarray:
    """To HSV and back as the standard library does it; saturation and value are not limited between."""
    h, s, v = colorsys.rgb_to_hsv(*(pixel / 255))
    return 255 * np.clip(colorsys.hsv_to_rgb((h + turn) % 1, s * saturation, v * value), 0, 1)


@given(
    image=IMAGES,
    turn=st.one_of(st.sampled_from([0.0, 1 / 3, -1 / 6, 0.5]), st.floats(-1, 1, allow_subnormal=False)),
    saturation=st.floats(0, 3),
    value=st.floats(0, 3),
)
def test_hsv_is_there_and_back(image: np.ndarray, turn: float, saturation: float, value: float) -> None:
    before = image.copy()
    found = hsv(image, turn, saturation, value)
    np.testing.assert_array_equal(image, before)
    assert found.dtype == np.uint8
    expected = np.array([hsv_by_colorsys(p, turn, saturation, value) for p in image.reshape(-1, 3)])
    # A level is half a step away from what was rounded, and float32 adds a few roundings of numbers up to 2300.
    np.testing.assert_allclose(found.reshape(-1, 3), expected, rtol=0, atol=0.5 + 2e-2)


def test_hsv_of_nothing_is_the_identity_and_gray_stays_gray() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (97, 2 * BLOCK // 97, 3), dtype=np.uint8)  # more than one block
    np.testing.assert_array_equal(hsv(image, 0, 1, 1), image)
    np.testing.assert_array_equal(hsv(image, 1, 1, 1), image)
    gray = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, axis=2)
    np.testing.assert_array_equal(hsv(gray, 0.3, 1.4, 1), gray)
    np.testing.assert_array_equal(hsv(image, 1 / 3, 1, 1), image[..., [2, 0, 1]])  # red becomes green


def test_hsv_draws_from_its_ranges() -> None:
    rng = np.random.default_rng(0)
    factors = np.array([either_way(rng, 1.5) for _ in range(400)])
    assert 0.66 < factors.min() < 0.7
    assert 1.45 < factors.max() < 1.5
    assert 0.4 < (factors < 1).mean() < 0.6
    red = Sample(np.full((1, 1, 3), (200, 100, 100), np.uint8), NOTHING)
    found = [HSV(0.1, 1, 1)(red, rng, never).image[0, 0].astype(int) for _ in range(200)]
    turns = np.array([f[1] - f[2] for f in found]) / 600  # a sixth of the circle raises a channel by 100
    assert -0.1 <= turns.min() < -0.09
    assert 0.09 < turns.max() <= 0.1
    with pytest.raises(ValueError, match=r"saturation must be a finite number of at least 1, found 0.5"):
        HSV(saturation=0.5)


@given(image=IMAGES, seed=seeds)
def test_the_same_seed_gives_the_same_and_the_input_stays(image: np.ndarray, seed: int) -> None:
    sample, before = Sample(image, NOTHING), image.copy()
    for transform in (HSV(),):
        first = transform(sample, np.random.default_rng(seed), never)
        np.testing.assert_array_equal(image, before)
        assert first.objects is NOTHING
        assert first.image.shape == image.shape
        assert first.image.dtype == np.uint8
        np.testing.assert_array_equal(transform(sample, np.random.default_rng(seed), never).image, first.image)
