"""What a policy keeps, drops, mends and refuses, and that it counts."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.drawn_datasets import COORDINATES

from minidet.data.formats.boxes import sift, twice
from minidet.data.policy import KINDS, WARNINGS, Defect, Policy, Remark, summary
from minidet.errors import InputError

BOXES = st.lists(st.tuples(*[COORDINATES] * 4), max_size=6).map(lambda rows: np.array(rows, float).reshape(-1, 4))


def sifted(boxes: np.ndarray, policy: Policy, size: tuple[int, int] = (8, 10)) -> tuple[np.ndarray, list[Remark]]:
    remarks: list[Remark] = []
    found, keep = sift(boxes, np.tile(size, (len(boxes), 1)), policy.judge(remarks), lambda i: ("f", i + 1))
    return found[keep], remarks


@given(boxes=BOXES)
def test_every_box_is_judged_by_its_first_defect(boxes: np.ndarray) -> None:
    before = boxes.copy()
    kept, remarks = sifted(boxes, Policy("keep", "keep", "keep"))
    np.testing.assert_array_equal(kept, before)
    kinds = {remark.defect.line: remark.defect.kind for remark in remarks}
    for i, (x1, y1, x2, y2) in enumerate(before.tolist()):
        if x2 < x1 or y2 < y1:
            expected = "inverted"
        elif x2 == x1 or y2 == y1:
            expected = "zero-area"
        elif x1 < 0 or y1 < 0 or x2 > 10 or y2 > 8:
            expected = "out-of-bounds"
        else:
            expected = None
        assert kinds.get(i + 1) == expected


@given(boxes=BOXES)
def test_dropped_swapped_and_clipped(boxes: np.ndarray) -> None:
    kept, remarks = sifted(boxes, Policy("drop", "swap", "clip"))
    assert {r.action for r in remarks} <= {"dropped", "swapped", "clipped"}
    proper = [r for r in remarks if r.defect.kind == "out-of-bounds"]
    inside = kept[[not (row < 0).any() and row[2] <= 10 and row[3] <= 8 for row in kept]]
    for row in inside:
        assert row[0] <= row[2]
        assert row[1] <= row[3]
    if not any(r.defect.kind == "inverted" for r in remarks):
        assert len(inside) == len(kept)
        assert ((kept[:, 2:] - kept[:, :2]) > 0).all()
    assert len(kept) >= len(boxes) - len(proper) - sum(r.action == "dropped" for r in remarks)


def test_by_hand() -> None:
    boxes = np.array([[1, 1, 1, 2], [5, 1, 2, 2], [-1, 1, 5, 20], [20, 20, 30, 30], [0, 0, 10, 8]], float)
    assert sifted(boxes, Policy())[0].tolist() == boxes[2:].tolist()
    clipped, remarks = sifted(boxes, Policy(out_of_bounds="clip", inverted="swap"))
    assert clipped.tolist() == [[2, 1, 5, 2], [0, 1, 5, 8], [0, 0, 10, 8]]
    assert [r.action for r in remarks] == ["dropped", "swapped", "clipped", "clipped"]
    assert sifted(boxes, Policy(out_of_bounds="drop"))[0].tolist() == [[0, 0, 10, 8]]
    assert len(sifted(boxes[2:], Policy(out_of_bounds="error"), (0, 0))[0]) == 3  # the size is not known
    for name in ("zero_area", "inverted", "out_of_bounds"):
        with pytest.raises(InputError, match=r"f, line [123]: a box"):
            sifted(boxes, Policy(**{name: "error"}))


@pytest.mark.parametrize("field", fields(Policy), ids=lambda f: f.name)
def test_unknown_choices(field) -> None:
    with pytest.raises(ValueError, match=f"{field.name}='perhaps' is not known; expected one of "):
        Policy(**{field.name: "perhaps"})


def test_twice_counts_class_and_picture() -> None:
    told: list[Defect] = []
    box = [1.0, 2, 3, 4]
    twice(
        np.array([box, box, box, [1, 2, 3, 5], box]), np.array([0, 1, 0, 0, 0]), np.array([0, 0, 0, 0, 1]),
        lambda defect: told.append(defect) or "keep", lambda i: ("f", 10 + i),
    )  # fmt: skip
    assert [(defect.kind, defect.line) for defect in told] == [("duplicate-box", 12)]
    assert "line 10" in told[0].what


def test_the_summary_counts_by_kind_and_action() -> None:
    def remark(kind: str, action: str, line: int) -> Remark:
        return Remark(Defect(kind, "a.xml", line, "x"), action)

    rows = [remark("zero-area", "dropped", 3), remark("crowd", "dropped", 0), remark("zero-area", "dropped", 9)]
    assert summary(rows) == [
        "2 boxes without area dropped (the first in a.xml, line 3)",
        "1 crowd dropped (a.xml)",
    ]
    assert summary([]) == []


def test_warnings_are_kinds() -> None:
    assert set(KINDS) > WARNINGS
