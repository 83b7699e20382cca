"""What changes colours: each against its definition, in exact or float64 arithmetic."""

from __future__ import annotations

import colorsys
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.drawn_samples import never

from minidet.data import augment as A
from minidet.data.augment import HSV
from minidet.data.augment.blur import blurred
from minidet.data.augment.hsv import BLOCK, either_way, hsv
from minidet.data.augment.photometric import looked_up
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
    turn=st.one_of(st.sampled_from([0.0, 0.05, 0.1, 1 / 3, -1 / 6, 0.5]), st.floats(-1, 1, allow_subnormal=False)),
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


@pytest.mark.parametrize("turn", [0.05, 0.15, 0.4, 0.9])
def test_hsv_turns_every_hue(turn: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 300, 3), dtype=np.uint8)
    expected = np.array([hsv_by_colorsys(p, turn, 0.8, 1.1) for p in image[0]])
    np.testing.assert_allclose(hsv(image, turn, 0.8, 1.1)[0], expected, rtol=0, atol=0.5 + 2e-2)


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


def ladder() -> Sample:
    """Every level of gray, and of red alone."""
    image = np.zeros((2, 256, 3), np.uint8)
    image[0], image[1, :, 0] = np.arange(256)[:, None], np.arange(256)
    return Sample(image, NOTHING)


def nearest(values: np.ndarray) -> np.ndarray:
    return np.floor(np.clip(values, 0, 255) + 0.5)


@given(image=IMAGES, table=arrays(np.uint8, 256))
def test_looked_up(image: np.ndarray, table: np.ndarray) -> None:
    for view in (image, image[::-1, ::2]):
        found = looked_up(view, table)
        np.testing.assert_array_equal(found, table[view])
        assert found.flags.writeable


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        (A.Contrast((0.5, 0.5)), lambda x: 0.5 * x),
        (A.Contrast((1.5, 1.5)), lambda x: 1.5 * x),
        (A.Contrast((2, 2), "gray"), lambda x: 2 * x - 127.5),
        (A.Contrast((0.5, 0.5), "mean"), lambda x: 0.5 * x + 0.5 * (127.5 / 2 + 0.299 * 127.5 / 2)),
        (A.Gamma((2, 2)), lambda x: x**2 / 255),
        (A.Gamma((0.5, 0.5)), lambda x: np.sqrt(255 * x)),
    ],
)
def test_levels_by_their_formula(transform: Any, expected: Any) -> None:
    sample = ladder()
    found = transform(sample, np.random.default_rng(0), never)
    np.testing.assert_array_equal(found.image, nearest(expected(sample.image.astype(np.float64))))


def test_brightness_adds_and_draws_both_ways() -> None:
    rng, sample = np.random.default_rng(0), Sample(np.full((1, 2, 3), (100, 250, 3), np.uint8), NOTHING)
    shifts = []
    for _ in range(300):
        found = A.Brightness(20)(sample, rng, never).image[0, 0].astype(int)
        shifts.append(found[0] - 100)
        assert found.tolist() == [100 + shifts[-1], min(250 + shifts[-1], 255), max(3 + shifts[-1], 0)]
    assert -20 <= min(shifts) < -18
    assert 18 < max(shifts) <= 20


def test_gamma_is_even_in_its_logarithm() -> None:
    rng, sample = np.random.default_rng(0), Sample(np.full((1, 1, 3), 128, np.uint8), NOTHING)
    found = np.array([A.Gamma((0.25, 4))(sample, rng, never).image[0, 0, 0] for _ in range(1000)])
    logs = np.log2(np.log(np.clip(found, 1, 254) / 255) / np.log(128 / 255))
    assert abs(logs.mean()) < 0.15
    assert abs(np.median(logs)) < 0.2


def test_saturation_and_hue_are_those_of_hsv() -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    sample, rng = Sample(image, NOTHING), np.random.default_rng(0)
    np.testing.assert_array_equal(A.Saturation((0.3, 0.3))(sample, rng, never).image, hsv(image, 0, 0.3, 1))
    gray = A.Saturation((0, 0))(sample, rng, never).image
    np.testing.assert_array_equal(gray, np.repeat(image.max(axis=2, keepdims=True), 3, axis=2))
    turned = [A.Hue(0.05)(sample, rng, never).image for _ in range(30)]
    assert all((f.max(axis=2) == image.max(axis=2)).all() for f in turned)
    assert all((f.min(axis=2) == image.min(axis=2)).all() for f in turned)
    assert len({f.tobytes() for f in turned}) > 20


def test_channel_order_is_any_of_six() -> None:
    sample, rng = Sample(np.full((1, 1, 3), (1, 2, 3), np.uint8), NOTHING), np.random.default_rng(0)
    found = [tuple(A.ChannelOrder()(sample, rng, never).image[0, 0].tolist()) for _ in range(600)]
    counts = [found.count(order) for order in itertools.permutations((1, 2, 3))]
    assert sum(counts) == 600
    assert min(counts) > 60


@given(image=IMAGES, sigma=st.sampled_from([0.0, 0.3, 1.0, 2.5]))
def test_blur_is_its_definition(image: np.ndarray, sigma: float) -> None:
    radius = int(np.ceil(3 * sigma))
    x = np.arange(-radius, radius + 1)
    weights = np.exp(-(x**2) / (2 * sigma**2)) if sigma else np.ones(1)
    weights /= weights.sum()
    h, w = image.shape[:2]
    expected = np.zeros((h, w, 3))
    for dy, a in zip(x, weights, strict=True):
        for dx, b in zip(x, weights, strict=True):
            rows, columns = np.clip(np.arange(h) + dy, 0, h - 1), np.clip(np.arange(w) + dx, 0, w - 1)
            expected += a * b * image[rows][:, columns]
    np.testing.assert_allclose(blurred(image, sigma), expected, rtol=0, atol=0.5 + 1e-3)
    flat = np.full_like(image, 200)
    np.testing.assert_array_equal(blurred(flat, sigma), flat)
