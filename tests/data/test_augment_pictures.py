"""The pictures in the docs are what the code draws, and the page shows all of them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from support.tree import ROOT

sys.path.append(str(ROOT))  # the docs are no part of the package

from docs import augmentations

PAGE = augmentations.HERE.parents[1] / "augmentation.md"


def test_the_pictures_are_what_the_code_draws() -> None:
    assert augmentations.stale() == [], "run: python -m docs.augmentations"


def test_the_page_shows_each_and_they_are_small() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in augmentations.PICTURES if f"images/augment/{name}.png" not in text] == []
    assert sum(path.stat().st_size for path in augmentations.HERE.glob("*.png")) < 600_000


def test_a_picture_that_is_not_up_to_date_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {name: augmentations.PICTURES[name] for name in ("flips", "crop")}
    monkeypatch.setattr(augmentations, "HERE", tmp_path)
    monkeypatch.setattr(augmentations, "PICTURES", kept)
    assert augmentations.stale() == ["flips", "crop"]
    for name in kept:
        augmentations.write(name)
    assert augmentations.stale() == []
    (tmp_path / "crop.png").write_bytes((tmp_path / "flips.png").read_bytes())
    (tmp_path / "old.png").write_bytes(b"")
    assert augmentations.stale() == ["old", "crop"]


def test_merged_colours_are_near_and_few_are_exact() -> None:
    rng = np.random.default_rng(0)
    few = rng.integers(0, 256, (200, 3), dtype=np.uint8)[rng.integers(0, 200, (30, 40))]
    palette, indices = augmentations.merged(few)
    np.testing.assert_array_equal(palette[indices], few)
    many = rng.integers(0, 256, (60, 70, 3), dtype=np.uint8)
    palette, indices = augmentations.merged(many)
    assert np.abs(palette[indices].astype(int) - many).mean() < 20
