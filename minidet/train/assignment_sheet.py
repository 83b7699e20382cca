"""What pictures of assignments share: a sheet of panels, each the network's input enlarged, with a line above it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data.resize import check_image
from ..draw import text_colour

#: Pixels between panels and above them, and the least side of a panel.
GAP, TITLE, LEAST = 8, 18, 288

GREY = (120, 120, 120)
Colour = tuple[int, int, int]


def check_picture(image: np.ndarray, size: tuple[int, int], index: int, images: int) -> None:
    """``ValueError`` unless the image is of ``size`` (height, width) and one of so many ``images`` is meant."""
    check_image(image)
    if image.shape[:2] != tuple(size):
        raise ValueError(f"an image of {image.shape[:2]} for a grid of {tuple(size)} (height, width)")
    if not 0 <= index < images:
        raise ValueError(f"image {index} of {images} that were assigned")


def scale_of(size: tuple[int, int], least: int = LEAST) -> int:
    """How often larger a panel is than the input, so that its shorter side has at least so many pixels."""
    return max(1, -(-least // min(size)))


def enlarged(image: np.ndarray, scale: int) -> np.ndarray:
    """The image with every pixel ``scale`` times as wide and high."""
    return np.repeat(np.repeat(image, scale, axis=0), scale, axis=1)


def paled(image: np.ndarray) -> np.ndarray:
    """The image nearer to white, float64, for colours to stand out."""
    pale: np.ndarray = image.astype(np.float64) * 0.6 + 102
    return pale


def grid_lines(canvas: Any, size: tuple[int, int], rows: int, columns: int) -> None:
    """The borders of cells on a panel of ``size`` (width, height)."""
    width, height = size
    for n in range(1, columns):
        canvas.line((n * width // columns, 0, n * width // columns, height), fill=GREY)
    for n in range(1, rows):
        canvas.line((0, n * height // rows, width, n * height // rows), fill=GREY)


def tag(canvas: Any, place: tuple[float, float], text: str, colour: Colour) -> None:
    """A few letters on a ground of ``colour``."""
    box = canvas.textbbox(place, text, font=font(11))
    canvas.rectangle((box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1), fill=colour)
    canvas.text(place, text, fill=text_colour(colour), font=font(11))


def sheet(panels: Sequence[tuple[str, Any]], below: str = "") -> np.ndarray:
    """The panels, (title, Pillow's image) of one size, side by side; uint8 (H, W, 3), with a line ``below`` if any."""
    from PIL import Image, ImageDraw

    width, height = panels[0][1].size
    whole = Image.new("RGB", (len(panels) * (width + GAP) + GAP, height + (2 if below else 1) * TITLE + GAP), "white")
    canvas = ImageDraw.Draw(whole)
    for k, (title, panel) in enumerate(panels):
        left = GAP + k * (width + GAP)
        whole.paste(panel, (left, TITLE))
        canvas.text((left, 2), title, fill=(0, 0, 0), font=font(12))
    canvas.text((GAP, height + TITLE + GAP), below, fill=(0, 0, 0), font=font(12))
    return np.array(whole)


def words(labels: np.ndarray, names: Sequence[str] | None) -> str:
    """What the truths are, by their numbers: ``0 circle   1 star``; nothing without names."""
    return "   ".join(f"{t} {names[int(label)]}" for t, label in enumerate(labels)) if names is not None else ""


def font(letters: int) -> Any:
    """Pillow's own letters, of so many pixels."""
    from PIL import ImageFont

    return ImageFont.load_default(letters)
