"""Draw detections on a picture so that they can be read, whatever its size.

Line width and letters grow with the picture. Each class has a colour of its own, the same in every picture. Labels are
letters on a filled background, black or white by contrast; each is put where it lies inside the picture and covers no
other label, the best detections choosing first.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minidet.data.resize import check_image

if TYPE_CHECKING:
    from minidet.detections import Detections

Rectangle = tuple[int, int, int, int]  # left, top, right, bottom; right and bottom are outside

SMALLEST_LETTERS = 7  # pixels; smaller cannot be read, so a label that would need it is left out

TINT = 0.45  # how much of a mask's pixels is the colour of the class

CROWD = 150  # a label makes way for the labels and frames of this many of the best detections, not of more


def class_colour(label: int) -> tuple[int, int, int]:
    """The RGB colour of class `label`: hues a golden section apart, so that near labels differ most."""
    hue = (0.02 + label * 0.6180339887498949) % 1.0
    # Three ways of shading, in turn: 80 classes cannot all differ by hue alone.
    saturation, value = ((0.85, 0.95), (0.65, 1.0), (1.0, 0.72))[label % 3]
    r, g, b = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * r), round(255 * g), round(255 * b)


def text_colour(background: tuple[int, int, int]) -> tuple[int, int, int]:
    """Black or white, whichever has the greater contrast ratio (WCAG 2.1) on `background`."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in background)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (0, 0, 0) if (luminance + 0.05) ** 2 > 1.05 * 0.05 else (255, 255, 255)


def line_width(size: tuple[int, int]) -> int:
    """Line width in pixels for a picture of (H, W)."""
    return max(1, round((size[0] * size[1]) ** 0.5 / 250))


def letter_height(size: tuple[int, int]) -> int:
    """Font size in pixels for a picture of (H, W)."""
    side = (size[0] * size[1]) ** 0.5
    return max(SMALLEST_LETTERS + 1, min(round(side / 16), 11), round(side / 38))


def draw(image: np.ndarray, detections: Detections, *, scores: bool = True, names: bool = True) -> np.ndarray:
    """A copy of `image` (H, W, 3) uint8 with boxes and labels: name and score, the name alone, or nothing.

    The image must have the size the detections are of.
    """
    from PIL import Image, ImageDraw

    check_image(image)
    size = image.shape[:2]
    if size != detections.size:
        raise ValueError(f"detections are of an image of {_hw(detections.size)}; found one of {_hw(size)}")
    picture = Image.fromarray(with_masks(image, detections))
    canvas = ImageDraw.Draw(picture)
    best_first = np.argsort(-detections.scores, kind="stable")
    frames = {int(i): _pixels(detections.boxes[i], size) for i in best_first}
    for i in best_first[::-1]:
        _frame(canvas, frames[int(i)], class_colour(int(detections.labels[i])), line_width(size))
    if detections.keypoints is not None:
        for i in best_first[::-1]:
            _points(canvas, detections.keypoints[i], class_colour(int(detections.labels[i])), line_width(size))
    labels: list[tuple[Rectangle, _Text, tuple[int, int, int]]] = []
    crowd = list(frames.values())[:CROWD]
    for i in best_first if names else ():
        label = int(detections.labels[i])
        text = _fit(detections.name(label), float(detections.scores[i]) if scores else None, size)
        if text is not None:
            taken = [place for place, _, _ in labels[:CROWD]]
            place = best_place(frames[int(i)], (text.height, text.width), size, taken, crowd)
            labels.append((place, text, class_colour(label)))
    for (left, top, right, bottom), text, colour in reversed(labels):  # where labels must overlap, the best is on top
        canvas.rectangle((left, top, right - 1, bottom - 1), fill=colour)
        canvas.text((left + text.x, top + text.y), text.text, fill=text_colour(colour), font=text.font)
    return np.array(picture)


def with_masks(image: np.ndarray, detections: Detections) -> np.ndarray:
    """A copy of ``image`` with the objects' masks, if they have any, tinted in the colour of their class.

    Each has a rim of the full colour inside, so that two of a class side by side can be told apart; the best is on top.
    """
    from minidet_kernels.masks import decode

    picture = np.array(image, order="C")
    if detections.masks is None:
        return picture
    for i in np.argsort(detections.scores, kind="stable"):
        (mask,) = decode(detections.masks.take(np.array([i])))
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            continue
        window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        inside, part, colour = mask[window], picture[window], np.array(class_colour(int(detections.labels[i])))
        part[inside] = np.rint(part[inside] * (1 - TINT) + colour * TINT).astype(np.uint8)
        part[inside & ~_eroded(inside, line_width(detections.size))] = colour
    return picture


def _eroded(mask: np.ndarray, width: int) -> np.ndarray:
    """The pixels of ``mask`` (h, w) that are more than ``width`` rows and columns away from any that is not its own."""
    left = mask
    for _ in range(width):
        padded = np.pad(left, 1)
        left = left & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return left


