"""What rounding may decide, and what a dialect leaves open: exactly that is admitted."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels.overlap import iou_matrix
from support.own_targets import Here

from minidet.conformance import OPERATORS, check, exact, fingerprint, margins, profiles
from minidet.conformance.operators.greedy import Case

NMS = OPERATORS["nms"]


def through(form: str) -> Callable[[np.ndarray], np.ndarray]:
    """Boxes that were given in another format, or moved apart by class, all in their dtype."""

    def corners_and_sides(rows: np.ndarray) -> np.ndarray:
        sides = rows[:, 2:] - rows[:, :2]
        return np.concatenate([rows[:, :2], rows[:, :2] + sides], axis=1)

    def centres(rows: np.ndarray) -> np.ndarray:
        two = rows.dtype.type(2)
        c, sides = (rows[:, :2] + rows[:, 2:]) / two, rows[:, 2:] - rows[:, :2]
        return np.concatenate([c - sides / two, c + sides / two], axis=1)

    return {"xyxy": lambda rows: rows, "xywh": corners_and_sides, "cxcywh": centres}[form]


def in_order(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([np.minimum(rows[:, :2], rows[:, 2:]), np.maximum(rows[:, :2], rows[:, 2:])], axis=1)


coordinates = st.lists(st.floats(-1, 1, width=32), min_size=8, max_size=8)


@given(
    values=coordinates,
    scale=st.sampled_from([1.0, 1e-3, 640.0]),
    move=st.sampled_from([0.0, 0.3, 1000.1, 30000.7]),
    form=st.sampled_from(["xyxy", "xywh", "cxcywh"]),
    complement=st.booleans(),
    pixel=st.booleans(),
)
def test_the_bound_holds_however_iou_is_computed(
    values: list[float], scale: float, move: float, form: str, complement: bool, pixel: bool
):
    rows = in_order((np.array(values).reshape(2, 4) * scale + move).astype(np.float32))
    a, b = exact.boxes(rows)
    given_rows = through(form)(rows)
    width = "inclusive" if pixel else "exclusive"
    found = iou_matrix(given_rows[:1], given_rows[1:], width=width)[0, 0]
    if complement:
        found = np.float32(1) - (np.float32(1) - found)
    inter, union = exact.parts(a, b, width=width)
    if union:
        margin = margins.of_iou(a, b, rows.dtype, pixel=int(pixel), complement=complement)
        assert abs(Fraction(float(found)) - Fraction(inter) / Fraction(union)) <= margin


@given(values=coordinates)
def test_the_bound_is_narrow_for_boxes_near_the_origin(values: list[float]):
    rows = in_order(np.array(values, np.float32).reshape(2, 4))
    a, b = exact.boxes(rows)
    if (rows[:, 2:] - rows[:, :2]).min() > 0.1:
        assert margins.of_iou(a, b, rows.dtype) < 1e-4


def test_whole_numbers_have_no_margin_up_to_the_mantissa():
    assert margins.whole((0, 0, 10, 10), (1, 1, 4000, 4000), np.dtype("float32"))
    assert not margins.whole((0, 0, 10, 10), (1, 1, 5000, 5000), np.dtype("float32"))
    assert margins.whole((0, 0, 10, 10), (1, 1, 5000, 5000), np.dtype("float64"))
    assert not margins.whole((0, 0, 10, 10), (Fraction(1, 2), 1, 5, 5), np.dtype("float32"))


PAIRS = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
pairs = st.lists(st.sampled_from(["drops", "keeps", "unsure"]), min_size=6, max_size=6)


def case_of(kinds: list[str], levels: tuple[tuple[int, ...], ...], chains: bool, said: dict[Any, bool]) -> Case:
    """Of four boxes; ``said`` decides the pairs of which rounding does."""
    index = {frozenset(pair): kind for pair, kind in zip(PAIRS, kinds, strict=True)}

    def drops(k: int, i: int) -> bool:
        kind = index[frozenset((k, i))]
        return said.get(frozenset((k, i)), False) if kind == "unsure" else kind == "drops"

    return Case(levels, drops, lambda k, i: index[frozenset((k, i))] == "unsure", chains=chains)


@given(kinds=pairs, order=st.permutations(range(4)), at=st.integers(0, 3), chains=st.booleans())
def test_admitted_is_what_some_order_of_ties_and_some_rounding_gives(
    kinds: list[str], order: list[int], at: int, chains: bool
):
    """By trying them all: the order of the boxes of each of two levels, and each decision of rounding."""
    levels = tuple(tuple(part) for part in (order[:at], order[at:]) if part)
    unsure = [frozenset(pair) for pair, kind in zip(PAIRS, kinds, strict=True) if kind == "unsure"]
    possible, of_ties = set(), set()
    for decided in product([False, True], repeat=len(unsure)):
        said = dict(zip(unsure, decided, strict=True))
        for orders in product(*(permutations(level) for level in levels)):
            kept = tuple(case_of(kinds, tuple((i,) for o in orders for i in o), chains, said).kept())
            possible.add(kept)
            if not any(decided):
                of_ties.add(kept)
    case = case_of(kinds, levels, chains, {})
    for size in range(5):
        for some in permutations(range(4), size):
            said_of = case.judge(np.array(some, np.int64))
            expected = "unspecified" if some in of_ties else "undecided" if some in possible else ""
            assert said_of == expected


@pytest.mark.parametrize("answer", [[0, 0], [0, 9], [[0]], [0.5]])
def test_what_is_no_choice_of_boxes_is_not_admitted(answer: Any):
    assert case_of(["keeps"] * 6, ((0, 1, 2, 3),), False, {}).judge(np.array(answer)) == ""


def near_the_threshold() -> dict[str, Any]:
    """Two boxes of IoU about 1/2, which float32 does not hold."""
    boxes = np.array([[0, 0, 1, 1], [0, 0, 1, 0.5]], np.float32) / np.float32(3) + np.float32(0.3)
    return {"boxes": boxes, "scores": np.array([0.75, 0.5], np.float32), "threshold": 0.5}


def test_either_answer_is_right_where_rounding_decides_and_no_other():
    dialect = NMS.dialect(**profiles()["minidet"]["nms"])
    inputs = near_the_threshold()
    judged = {answer: NMS.judge(np.array(answer, np.int64), inputs, dialect) for answer in ((0, 1), (0,), (1,), (1, 0))}
    assert sorted((judged[(0, 1)], judged[(0,)])) == ["same", "undecided"]
    assert (judged[(1,)], judged[(1, 0)]) == ("", "")
    whole = inputs | {"boxes": np.array([[0, 0, 2, 2], [0, 0, 2, 1]], np.float32)}
    assert NMS.judge(np.array([0, 1]), whole, dialect) == "same"
    assert NMS.judge(np.array([0]), whole, dialect) == ""


def any_order(boxes: Any, scores: Any, threshold: float) -> np.ndarray:
    """Greedy; equal scores go in an order that depends on how many boxes there are."""
    kept: list[int] = []
    for i in np.lexsort((np.random.default_rng(len(boxes)).permutation(len(boxes)), -scores)):
        if not (iou_matrix(boxes[kept], boxes[i : i + 1]) > boxes.dtype.type(threshold)).any():
            kept.append(int(i))
    return np.array(kept, np.int64)


def test_ties_that_are_left_open_are_unspecified_and_a_variant_of_the_lowest():
    dialect = NMS.dialect(**{**profiles()["minidet"]["nms"], "ties": "any"})
    target = Here(any_order, 3)
    verdict = check(NMS, target, dialect, examples=80)
    assert verdict.word == "unspecified"
    assert verdict.unspecified > 0
    lowest = check(NMS, target, dialect | {"ties": "lowest"}, examples=80)
    assert lowest.word == "conforms to a variant"
    assert lowest.found is not None
    assert [dict(one) for one in lowest.found.flips] == [{"ties": "any"}]


@pytest.mark.parametrize("name", ["nms", "batched_nms", "diou_nms", "fast_nms", "soft_nms"])
def test_boxes_that_are_not_of_whole_numbers_are_drawn(name: str):
    operator = OPERATORS[name]
    dialect, seen = operator.dialect(**profiles()["minidet"][name]), []

    def look(**inputs: Any) -> Any:
        seen.append(bool((inputs["boxes"] % 1).any()))
        return operator.reference(inputs, dialect)

    check(operator, Here(look, outputs=len(operator.outputs)), dialect, examples=120)
    assert 10 <= sum(seen) // 2 <= 80


@pytest.mark.parametrize("ties", ["lowest", "highest"])
def test_an_open_value_is_not_inferred_where_another_explains_what_was_seen(ties: str):
    dialect = NMS.dialect(ties=ties)
    found = fingerprint(NMS, Here(lambda **inputs: NMS.reference(inputs, dialect)))
    assert found.values["ties"] == (ties,)


def test_an_open_value_is_inferred_where_no_other_does():
    """Of three equal boxes and scores the middle one stays."""

    def middle(boxes: Any, scores: Any, threshold: float) -> np.ndarray:
        order = np.roll(np.arange(len(scores)), -1) if len(scores) == 3 else np.arange(len(scores))
        return order[NMS.reference({"boxes": boxes[order], "scores": scores[order], "threshold": threshold},
                                   NMS.dialect())]  # fmt: skip

    found = fingerprint(NMS, Here(middle, 3))
    assert not found.unexplained
    assert found.values["ties"] == ("any",)
