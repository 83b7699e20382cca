"""Draw detections on a picture so that they can be read, whatever its size.

Line width and letters grow with the picture. Each class has a colour of its own, the same in every picture. Labels are
letters on a filled background, black or white by contrast; each is put where it lies inside the picture and covers no
other label, the best detections choosing first.
"""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minidet.data.resize import check_image

if TYPE_CHECKING:
    from minidet.detections import Detections

Rectangle = tuple[int, int, int, int]  # left, top, right, bottom; right and bottom are outside

SMALLEST_LETTERS = 7  # pixels; smaller cannot be read, so a label that would need it is left out


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


def draw(image: np.ndarray, detections: Detections) -> np.ndarray:
    """A copy of `image` (H, W, 3) uint8 with boxes and labels. The image must have the size the detections are of."""
    from PIL import Image, ImageDraw

    check_image(image)
    size = image.shape[:2]
    if size != detections.size:
        raise ValueError(f"detections are of an image of {_hw(detections.size)}; found one of {_hw(size)}")
    picture = Image.fromarray(np.ascontiguousarray(image))
    canvas = ImageDraw.Draw(picture)
    best_first = np.argsort(-detections.scores, kind="stable")
    frames = {int(i): _pixels(detections.boxes[i], size) for i in best_first}
    for i in best_first[::-1]:
        _frame(canvas, frames[int(i)], class_colour(int(detections.labels[i])), line_width(size))
    labels: list[tuple[Rectangle, _Text, tuple[int, int, int]]] = []
    for i in best_first:
        label = int(detections.labels[i])
        text = _fit(detections.name(label), float(detections.scores[i]), size)
        if text is not None:
            place = best_place(frames[int(i)], (text.height, text.width), size, [taken for taken, _, _ in labels])
            labels.append((place, text, class_colour(label)))
    for (left, top, right, bottom), text, colour in reversed(labels):  # where labels must overlap, the best is on top
        canvas.rectangle((left, top, right - 1, bottom - 1), fill=colour)
        canvas.text((left + text.x, top + text.y), text.text, fill=text_colour(colour), font=text.font)
    return np.array(picture)


class _Text(NamedTuple):
    """A label's words, font, size in pixels with its margins, and where in it the words begin."""

    text: str
    font: Any
    height: int
    width: int
    x: int
    y: int


def _fit(name: str, score: float, size: tuple[int, int]) -> _Text | None:
    """The label in the largest letters that fit a picture of `size`, without the score if need be; None if none do."""
    from PIL import ImageFont

    for text in (f"{name} {score:.2f}", name):
        for letters in range(letter_height(size), SMALLEST_LETTERS - 1, -1):
            font: Any = ImageFont.load_default(letters)
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


def best_place(frame: Rectangle, label: tuple[int, int], size: tuple[int, int], taken: list[Rectangle]) -> Rectangle:
    """Where a label of (height, width) pixels goes: inside the picture of `size` and clear of `taken` if any place is.

    In order: above the frame, inside it at the top, below it, inside at the bottom, each at its left and then its right
    end, then down along its left edge; when every one covers another label, the one that covers least.
    """
    (h, w), (H, W) = label, size
    x1, y1, x2, y2 = frame
    rows = [y1 - h, y1, y2, y2 - h, *range(y1 + h, y2 - h, h)]
    best, least = None, None
    for y in rows:
        for x in (x1, x2 - w):
            # Sideways a label may slide into the picture; a row that does not fit is only taken when none does.
            x = min(max(x, 0), W - w)
            inside = min(max(y, 0), H - h)
            place = (x, inside, x + w, inside + h)
            cost = (sum(_overlap(place, other) for other in taken), inside != y)
            if least is None or cost < least:
                best, least = place, cost
            if cost == (0, False):
                return place
    assert best is not None
    return best


def _overlap(a: Rectangle, b: Rectangle) -> int:
    """Pixels two rectangles share."""
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
