"""Drawing: frames where the boxes are, labels inside the picture and apart, on pictures of any size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidet.data.names import COCO_NAMES
from minidet.detections import Detections
from minidet.draw import best_place, class_colour, letter_height, line_width, text_colour

SIDES = st.integers(1, 90)


def picture(height: int, width: int, level: int = 90) -> np.ndarray:
    """Plain gray."""
    return np.full((height, width, 3), level, np.uint8)


@given(
    height=SIDES,
    width=SIDES,
    parts=st.lists(st.tuples(*[st.floats(0, 1)] * 4, st.integers(0, 79), st.floats(0, 1)), max_size=4),
)
def test_any_size_can_be_drawn_on_and_stays_as_it_was(height: int, width: int, parts: list) -> None:
    boxes = [[min(a, c) * width, min(b, d) * height, max(a, c) * width, max(b, d) * height] for a, b, c, d, *_ in parts]
    found = Detections(boxes, [p[5] for p in parts], [p[4] for p in parts], COCO_NAMES, (height, width))
    image = picture(height, width)
    drawn = found.draw(image)
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    assert (image == 90).all()
    assert (drawn != image).any() == bool(parts)


def test_the_frame_lies_on_the_box() -> None:
    image = picture(400, 500)
    found = Detections([[100, 150, 300, 350]], [0.5], [3], COCO_NAMES, (400, 500))
    drawn = found.draw(image)
    colour = class_colour(3)
    for y, x in ((150, 250), (349, 250), (250, 100), (250, 299), (349, 299), (349, 100)):
        assert tuple(drawn[y, x]) == colour, (y, x)
    for y, x in ((250, 98), (250, 301), (352, 250), (250, 250)):
        assert tuple(drawn[y, x]) == (90, 90, 90), (y, x)


def test_a_label_is_drawn_above_its_box_in_two_colours() -> None:
    image = picture(400, 500)
    drawn = Detections([[100, 150, 300, 350]], [0.5], [3], COCO_NAMES, (400, 500)).draw(image)
    above = drawn[:150]
    changed = (above != 90).any(axis=2)
    ys, xs = np.nonzero(changed)
    assert ys.max() == 149
    assert xs.min() == 100
    inside = above[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    colour, letters = class_colour(3), text_colour(class_colour(3))
    assert letters == (0, 0, 0)
    filled = (inside == colour).all(axis=2).mean()
    written = (inside.astype(int) < np.array(colour) - 60).any(axis=2).mean()  # the edges of letters are blended
    assert filled > 0.5
    assert 0.03 < written < 0.4


@given(
    size=st.tuples(st.integers(30, 300), st.integers(60, 300)),
    label=st.tuples(st.integers(5, 20), st.integers(5, 50)),
    corners=st.lists(st.tuples(*[st.floats(0, 1)] * 4), min_size=1, max_size=6),
)
def test_labels_are_inside(size: tuple[int, int], label: tuple[int, int], corners: list) -> None:
    taken: list[tuple[int, int, int, int]] = []
    for a, b, c, d in corners:
        x1, x2 = sorted((int(a * (size[1] - 1)), int(c * (size[1] - 1))))
        y1, y2 = sorted((int(b * (size[0] - 1)), int(d * (size[0] - 1))))
        place = best_place((x1, y1, x2 + 1, y2 + 1), label, size, taken)
        left, top, right, bottom = place
        assert (bottom - top, right - left) == label
        assert left >= 0
        assert top >= 0
        assert right <= size[1]
        assert bottom <= size[0]
        taken.append(place)


def apart(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether two rectangles share no pixel."""
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@given(st.integers(130, 400), st.integers(60, 300), st.integers(20, 90), st.integers(1, 5))
def test_labels_of_boxes_on_one_another_are_apart(x: int, y: int, side: int, n: int) -> None:
    taken: list[tuple[int, int, int, int]] = []
    for _ in range(n):
        taken.append(best_place((x, y, x + side, y + side), (15, 60), (500, 600), taken))
    assert all(apart(a, b) for i, a in enumerate(taken) for b in taken[:i])


def test_a_label_does_not_hide_a_small_object() -> None:
    small, neighbour = (100, 85, 110, 95), (100, 100, 300, 200)
    place = best_place(neighbour, (20, 60), (400, 400), (), [small, neighbour])
    assert apart(place, small)
    assert place == (240, 80, 300, 100)  # at the left end, which would have been first, it would lie on it


def test_above_then_inside() -> None:
    assert best_place((10, 50, 200, 100), (20, 60), (300, 300)) == (10, 30, 70, 50)
    assert best_place((10, 5, 200, 100), (20, 60), (300, 300)) == (10, 5, 70, 25)
    assert best_place((280, 50, 299, 100), (20, 60), (300, 300)) == (240, 30, 300, 50)  # slid into the picture


def test_a_label_moves_off_its_place_rather_than_onto_another() -> None:
    # Above there is no room, so the place slides to the top edge; every place that fits lies on the other label.
    assert best_place((10, 5, 200, 55), (20, 60), (60, 300), [(0, 20, 300, 60)]) == (10, 0, 70, 20)


def test_the_best_label_is_on_top() -> None:
    boxes = np.repeat([[0.0, 0, 60, 16]], 12, axis=0)
    scores = np.linspace(0.1, 0.9, 12)
    labels = np.arange(12)
    drawn = Detections(boxes, scores, labels, COCO_NAMES, (16, 60)).draw(picture(16, 60))
    best = (drawn == class_colour(11)).all(axis=2).sum()
    assert best > 100
    assert all((drawn == class_colour(label)).all(axis=2).sum() < best for label in range(11))


def test_colours_are_distinct_and_letters_have_contrast() -> None:
    colours = np.array([class_colour(label) for label in range(80)]).astype(int)
    distance = np.abs(colours[:, None] - colours).max(axis=2) + 999 * np.eye(80, dtype=int)
    assert distance.min() >= 8
    near = np.abs(np.diff(colours, axis=0)).max(axis=1)
    assert near.min() > 100  # neighbouring labels are far apart

    def luminance(colour: tuple[int, int, int]) -> float:
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for label in range(80):
        pair = sorted(luminance(colour) + 0.05 for colour in (class_colour(label), text_colour(class_colour(label))))
        assert pair[1] / pair[0] >= 4.5, label  # WCAG AA


def test_lines_and_letters_grow_with_the_picture() -> None:
    sizes = [(10, 10), (60, 80), (300, 400), (576, 768), (1500, 2000), (4000, 6000)]
    assert [line_width(size) for size in sizes] == sorted(line_width(size) for size in sizes)
    assert [letter_height(size) for size in sizes] == sorted(letter_height(size) for size in sizes)
    assert line_width(sizes[0]) == 1
    assert line_width(sizes[-1]) > 10
    assert letter_height(sizes[-1]) > 60


def test_another_picture_is_refused() -> None:
    found = Detections([], [], [], (), (10, 20))
    with pytest.raises(ValueError, match="detections are of an image of 20x10; found one of 10x20"):
        found.draw(picture(20, 10))