def _points(canvas: Any, points: np.ndarray, colour: tuple[int, int, int], width: int) -> None:
    """A disc at each of the points (P, 2), with a dark rim."""
    radius = width + 1
    for x, y in points:
        place = (x - radius, y - radius, x + radius, y + radius)
        canvas.ellipse(place, fill=colour, outline=_darker(colour))


class _Text(NamedTuple):
    """A label's words, font, size in pixels with its margins, and where in it the words begin."""

    text: str
    font: Any
    height: int
    width: int
    x: int
    y: int


@cache
def _font(letters: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(letters)


def _fit(name: str, score: float | None, size: tuple[int, int]) -> _Text | None:
    """The label in the largest letters that fit a picture of `size`, without the score if need be; None if none do."""
    for text in (name,) if score is None else (f"{name} {score:.2f}", name):
        for letters in range(letter_height(size), SMALLEST_LETTERS - 1, -1):
            font = _font(letters)
            left, _, right, _ = font.getbbox(text)
            ascent, descent = font.getmetrics()
            margin = max(1, letters // 5)
            height, width = ascent + descent + margin, round(right - left) + 2 * margin
            if height <= size[0] and width <= size[1]:
                return _Text(text, font, height, width, margin - round(left), margin // 2)
    return None


def _hw(size: tuple[int, ...]) -> str:
    return f"{size[1]}x{size[0]}"


def _pixels(box: np.ndarray, size: tuple[int, int]) -> Rectangle:
    """The pixels of a box of edges, at least one, inside the picture."""
    h, w = size
    x1, y1, x2, y2 = (int(edge) for edge in np.rint(np.clip(box, 0, [w, h, w, h])))
    x1, y1 = min(x1, w - 1), min(y1, h - 1)
    return x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)


def _frame(canvas: Any, frame: Rectangle, colour: tuple[int, int, int], width: int) -> None:
    """The outline inside `frame`, thin on a small box so as to leave the object visible, with a dark inner edge."""
    x1, y1, x2, y2 = frame
    width = max(1, min(width, min(x2 - x1, y2 - y1) // 6))
    if width > 1:  # a dark line just inside keeps the frame visible on a background of its own colour
        canvas.rectangle((x1 + width, y1 + width, x2 - 1 - width, y2 - 1 - width), outline=_darker(colour))
    canvas.rectangle((x1, y1, x2 - 1, y2 - 1), outline=colour, width=width)


def _darker(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    return colour[0] // 3, colour[1] // 3, colour[2] // 3


def best_place(
    frame: Rectangle,
    label: tuple[int, int],
    size: tuple[int, int],
    taken: Sequence[Rectangle] = (),
    frames: Sequence[Rectangle] = (),
) -> Rectangle:
    """Where a label of (height, width) pixels goes in a picture of `size`: always inside it, and by `frame`.

    The first of these places that covers no label in `taken` and hides none of `frames` (a quarter of its area hides
    it): above the frame, inside it at the top, below, inside at the bottom, each at its left, then its right end;
    beside it; down along its left edge; a little further away. If there is none, the one that covers least of labels,
    then of frames.
    """
    (h, w), (H, W) = label, size
    x1, y1, x2, y2 = frame
    sides = (x1, x2 - w, x2, x1 - w)
    wanted = [(x, y) for y in (y1 - h, y1, y2, y2 - h) for x in sides[:2]]
    wanted += [(x, y) for x in sides[2:] for y in (y1, y2 - h)]
    wanted += [(x1, y) for y in range(y1 + h, y2 - h, h)]
    wanted += [(x, y) for step in (1, 2) for y in (y1 - (step + 1) * h, y2 + step * h) for x in sides]
    corner = np.array(wanted)  # (P, 2)
    inside = np.clip(corner, 0, [W - w, H - h])
    places = np.concatenate([inside, np.add(inside, [w, h])], axis=1)  # (P, 4)
    labels = _overlap(places, taken).sum(axis=1)
    hidden = _overlap(places, frames) / _areas(frames)
    hidden = np.where(hidden > 0.25, hidden, 0.0).sum(axis=1)
    # A place that slides sideways into the picture is as good as any; one moved up or down may leave its frame.
    moved = inside[:, 1] != corner[:, 1]
    left, top, right, bottom = (int(edge) for edge in places[np.lexsort((moved, hidden, labels))[0]])
    return left, top, right, bottom


def _overlap(a: np.ndarray, b: Sequence[Rectangle]) -> np.ndarray:
    """Pixels that each of the rectangles (M, 4) shares with each of the (N, 4): (M, N)."""
    other = np.array(b, np.int64).reshape(-1, 4)
    shared = np.minimum(a[:, None, 2:], other[:, 2:]) - np.maximum(a[:, None, :2], other[:, :2])  # (M, N, 2)
    return np.maximum(shared, 0).prod(axis=2)


def _areas(rectangles: Sequence[Rectangle]) -> np.ndarray:
    """Pixels in each of the rectangles (N, 4): (N,)."""
    array = np.array(rectangles, np.int64).reshape(-1, 4)
    return (array[:, 2] - array[:, 0]) * (array[:, 3] - array[:, 1])
