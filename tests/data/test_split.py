"""Splits: each picture in exactly one part, parts of exact sizes, classes spread evenly when asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidet.data.dataset import Dataset, Objects, Record
from minidet.data.split import part_sizes, split
from minidet.errors import InputError

CLASSES = 3
PICTURES = st.lists(st.lists(st.integers(0, CLASSES - 1), max_size=4), min_size=4, max_size=30)
SHARES = st.lists(st.integers(1, 9), min_size=1, max_size=4)


def dataset(pictures: list[list[int]]) -> Dataset:
    records = [
        Record(f"{i}.png", (9, 9), i, Objects(np.zeros((len(labels), 4)), labels)) for i, labels in enumerate(pictures)
    ]
    return Dataset("x", tuple("abc"), tuple(records))


@given(n=st.integers(0, 100), shares=SHARES)
def test_sizes_are_within_one_of_the_shares(n: int, shares: list[int]) -> None:
    sizes = part_sizes(n, {str(i): share for i, share in enumerate(shares)})
    assert sum(sizes.values()) == n
    for size, share in zip(sizes.values(), shares, strict=True):
        assert abs(size - n * share / sum(shares)) < 1


@given(pictures=PICTURES, shares=SHARES, seed=st.integers(0, 5), stratify=st.booleans())
def test_each_picture_is_in_exactly_one_part(pictures: list, shares: list, seed: int, stratify: bool) -> None:
    fractions = {str(i): float(share) for i, share in enumerate(shares)}
    sizes = part_sizes(len(pictures), fractions)
    if 0 in sizes.values():
        with pytest.raises(InputError, match="none is left for"):
            split(dataset(pictures), fractions, seed=seed, stratify=stratify)
        return
    parts = split(dataset(pictures), fractions, seed=seed, stratify=stratify)
    assert {name: len(part) for name, part in parts.items()} == sizes
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(pictures)))
    for part in parts.values():
        assert (np.diff(part) > 0).all()
    again = split(dataset(pictures), fractions, seed=seed, stratify=stratify)
    for name, part in parts.items():
        np.testing.assert_array_equal(again[name], part)


@pytest.mark.parametrize("stratify", [False, True])
def test_seeds_differ(stratify: bool) -> None:
    many = dataset([[i % 3] for i in range(60)])
    found = {tuple(split(many, {"a": 1, "b": 1}, seed=seed, stratify=stratify)["a"].tolist()) for seed in range(5)}
    assert len(found) == 5


@given(seed=st.integers(0, 20))
def test_a_stratified_split_spreads_every_class(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # A common class, one in a quarter of the pictures, and one in twelve of 120.
    rare = rng.permutation(120)
    pictures = [[0] + [1] * int(rng.random() < 0.25) + [2] * int(rare[i] < 12) for i in range(120)]
    parts = split(dataset(pictures), {"train": 75, "val": 25}, seed=seed, stratify=True)
    for label in range(CLASSES):
        total = sum(label in labels for labels in pictures)
        for name, share in (("train", 0.75), ("val", 0.25)):
            mine = sum(label in pictures[i] for i in parts[name])
            assert abs(mine - share * total) <= 1.5, (label, name)


def test_pictures_without_objects_are_spread_too() -> None:
    pictures = [[0] if i < 20 else [] for i in range(40)]
    parts = split(dataset(pictures), {"a": 1, "b": 1}, stratify=True)
    assert [sum(not pictures[i] for i in part) for part in parts.values()] == [10, 10]


@pytest.mark.parametrize("fractions", [{}, {"a": 0.0}, {"a": -1.0}, {"a": float("nan")}])
def test_fractions_that_are_none(fractions: dict) -> None:
    with pytest.raises(ValueError, match="fractions above 0"):
        split(dataset([[0]]), fractions)
