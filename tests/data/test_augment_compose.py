"""Transforms made of transforms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from support.drawn_samples import never

from minidet.data.augment import Compose, OneOf, Sometimes
from minidet.data.dataset import Objects
from minidet.data.sample import Draw, Sample

START = Sample(np.zeros((1, 1, 3), np.uint8), Objects(np.zeros((0, 4)), np.zeros(0)))


@dataclass(frozen=True)
class Digit:
    """Appends a digit to the first level."""

    digit: int

    def __call__(self, sample: Sample, rng: np.random.Generator, draw: Draw) -> Sample:
        return Sample(sample.image * np.uint8(10) + np.uint8(self.digit), sample.objects)


def level(sample: Sample) -> int:
    return int(sample.image[0, 0, 0])


def test_compose_goes_in_order() -> None:
    rng = np.random.default_rng(0)
    assert level(Compose((Digit(1), Digit(2), Digit(3)))(START, rng, never)) == 123
    assert Compose()(START, rng, never) is START
    assert Compose([Digit(1)]).transforms == (Digit(1),)


def test_sometimes() -> None:
    rng = np.random.default_rng(0)
    found = [level(Sometimes(0.25, Digit(7))(START, rng, never)) for _ in range(2000)]
    assert set(found) == {0, 7}
    assert 0.2 < np.mean(np.array(found) == 7) < 0.3
    assert all(Sometimes(0, Digit(7))(START, rng, never) is START for _ in range(50))
    assert all(level(Sometimes(1, Digit(7))(START, rng, never)) == 7 for _ in range(50))
    with pytest.raises(ValueError, match=r"p must lie in \[0, 1\], found 1.5"):
        Sometimes(1.5, Digit(7))


def test_one_of() -> None:
    rng = np.random.default_rng(0)
    three = (Digit(1), Digit(2), Digit(3))
    found = np.array([level(OneOf(three)(START, rng, never)) for _ in range(2000)])
    assert all(0.28 < np.mean(found == n) < 0.39 for n in (1, 2, 3))
    found = np.array([level(OneOf(three, (0, 3, 1))(START, rng, never)) for _ in range(2000)])
    assert not (found == 1).any()
    assert 0.7 < np.mean(found == 2) < 0.8
    for wrong, message in (
        (lambda: OneOf(()), "OneOf needs at least one transform, found none"),
        (lambda: OneOf(three, (1,)), "3 weights were expected, found 1"),
        (lambda: OneOf(three, (0, 0, 0)), "weights must be at least 0 and not all of them 0"),
    ):
        with pytest.raises(ValueError, match=message):
            wrong()
