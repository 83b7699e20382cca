"""Procedural scenes of overlapping shapes with exact boxes and instance masks.

``ShapesDataset(length, seed=0, size=96)[i]`` is a pure function of ``(seed, size, i)`` and of the dataset's options:
any item may be asked for, in any order, in any process, and is always the same.  A scene is a textured background and a
few shapes painted from back to front, each anti-aliased by its signed distance: a pixel whose centre lies at distance
``d`` from the outline (negative inside) is covered by ``clip(1/2 - d, 0, 1)``, the area that a straight edge at that
distance would cover.

What is exact, and what the words mean:

- the *whole* mask of a shape is the set of pixels of the picture whose centre lies inside the outline (covered by at
  least one half);
- its *visible* mask is the whole mask less the whole masks of all shapes painted later;
- its box is the tight bound of the visible mask, ``x1, y1, x2, y2`` in pixels with exclusive ends, so a box
  of one pixel at the origin is ``0, 0, 1, 1`` (COCO's annotators, too, box what can be seen); ``whole_boxes`` bounds
  the whole mask;
- at least ``min_visible`` of every whole mask is visible, or the shape that would have hidden it is not painted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from . import textures
from .outlines import OUTLINES

#: The classes, in the order of their labels.
NAMES: tuple[str, ...] = tuple(OUTLINES)


@dataclass(frozen=True)
class Scene:
    """One picture and what is in it, shapes ordered from back to front.

    ``image`` uint8 (H, W, 3) RGB; ``boxes`` and ``whole_boxes`` float32 (M, 4) xyxy pixels; ``labels`` int64 (M,) into
    ``NAMES``; ``masks`` (visible) and ``whole_masks`` bool (M, H, W).
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    whole_boxes: np.ndarray
    whole_masks: np.ndarray


def mask_boxes(masks: np.ndarray) -> np.ndarray:
    """Tight bounds float32 (M, 4), xyxy with exclusive ends, of masks bool (M, H, W); an empty mask is an error."""
    if masks.ndim != 3 or masks.dtype != np.bool_:
        raise ValueError(f"masks must be bool of shape (M, H, W), found {masks.dtype} {masks.shape}")
    boxes = np.zeros((len(masks), 4), dtype=np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if rows.size == 0:
            raise ValueError("an empty mask has no tight bounds; drop it first")
        box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes


class ShapesDataset:
    """``length`` scenes of ``size`` x ``size`` pixels; see the module's docstring for what each is.

    ``shapes`` is the inclusive range of the number of shapes attempted per scene, ``extent`` the range of a shape's
    diameter as a fraction of ``size`` (drawn log-uniformly), ``tilt`` the largest angle in degrees by which a shape
    leans from upright (180 for any), ``min_visible`` the least visible fraction, ``noise`` the largest standard
    deviation of the pixels' noise (of a range 0 to 1).
    """

    names = NAMES

    def __init__(
        self,
        length: int,
        *,
        seed: int = 0,
        size: int = 96,
        shapes: tuple[int, int] = (1, 5),
        extent: tuple[float, float] = (0.2, 0.55),
        tilt: float = 20.0,
        min_visible: float = 0.5,
        noise: float = 0.04,
    ) -> None:
        if length < 0 or seed < 0:
            raise ValueError(f"length and seed must not be negative, found length {length} and seed {seed}")
        if size < 16:
            raise ValueError(f"size must be at least 16 pixels, found {size}")
        if not 0 <= shapes[0] <= shapes[1]:
            raise ValueError(f"shapes must be a range (fewest, most) of counts, found {shapes}")
        if not 0 < extent[0] <= extent[1] <= 1 or extent[0] * size < 6:
            raise ValueError(
                f"extent must be a range of fractions in (0, 1] of at least 6 pixels, found {extent} of {size} pixels"
            )
        if not 0 <= tilt <= 180:
            raise ValueError(f"tilt must lie from 0 to 180 degrees, found {tilt}")
        if not 0 < min_visible <= 1:
            raise ValueError(f"min_visible must lie in (0, 1], found {min_visible}")
        self.length, self.seed, self.size = length, seed, size
        self.shapes, self.extent, self.tilt, self.min_visible, self.noise = shapes, extent, tilt, min_visible, noise

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Scene]:
        return (self[i] for i in range(self.length))

    def __getitem__(self, index: int) -> Scene:
        if not -self.length <= index < self.length:
            raise IndexError(f"scene {index} of {self.length}")
        index = int(index) % self.length
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, self.size, index]))
        canvas = textures.background(rng, self.size)
        whole: list[np.ndarray] = []
        visible: list[np.ndarray] = []
        labels: list[int] = []
        for _ in range(rng.integers(self.shapes[0], self.shapes[1] + 1)):
            label = int(rng.integers(len(NAMES)))
            placed = self._place(rng, OUTLINES[NAMES[label]], visible, whole)
            if placed is None:
                continue  # no room: every place tried would have hidden something
            distance, centre = placed
            textures.paint(rng, canvas, distance, centre)
            mask = distance <= 0
            visible = [v & ~mask for v in visible] + [mask]
            whole.append(mask)
            labels.append(label)
        canvas += rng.normal(0, rng.uniform(0, self.noise), canvas.shape).astype(np.float32)
        none = np.zeros((0, self.size, self.size), dtype=bool)
        masks, wholes = (np.stack(m) if m else none for m in (visible, whole))
        return Scene(
            image=np.rint(np.clip(canvas, 0, 1) * 255).astype(np.uint8),
            boxes=mask_boxes(masks),
            labels=np.asarray(labels, dtype=np.int64),
            masks=masks,
            whole_boxes=mask_boxes(wholes),
            whole_masks=wholes,
        )

    def _place(
        self, rng: np.random.Generator, outline: Callable, visible: list[np.ndarray], whole: list[np.ndarray]
    ) -> tuple[np.ndarray, tuple[float, float]] | None:
        """Signed distance (H, W) and centre of a shape that hides nothing too much, or None after 12 attempts."""
        low, high = np.log(self.extent[0]), np.log(self.extent[1])
        for _ in range(12):
            radius = 0.5 * self.size * float(np.exp(rng.uniform(low, high)))
            # The centre may come as near to the border as 0.8 radii: some shapes are cut by the picture's edge.
            cx, cy = rng.uniform(0.8 * radius, self.size - 0.8 * radius, 2)
            turn = np.deg2rad(rng.uniform(-self.tilt, self.tilt))
            distance = np.full((self.size, self.size), np.inf, dtype=np.float32)
            # Nothing outside this window can be inside the outline, nor within a pixel of it.
            reach = int(np.ceil(radius)) + 2
            x0, x1 = max(0, int(cx) - reach), min(self.size, int(cx) + reach + 1)
            y0, y1 = max(0, int(cy) - reach), min(self.size, int(cy) + reach + 1)
            x = np.arange(x0, x1) + 0.5 - cx
            y = np.arange(y0, y1)[:, None] + 0.5 - cy
            cos, sin = np.cos(turn), np.sin(turn)
            distance[y0:y1, x0:x1] = outline(cos * x + sin * y, cos * y - sin * x, radius, rng.random())
            mask = distance <= 0
            if all((v & ~mask).sum() >= self.min_visible * w.sum() for v, w in zip(visible, whole, strict=True)):
                return distance, (cx, cy)
        return None
