"""Runs of masks: encoding, areas, boxes, union and intersection by dense masks; ``mask_iou``; COCO's strings."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import OPS, iou_matrix, mask_iou, pin
from minidet_kernels.masks import Runs, areas, bounds, decode, encode, from_coco, merge, numba_cpu, overlaps, to_coco
from minidet_kernels.masks import columns as columns_rung
from minidet_kernels.overlap import shares
from support.cases_masks import SIDES, by_hand, masks

every = pytest.mark.parametrize("name", ["definition", *OPS["mask_iou"].rungs("numpy")])
nan = float("nan")


def drawn(data: Any, n: int | None = None, *, odd: bool = True) -> tuple[np.ndarray, Runs]:
    """Dense masks, and their runs, with or without runs of no pixels."""
    size = data.draw(SIDES), data.draw(SIDES)
    dense = masks(data.draw, data.draw(st.integers(0, 6)) if n is None else n, size)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    return dense, Runs(*by_hand(dense, rng if odd and data.draw(st.booleans()) else None), size)


def runs(*counts: list[int], size: tuple[int, int]) -> Runs:
    flat = np.array([run for one in counts for run in one], np.int64)
    return Runs(flat, np.cumsum([0, *map(len, counts)]), size)


def lists(x: Runs) -> list[list[int]]:
    return [one["counts"] for one in to_coco(x, compressed=False)]


@pytest.mark.parametrize(
    ("mask", "counts", "area", "box"),
    [
        ([[0, 1], [0, 1]], [2, 2], 2, [1, 0, 2, 2]),  # column by column
        ([[0, 0], [1, 1]], [1, 1, 1, 1], 2, [0, 1, 2, 2]),
        ([[1, 0], [0, 0]], [0, 1, 3], 1, [0, 0, 1, 1]),  # zeros first, be there none
        ([[0, 1], [1, 0]], [1, 2, 1], 2, [0, 0, 2, 2]),  # a run over two columns
        ([[0, 0, 0]], [3], 0, [0, 0, 0, 0]),
        ([[1, 1, 1]], [0, 3], 3, [0, 0, 3, 1]),
        ([[0, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]], [9, 2, 1], 2, [2, 1, 3, 3]),
        (np.zeros((0, 3)), [0], 0, [0, 0, 0, 0]),
        (np.zeros((3, 0)), [0], 0, [0, 0, 0, 0]),
    ],
)
def test_witnesses(mask, counts, area, box):
    for dtype in (bool, np.uint8, np.int64):
        got = encode(np.array([mask], dtype))
        assert lists(got) == [counts]
        assert (areas(got).tolist(), bounds(got).tolist()) == ([area], [box])
        np.testing.assert_array_equal(decode(got), np.array([mask], bool))


@given(data=st.data())
def test_encoding_goes_pixel_by_pixel_and_decoding_back(data):
    dense, _ = drawn(data)
    counts, splits = by_hand(dense)
    for layout in (dense, np.asfortranarray(dense), dense[:, ::-1].copy()[:, ::-1], dense.astype(np.uint8)):
        got = encode(layout)
        assert (got.counts.tolist(), got.splits.tolist()) == (counts.tolist(), splits.tolist())
        assert (got.counts.dtype, got.splits.dtype) == (np.int64, np.int64)
        assert (got.size, len(got)) == (dense.shape[1:], len(dense))
    np.testing.assert_array_equal(decode(got), dense)


@given(data=st.data())
def test_areas_bounds_and_merging_are_those_of_the_dense_masks(data):
    dense, x = drawn(data)
    np.testing.assert_array_equal(decode(x), dense)
    np.testing.assert_array_equal(areas(x), dense.sum(axis=(1, 2)))
    for mask, (x1, y1, x2, y2) in zip(dense, bounds(x), strict=True):
        rows, columns = np.nonzero(mask)
        found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if len(rows) else [0] * 4
        assert [x1, y1, x2, y2] == found
    assert lists(merge(x)) == lists(encode(dense.any(axis=0)[None]))
    assert lists(merge(x, intersect=True)) == lists(encode(dense.all(axis=0)[None]))
    order = np.random.default_rng(len(dense)).integers(0, max(1, len(dense)), 3 if len(dense) else 0)
    np.testing.assert_array_equal(decode(x.take(order)), dense[order])
    chosen = np.arange(len(dense)) % 2 == 1
    np.testing.assert_array_equal(decode(x.take(chosen)), dense[chosen])


def iou(name: str, a: Runs, b: Runs, crowd: Any = None, **options: Any) -> np.ndarray:
    with pin(mask_iou=name):
        return overlaps(a, b, None if crowd is None else np.array(crowd, bool), **options)


@every
def test_overlap_witnesses(name):
    size = 2, 3
    whole, half, corner, none = ([0, 6], [0, 3, 3], [0, 1, 5], [6])
    a, b = runs(whole, half, none, size=size), runs(half, corner, none, size=size)
    expected = [[1 / 2, 1 / 6, 0], [1, 1 / 3, 0], [0, 0, 0]]
    assert iou(name, a, b).tolist() == expected
    assert iou(name, a, b, [0, 0, 0]).tolist() == expected
    assert iou(name, b, a, [True, False, True]).tolist() == [[1, 1, 0], [1, 1 / 3, 0], [0, 0, 0]]
    np.testing.assert_array_equal(iou(name, a, b, empty="nan")[2, 2], nan)
    assert iou(name, b, a, [1, 1, 1], empty="one")[2].tolist() == [1, 1, 1]  # a detection without a pixel
    assert iou(name, a, b, empty="one")[2].tolist() == [0, 0, 1]
    assert iou(name, runs(size=size), b).shape == (0, 3)
    assert iou(name, runs([0, 0, 0, 2, 4], size=size), runs([0, 1, 0, 1, 4], size=size)).tolist() == [[1]]  # odd runs
    assert iou(name, runs([0], size=(0, 3)), runs([0], size=(0, 3)), empty="one").tolist() == [[1]]


@every
@given(data=st.data())
def test_masks_that_are_boxes_overlap_as_boxes(name, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    h, w = rng.integers(1, 30, 2)
    corners = rng.integers(0, [[[w + 1]], [[h + 1]]], (2, 7, 2))  # x and y, boxes, from and to
    boxes = np.sort(corners, axis=2).transpose(1, 2, 0).reshape(7, 4)
    rows, columns = np.arange(h)[:, None], np.arange(w)
    dense = np.array([(rows >= y1) & (rows < y2) & (columns >= x1) & (columns < x2) for x1, y1, x2, y2 in boxes])
    x = encode(dense)
    np.testing.assert_array_equal(bounds(x), boxes * dense.any(axis=(1, 2))[:, None])
    np.testing.assert_array_equal(iou(name, x, x), iou_matrix(boxes.astype(float), boxes.astype(float)))


@pytest.mark.parametrize(("name", "module"), [("numba", numba_cpu), ("columns", columns_rung)])
@given(data=st.data(), threads=st.integers(1, 4))
def test_shares_of_threads_change_nothing(name, module, data, threads):
    _, x = drawn(data)
    expected = mask_iou.definition(x.counts, x.splits, x.counts, x.splits, size=x.size)
    with (
        mock.patch.object(module, "SHARE", 1),
        mock.patch.object(shares.numba, "get_num_threads", return_value=threads),
    ):
        got = mask_iou.using(name)(x.counts, x.splits, x.counts, x.splits, size=x.size)
    np.testing.assert_array_equal(got, expected)


@every
def test_many_spans_in_a_column_and_spans_over_many_columns(name):
    """Combs of 1 to 12 teeth: more than the layers of ``columns``; and runs that go through whole columns."""
    h, w = 40, 30
    rows = np.arange(h)[:, None]
    combs = np.array([(rows % 3 == 0) & (rows < 3 * teeth) & (np.arange(w) % 7 > teeth % 3) for teeth in range(1, 13)])
    flood = np.zeros((3, w * h), bool)
    for k, (start, stop) in enumerate([(0, w * h), (35, 3 * h + 1), (2 * h, 2 * h + 1)]):
        flood[k, start:stop] = True
    dense = np.concatenate([combs, flood.reshape(3, w, h).transpose(0, 2, 1)])
    flat = dense.reshape(len(dense), -1).astype(int)
    shared, area = flat @ flat.T, flat.sum(axis=1)
    for chosen in (slice(0, 8), slice(None), slice(12, None)):
        x, inter = encode(dense[chosen]), shared[chosen, chosen]
        union = area[chosen, None] + area[chosen] - inter
        np.testing.assert_array_equal(iou(name, x, x), inter / union)


def test_masks_whose_pixels_int32_cannot_count_are_walked():
    x = runs([5, 2**32 - 5], [2**32], size=(2**16, 2**16))
    assert overlaps(x, x).tolist() == [[1, 0], [0, 0]]
    assert "columns          takes masks of fewer than 2**31 pixels, not 65536 x 65536" in mask_iou.explain(
        x.counts, x.splits, x.counts, x.splits, size=x.size
    )


# --- COCO's objects ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ([6], "6"),
        ([0, 15], "0?"),
        ([16], "`0"),  # 16 would be -16 in one piece
        ([0, 1, 2, 0, 13], "012O;"),  # 0 is written as -1, its difference to 1, and 13 as 11
        ([1000, 1, 1, 22], "Xo0" + "11e0"),
    ],
)
def test_strings_by_hand(counts, text):
    x = runs(counts, size=(1, sum(counts)))
    assert to_coco(x) == [{"size": [1, sum(counts)], "counts": text}]
    assert lists(from_coco(to_coco(x))) == [counts]


@given(data=st.data(), far=st.integers(0, 2**45))
def test_strings_and_lists_there_and_back(data, far):
    _, x = drawn(data)
    objects = to_coco(x), to_coco(x, compressed=False), [o | {"counts": o["counts"].encode()} for o in to_coco(x)]
    mixed = [objects[i % 3][i] for i in range(len(x))]
    for one in (*objects, mixed, json.loads(json.dumps(objects[0]))):
        got = from_coco(one, size=x.size)
        assert (got.counts.tolist(), got.splits.tolist(), got.size) == (x.counts.tolist(), x.splits.tolist(), x.size)
    wide = runs([far, 1, 5, 2**46 - far - 6], [2**46], size=(2**23, 2**23))
    assert lists(from_coco(to_coco(wide))) == lists(wide)


def error(*objects: Any, **options: Any) -> str:
    with pytest.raises((ValueError, TypeError)) as caught:
        from_coco(list(objects), **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_objects_that_are_no_masks_get_one_line():
    good = {"size": [2, 3], "counts": "6"}
    assert "mask 1 has size (3, 2), others (2, 3)" in error(good, good | {"size": [3, 2]})
    assert "mask 0 has size (2, 3), others (4, 4)" in error(good, size=(4, 4))
    assert "from_coco: the runs of mask 1 of counts sum to 5, not to 2 x 3 = 6" in error(good, good | {"counts": "5"})
    assert "mask 2 has ' ' in it" in error(good, good | {"counts": [6]}, good | {"counts": "6 "}, good)
    assert "mask 1 ends within a number" in error(good, good | {"counts": "6P"}, good)
    assert "mask 0 has a number of more than 60 bits" in error(good | {"counts": "P" * 12 + "0"})
    assert "mask 0 of counts has a run of -1" in error(good | {"counts": [-1, 7]})
    assert "counts of mask 0 must be integers, not float64" in error(good | {"counts": [6.0]})
    assert "mask 0 must have 'size' and 'counts'; polygons are not runs" in error([[0, 0, 1, 0, 1, 1]])
    assert "give size=(height, width)" in error()
    assert len(from_coco([], size=(2, 3))) == 0


zero, two = np.array([0, 2]), np.array([2, 4])


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: Runs(two, zero, (3, 3)), ValueError, "runs of mask 0 of counts sum to 6, not to 3 x 3 = 9; is size"),
        (lambda: Runs(two, np.array([0, 1, 2]), (2, 1)), ValueError, "mask 1 of counts has a run of 4, not between"),
        (lambda: Runs(two, np.array([0, 1]), (2, 3)), ValueError, "splits must lead from 0 to 2"),
        (lambda: Runs(two, np.array([0, 2, 1, 2]), (2, 3)), ValueError, "never back"),
        (lambda: Runs(two, zero[:0], (2, 3)), ValueError, "splits must lead from 0 to 2"),
        (lambda: Runs(two.astype(float), zero, (2, 3)), TypeError, "counts must be integers, not float64"),
        (lambda: Runs([2, 4], zero, (2, 3)), TypeError, "counts must be an array, not list"),
        (lambda: Runs(two[None], zero, (2, 3)), ValueError, r"counts must have one axis, not shape \(1, 2\)"),
        (lambda: Runs(two, zero, (-2, -3)), ValueError, "not negative"),
        (lambda: Runs(two, zero, 6), TypeError, "two integers, not 6"),
        (lambda: mask_iou(two, zero, two, zero, size=(3, 2), empty="x"), ValueError, "mask_iou: empty is one of"),
        (lambda: mask_iou(two, zero, two, zero, zero, size=(3, 2)), TypeError, "crowd must be an array of bool"),
        (lambda: mask_iou(two, zero, two, zero, zero < 0, size=(3, 2)), ValueError, r"1 truths need crowd of shape"),
        (lambda: mask_iou(two, zero, two, zero, size=(2, 2)), ValueError, "mask_iou: the runs of mask 0 of a sum to 6"),
        (
            lambda: overlaps(Runs(two, zero, (2, 3)), Runs(two, zero, (3, 2))),
            ValueError,
            r"a has masks of \(2, 3\) and b of \(3, 2\)",
        ),
        (lambda: encode(np.zeros((2, 3))), TypeError, "must be bool or integers, not float64; use masks > 0.5"),
        (lambda: encode(np.zeros((2, 3), bool)), ValueError, r"shape \(N, h, w\), not \(2, 3\)"),
        (lambda: encode(np.full((1, 2, 3), 255)), ValueError, "must hold 0 and 1, not 255 to 255"),
        (lambda: encode([[[0]]]), TypeError, "must be a NumPy array, not list"),
    ],
)
def test_bad_arguments_get_one_line(call, kind, words):
    with pytest.raises(kind, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
