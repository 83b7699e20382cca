"""The picture of an assignment says what the table says."""

from __future__ import annotations

import numpy as np
import pytest
from support.tree import ROOT

from minidet.draw import class_colour
from minidet.train.assignment_picture import CROSS, DOT, draw_assignment
from minidet.train.assignment_sheet import GAP, TITLE
from minidet.train.yolo_assign import Truths, YoloGrid, assign

GRID = YoloGrid(((8, 8), (16, 16), (32, 32), (48, 24)), ((2, 3), (0, 1)), (64, 96), 3)
SCALE = 5  # the least that makes 64 reach 288
WIDTH, HEIGHT = 96 * SCALE, 64 * SCALE


def heads(images: int = 1, fill: float = -20.0) -> list[np.ndarray]:
    return [np.full((images, 16, 2, 3), fill), np.full((images, 16, 8, 12), fill)]


def panel(sheet: np.ndarray, k: int) -> np.ndarray:
    left = GAP + k * (WIDTH + GAP)
    return sheet[TITLE : TITLE + HEIGHT, left : left + WIDTH].astype(int)


def cell(sheet: np.ndarray, k: int, row: int, column: int, shape: tuple[int, int]) -> np.ndarray:
    h, w = HEIGHT // shape[0], WIDTH // shape[1]
    return panel(sheet, k)[row * h : (row + 1) * h, column * w : (column + 1) * w]


def count(part: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((part == colour).all(axis=2).sum())


def filled(label: int, under: int = 128) -> tuple[int, int, int]:
    pale = under * 0.6 + 102
    r, g, b = (round(pale * 0.4 + 0.6 * c) for c in class_colour(label))
    return r, g, b


IMAGE = np.full((64, 96, 3), 128, np.uint8)


def test_the_answering_cell_is_filled_in_the_class_colour_in_its_head_alone():
    truths = Truths(np.array([[0.30, 0.55, 16 / 96, 16 / 64]]), np.array([2]))
    table = assign(heads(), [truths], GRID)
    (row,) = table.rows
    assert (row.head, row.row, row.column) == (1, 4, 3)
    sheet = draw_assignment(IMAGE, table, GRID, truths)
    assert sheet.shape == (HEIGHT + TITLE + GAP, 2 * (WIDTH + GAP) + GAP, 3)
    assert count(cell(sheet, 1, 4, 3, (8, 12)), filled(2)) > 300
    assert count(panel(sheet, 0), filled(2)) == 0
    elsewhere = panel(sheet, 1).copy()
    elsewhere[4 * 40 : 5 * 40, 3 * 40 : 4 * 40] = 0
    assert count(elsewhere, filled(2)) == 0
    assert count(panel(sheet, 1), class_colour(2)) > 4 * 16 * SCALE, "the truth's frame"
    assert count(panel(sheet, 0), class_colour(2)) == 0, "a head that has nothing to do with it"


def test_what_was_overwritten_is_crossed_out():
    box = [0.30, 0.55, 16 / 96, 16 / 64]
    one, two = (Truths(np.array([box] * n), np.arange(n)) for n in (1, 2))
    assert count(panel(draw_assignment(IMAGE, assign(heads(), [one], GRID), GRID, one), 1), CROSS) == 0
    sheet = draw_assignment(IMAGE, assign(heads(), [two], GRID), GRID, two)
    assert count(cell(sheet, 1, 4, 3, (8, 12)), CROSS) > 30
    assert count(panel(sheet, 0), CROSS) == 0


def test_a_dot_for_each_ignored_prediction_in_its_cell():
    maps = heads()
    raw = maps[1].reshape(1, 2, 8, 8, 12)
    raw[0, 1, :4, 4, 4] = -4, 0, 0, 0  # the neighbour of the cell that answers, whose box leans over
    truths = Truths(np.array([[3.5 / 12, 4.5 / 8, 16 / 96, 16 / 64]]), np.array([0]))
    table = assign(maps, [truths], GRID, ignore=0.5)
    assert table.ignored == (0, 1)
    sheet = draw_assignment(IMAGE, table, GRID, truths)
    assert count(cell(sheet, 1, 4, 4, (8, 12)), DOT) >= 5
    assert count(panel(sheet, 0), DOT) == 0
    assert count(panel(sheet, 1), DOT) == count(cell(sheet, 1, 4, 4, (8, 12)), DOT)


def test_the_image_of_the_batch_is_named_by_its_index():
    none = Truths(np.zeros((0, 4)), np.zeros(0, int))
    one = Truths(np.array([[0.30, 0.55, 16 / 96, 16 / 64]]), np.array([2]))
    table = assign(heads(2), [none, one], GRID)
    first, second = draw_assignment(IMAGE, table, GRID, none), draw_assignment(IMAGE, table, GRID, one, index=1)
    assert count(panel(first, 1), filled(2)) == 0
    assert count(panel(second, 1), filled(2)) > 300
    with pytest.raises(ValueError, match="image 2 of 2"):
        draw_assignment(IMAGE, table, GRID, one, index=2)


def test_names_stand_below():
    one = Truths(np.array([[0.30, 0.55, 16 / 96, 16 / 64]]), np.array([2]))
    table = assign(heads(), [one], GRID)
    plain, named = (draw_assignment(IMAGE, table, GRID, one, names=n) for n in (None, ["a", "b", "ring"]))
    assert np.array_equal(named[: len(plain)], plain)
    assert (named[len(plain) :] == 0).all(axis=2).any()


def test_an_image_of_another_size_is_refused():
    one = Truths(np.array([[0.30, 0.55, 16 / 96, 16 / 64]]), np.array([2]))
    with pytest.raises(ValueError, match=r"an image of \(64, 64\) for a grid of \(64, 96\)"):
        draw_assignment(IMAGE[:, :64], assign(heads(), [one], GRID), GRID, one)


@pytest.mark.parametrize("name", ["assignment.png", "ssd_assignment.png"])
def test_the_picture_in_the_docs_is_the_codes(monkeypatch, name):
    monkeypatch.syspath_prepend(str(ROOT))  # the docs are no part of the package
    from docs.assignment import stale

    assert not stale(name), "run: python -m docs.assignment"
