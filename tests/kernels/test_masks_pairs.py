"""What is compiled of masks beside the operator: chosen pairs, areas, boxes, and COCO's strings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels.masks import Runs, areas, bounds, encode, from_coco, overlaps, to_coco
from minidet_kernels.masks.pairs import boxes, pair_overlaps, pixels
from minidet_kernels.masks.strings import from_strings, to_strings
from support.cases_masks import SIDES, by_hand, masks


def drawn(data, size):
    """Runs of some masks, with or without runs of no pixels."""
    dense = masks(data.draw, data.draw(st.integers(0, 6)), size)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    return Runs(*by_hand(dense, rng if data.draw(st.booleans()) else None), size)


@given(data=st.data())
def test_chosen_pairs_are_those_of_the_matrix(data):
    size = data.draw(SIDES), data.draw(SIDES)
    a, b = drawn(data, size), drawn(data, size)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n = 8 if len(a) and len(b) else 0
    rows, columns = rng.integers(0, max(1, len(a)), n), rng.integers(0, max(1, len(b)), n)
    crowd = rng.random(len(b)) < 0.3
    for empty in ("zero", "one"):
        expected = overlaps(a, b, crowd, empty=empty)[rows, columns] if n else np.zeros(0)
        np.testing.assert_array_equal(pair_overlaps(a, b, rows, columns, crowd, empty=empty), expected)


@given(data=st.data())
def test_areas_and_boxes_are_those_of_numpy(data):
    x = drawn(data, (data.draw(SIDES), data.draw(SIDES)))
    np.testing.assert_array_equal(pixels(x), areas(x))
    np.testing.assert_array_equal(boxes(x), bounds(x))


@given(data=st.data())
def test_strings_there_and_back(data):
    size = data.draw(SIDES), data.draw(SIDES) * data.draw(st.sampled_from([1, 1000]))
    x = encode(np.zeros((1, *size), bool)) if size[1] > 100 else drawn(data, size)
    texts = to_strings(x)
    assert texts == [one["counts"] for one in to_coco(x)]
    back = from_strings(texts, size)
    assert (back.counts.tolist(), back.splits.tolist(), back.size) == (x.counts.tolist(), x.splits.tolist(), x.size)


@given(texts=st.lists(st.text("0123012O;`oPX~\x7f/é ", max_size=6), max_size=3), size=st.tuples(SIDES, SIDES))
def test_strings_that_are_none_are_left_to_from_coco(texts, size):
    try:
        expected = from_coco([{"size": [*size], "counts": text} for text in texts], size=size)
    except ValueError:
        assert from_strings(texts, size) is None
    else:
        assert from_strings(texts, size).counts.tolist() == expected.counts.tolist()


def test_long_numbers_and_what_is_too_long():
    x = Runs(np.array([5, 2**32 - 5, 2**32]), np.array([0, 2, 3]), (2**16, 2**16))
    assert from_strings(to_strings(x), x.size).counts.tolist() == x.counts.tolist()
    assert from_strings(["o" * 13 + "0"], (1, 1)) is None


def test_refusals():
    x, y = encode(np.zeros((1, 2, 3), bool)), encode(np.zeros((1, 3, 2), bool))
    with pytest.raises(ValueError, match="sizes must be the same"):
        pair_overlaps(x, y, [0], [0])
    with pytest.raises(ValueError, match="columns from 0 to 0 were expected, found 1 to 1"):
        pair_overlaps(x, x, [0], [1])
