"""Overlaps in rational arithmetic against the kernels' definition, and comparisons with a threshold."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels.overlap import iou_matrix

from minidet.conformance import exact

whole = st.integers(-6, 6)
boxes = st.lists(st.tuples(whole, whole, whole, whole), min_size=0, max_size=4)


@given(boxes, boxes, st.sampled_from(["exclusive", "inclusive"]), st.sampled_from(["zero", "one", "nan"]))
def test_the_quotient_is_the_definition_s(a: list, b: list, width: str, empty: str):
    x, y = (np.array(rows, np.float64).reshape(-1, 4) for rows in (a, b))
    found = np.zeros((len(a), len(b)))
    for i, one in enumerate(exact.boxes(x)):
        for j, other in enumerate(exact.boxes(y)):
            found[i, j] = exact.quotient(*exact.parts(one, other, width=width, inverted="empty"), empty=empty)
    np.testing.assert_array_equal(found, iou_matrix.definition(x, y, width=width, empty=empty))


@given(boxes)
def test_corners_in_any_order_make_the_same_box_when_normalised(rows: list):
    for x1, y1, x2, y2 in exact.boxes(np.array(rows, np.float64).reshape(-1, 4)):
        one, other = (x1, y1, x2, y2), (x2, y1, x1, y2)
        assert exact.parts(one, one, inverted="normalise") == exact.parts(other, one, inverted="normalise")


def test_what_is_added_to_the_union():
    tiny = Fraction(1, 10**8)
    assert exact.quotient(tiny, tiny, empty="add_1e-7") == Fraction(1, 11)
    assert exact.quotient(tiny, tiny, empty="add_1e-9") == Fraction(10, 11)
    assert exact.quotient(tiny, tiny, empty="at_least_1e-6") == Fraction(1, 100)
    assert exact.quotient(3, 4, empty="at_least_1e-6") == Fraction(3, 4)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_exact_boxes_are_finite(bad: float):
    with pytest.raises(ValueError, match="finite"):
        exact.boxes([[0, 0, bad, 1]])


@pytest.mark.parametrize(
    ("inter", "union", "precision", "above"),
    [
        (3, 5, "boxes", False),  # both are the float32 next to .6
        (3, 5, "double_threshold", True),  # which is above .6
        (3, 5, "float64", False),
        (6000001, 10000001, "boxes", False),
        (6000001, 10000001, "float64", True),
    ],
)
def test_the_precision_decides(inter: int, union: int, precision: str, above: bool):
    options = {"compare": "strict", "precision": precision, "form": "quotient", "empty": "zero", "dtype": np.float32}
    assert exact.exceeds(inter, union, 0.6, **options) is above


@given(st.integers(0, 2**12), st.integers(1, 2**12), st.integers(0, 2**12))
def test_with_products_that_are_exact_both_forms_decide_alike(inter: int, union: int, numerator: int):
    """2^12 by 2^12 has 24 bits: nothing is rounded, but the quotient, which keeps the order."""
    threshold = numerator / 2**12
    for compare in ("strict", "inclusive"):
        options = {"compare": compare, "precision": "float64", "empty": "zero", "dtype": np.float32}
        quotient, product = (exact.exceeds(inter, union, threshold, form=f, **options) for f in ("quotient", "product"))
        if Fraction(inter, union) != Fraction(numerator, 2**12) or compare == "inclusive":
            assert quotient == product == (Fraction(inter, union) >= Fraction(numerator, 2**12))
        else:
            assert not product


def test_orders():
    scores = [0.5, float("nan"), 0.75, 0.5]
    assert exact.order(scores) == [2, 0, 3, 1]
    assert exact.order(scores, ties="highest", nan="first") == [1, 2, 3, 0]
    assert exact.order(scores, nan="dropped") == [2, 0, 3]
