"""Anchors by k-means with IoU: the figures by their definitions, and what any clustering must satisfy."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.realdata import data

from minidet.data import anchors
from minidet.data.anchors import CENTRES, box_sizes, kmeans_anchors, quality, size_iou
from minidet.data.dataset import Dataset, Objects, Record
from minidet.data.formats import read_dataset
from minidet.errors import InputError

SIDES = st.integers(1, 12)
SIZES = st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=20)


@given(a=SIZES, b=SIZES)
def test_iou_of_sizes_is_that_of_boxes_with_one_centre(a: list, b: list) -> None:
    found = size_iou(np.array(a, float), np.array(b, float))
    for i, (w, h) in enumerate(a):
        for j, (x, y) in enumerate(b):
            shared = min(w, x) * min(h, y)
            assert found[i, j] == float(Fraction(shared, w * h + x * y - shared))


@given(sizes=SIZES, count=st.integers(1, 5), centre=st.sampled_from(CENTRES), seed=st.integers(0, 3))
@settings(max_examples=60)
def test_what_any_clustering_satisfies(sizes: list, count: int, centre: str, seed: int) -> None:
    array = np.array(sizes, float)
    different = len(set(sizes))
    if different < count:
        with pytest.raises(
            InputError, match=f"{count} anchors need as many different sizes of boxes, found {different}"
        ):
            kmeans_anchors(array, count, seed=seed)
        return
    found = kmeans_anchors(array, count, seed=seed, centre=centre, restarts=3)
    assert found.sizes.shape == (count, 2)
    assert (np.diff(found.sizes.prod(axis=1)) >= 0).all()
    assert (found.sizes >= array.min(axis=0)).all()
    assert (found.sizes <= array.max(axis=0)).all()
    # The figures, one box after the other.
    best = [max(size_iou(array[i : i + 1], found.sizes)[0]) for i in range(len(array))]
    assert found.mean_iou == pytest.approx(np.mean(best), rel=1e-12)
    assert found.recall == np.mean([b >= 0.5 for b in best])
    again = kmeans_anchors(array, count, seed=seed, centre=centre, restarts=3)
    np.testing.assert_array_equal(again.sizes, found.sizes)
    if count == different:
        assert found.mean_iou == 1.0
        assert {tuple(row) for row in found.sizes.tolist()} == {tuple(map(float, row)) for row in sizes}


@given(sizes=SIZES, count=st.integers(1, 4), seed=st.integers(0, 3))
def test_no_worse_than_the_sizes_it_begins_with(sizes: list, count: int, seed: int) -> None:
    """One run, stopped before its first step, gives k-means++'s choice; going on cannot make it worse."""
    array = np.array(sizes, float)
    if len(set(sizes)) >= count:
        first = kmeans_anchors(array, count, seed=seed, restarts=1, rounds=1)
        assert kmeans_anchors(array, count, seed=seed, restarts=1).mean_iou >= first.mean_iou
        assert kmeans_anchors(array, count, seed=seed, restarts=5).mean_iou >= first.mean_iou
        rows = {tuple(row) for row in array.tolist()}
        assert all(tuple(row) in rows for row in first.sizes.tolist())
        assert len({tuple(row) for row in first.sizes.tolist()}) == count


def test_clusters_that_are_apart_are_found() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([[10, 10], [40, 20], [20, 60], [120, 100]])
    sizes = np.concatenate([centre * rng.uniform(0.9, 1.1, (50, 2)) for centre in centres])
    for centre in CENTRES:
        found = kmeans_anchors(sizes, 4, centre=centre)
        np.testing.assert_allclose(found.sizes, centres, rtol=0.03)
        assert found.recall == 1.0


def test_the_centre_is_what_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchors, "_first", lambda sizes, count, rng: np.array([[1.0, 1]]))  # worse than any centre
    sizes = np.array([[1.0, 1], [1, 1], [1, 1], [5, 3]]) + 10
    np.testing.assert_array_equal(kmeans_anchors(sizes, 1, centre="mean").sizes, [[12, 11.5]])
    np.testing.assert_array_equal(kmeans_anchors(sizes, 1, centre="median").sizes, [[11, 11]])


def test_boxes_are_cut_placed_and_without_crowds() -> None:
    boxes = [[0, 0, 100, 50], [-50, 0, 50, 25], [10, 10, 10, 20], [0, 0, 9, 9], [90, 40, 200, 200]]
    record = Record("a.png", (50, 100), 1, Objects(boxes, [0] * 5, crowd=[0, 0, 0, 1, 0]))
    dataset = Dataset("x", ("a",), (record,))
    np.testing.assert_array_equal(box_sizes(dataset, (40, 40)), [[40, 20], [20, 10], [4, 4]])
    np.testing.assert_array_equal(box_sizes(dataset, (40, 40), placement="stretch"), [[40, 40], [20, 20], [4, 8]])
    unknown = Dataset("x", ("a",), (Record("a.png", (0, 0), 1, record.objects, "a.xml"),))
    with pytest.raises(InputError, match=r"a\.png: the size of the picture was expected in a\.xml"):
        box_sizes(unknown, (40, 40))
    assert box_sizes(Dataset("x", ("a",), ()), (40, 40)).shape == (0, 2)


@pytest.mark.parametrize("sizes", [np.zeros((3, 2)), np.ones((3, 4)), np.full((2, 2), np.nan)])
def test_sizes_that_are_none(sizes: np.ndarray) -> None:
    with pytest.raises(ValueError, match="sizes"):
        kmeans_anchors(sizes, 1)


def test_bccd() -> None:
    dataset = read_dataset(data("bccd"), split="train")
    sizes = box_sizes(dataset, (416, 416))
    found = kmeans_anchors(sizes, 9, restarts=2)
    assert found.mean_iou > 0.87
    assert found.recall > 0.995
    # Those that YOLOv3 took from COCO fit worse.
    coco = np.array([[10, 13], [16, 30], [33, 23], [30, 61], [62, 45], [59, 119], [116, 90], [156, 198], [373, 326]])
    assert quality(sizes, coco)[0] < 0.75
