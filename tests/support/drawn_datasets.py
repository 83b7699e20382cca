"""Data sets drawn by Hypothesis, and small ones by hand, with their pictures on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from minidet_kernels.masks import bounds, encode
from PIL import Image

from minidet.data.dataset import Dataset, Objects, Record

# Quarters of a pixel, small and often alike: sums and differences are exact, and boxes touch, repeat and leave.
COORDINATES = st.integers(-8, 60).map(lambda n: n / 4)
SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12))
LETTERS = st.characters(codec="utf-8", categories=["L", "N", "P", "S"], exclude_characters="/\\")
NAMES = st.lists(
    st.text(LETTERS, min_size=1, max_size=6), min_size=1, max_size=4, unique_by=str.lower
).filter(lambda names: not any(n.startswith(".") for n in names))  # fmt: skip


@st.composite
def boxes(draw: st.DrawFn, n: int, size: tuple[int, int], *, proper: bool) -> np.ndarray:
    """``n`` boxes; ``proper``: with an area, inside the picture."""
    found = []
    for _ in range(n):
        if proper:
            h, w = size
            x1, y1 = draw(st.integers(0, 4 * w - 1)), draw(st.integers(0, 4 * h - 1))
            x2, y2 = draw(st.integers(x1 + 1, 4 * w)), draw(st.integers(y1 + 1, 4 * h))
            found.append([x1 / 4, y1 / 4, x2 / 4, y2 / 4])
        else:
            found.append([draw(COORDINATES) for _ in range(4)])
    return np.array(found, np.float64).reshape(-1, 4)


@st.composite
def datasets(
    draw: st.DrawFn, *, proper: bool = False, masks: bool = False, keypoints: bool = False, polygons: bool = False
) -> Dataset:
    """A data set in no folder yet (see ``placed``), of up to three pictures of up to four objects each."""
    names = tuple(draw(NAMES))
    points = draw(st.integers(1, 3)) if keypoints else 0
    ids = draw(st.lists(st.integers(0, 2**53), min_size=3, max_size=3, unique=True))
    records = []
    first = 1
    for k in range(draw(st.integers(0, 3))):
        size, n = draw(SIZES), draw(st.integers(0, 4))
        box = draw(boxes(n, size, proper=proper))
        flags = {
            name: np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)
            for name in ("crowd", "difficult", "truncated")
        }
        runs = points_ = outlines = None
        if masks:
            bits = draw(st.lists(st.integers(1, 2 ** (size[0] * size[1]) - 1), min_size=n, max_size=n))
            dense = [[b >> i & 1 for i in range(size[0] * size[1])] for b in bits]
            runs = encode(np.array(dense, bool).reshape(n, *size))
            box = bounds(runs)
        if keypoints:
            visible = np.array(draw(st.lists(st.sampled_from([0, 1, 2]), min_size=n * points, max_size=n * points)))
            xy = np.array(draw(st.lists(COORDINATES, min_size=2 * n * points, max_size=2 * n * points)))
            visible, xy = visible.reshape(n, points, 1), xy.reshape(n, points, 2)
            points_ = np.concatenate([np.where(visible > 0, xy, 0), visible], axis=2)
        if polygons:
            outlines = tuple(
                tuple(
                    np.array(draw(st.lists(COORDINATES, min_size=6, max_size=6))).reshape(3, 2)
                    for _ in range(draw(st.integers(1, 2)))
                )
                if draw(st.booleans())
                else None
                for _ in range(n)
            )
            outlines = outlines if any(one is not None for one in outlines) else None
        labels = np.array(draw(st.lists(st.integers(0, len(names) - 1), min_size=n, max_size=n)), np.int64)
        areas = np.array(draw(st.lists(COORDINATES.map(abs), min_size=n, max_size=n)), np.float64)
        objects = Objects(
            box, labels, areas=areas, ids=np.arange(first, first + n), masks=runs, keypoints=points_,
            polygons=outlines, **flags,
        )  # fmt: skip
        first += n
        path = draw(st.sampled_from([f"p{k}.png", f"JPEGImages/p{k}.png", f"images/a/p{k}.png", f"P{k}.PNG"]))
        records.append(Record(path, size, ids[k], objects))
    return Dataset(
        Path("nowhere"), names, tuple(records), tuple(range(3, 3 + len(names))),
        tuple(f"k{i}" for i in range(points)), ((0, points - 1),) if points > 1 else (),
    )  # fmt: skip


def placed(dataset: Dataset, root: Path) -> Dataset:
    """The data set with its pictures, of noise, in the folder ``root``."""
    rng = np.random.default_rng(0)
    for record in dataset:
        path = root / record.path
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (*record.size, 3), dtype=np.uint8)).save(path)
    return replace(dataset, root=root)


def small(
    root: Path, *, pictures: int = 5, size: tuple[int, int] = (30, 40), names: tuple[str, ...] = ("a", "b")
) -> Dataset:
    """A data set of plain boxes, a few on each picture, in the folder ``root``."""
    rng = np.random.default_rng(1)
    records = []
    for k in range(pictures):
        n = k % 3 + 1
        start = rng.integers(0, [size[1] - 10, size[0] - 10], (n, 2))
        box = np.concatenate([start, start + rng.integers(3, 10, (n, 2))], axis=1)
        objects = Objects(box, rng.integers(0, len(names), n), ids=np.arange(10 * k + 1, 10 * k + 1 + n))
        records.append(Record(f"p{k}.png", size, k + 1, objects))
    return placed(Dataset(root, names, tuple(records)), root)
