"""What a detector found in one image, and the forms it can be given in: table, JSON, COCO results, picture."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minidet.data.names import COCO_CATEGORY_IDS, COCO_NAMES

if TYPE_CHECKING:
    from minidet_kernels.masks import Runs
    from rich.table import Table

# Decimal places in JSON: a thousandth of a pixel, a millionth of a score.
BOX_PLACES = 3
SCORE_PLACES = 6


@dataclass(frozen=True, eq=False)
class Detections:
    """N objects in one image, checked when made; the arrays are copies and cannot be written to.

    boxes   (N, 4) float64, x1 y1 x2 y2 in pixels of the image: edges, so that the whole image is (0, 0, W, H) and x2 -
    x1
            is a width. Finite, x1 <= x2 and y1 <= y2.
    scores  (N,) float64, finite.
    labels  (N,) int64, 0-based classes.
    names   the name of every class, indexed by label; empty when there are none ("class 7" is then written).
    size    (H, W) of the image.
    path    of the image file, or None.
    masks   the pixels of each object as runs (`minidet_kernels.masks`), N of them of this size; or None.
    keypoints   (N, P, 2) float64, x y in pixels, finite; or None.

    Raises `ValueError` (or `TypeError` for labels that are no integers) when an array does not fit this description.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    names: Sequence[str] = ()
    size: tuple[int, int] = (0, 0)
    path: str | None = None
    masks: Runs | None = None
    keypoints: np.ndarray | None = None

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels)
        if labels.size and not np.issubdtype(labels.dtype, np.integer):
            raise TypeError(f"labels: integers were expected, found {labels.dtype}")
        boxes = np.array(self.boxes, np.float64).reshape((0, 4) if np.size(self.boxes) == 0 else np.shape(self.boxes))
        scores = np.array(self.scores, np.float64)
        labels = labels.astype(np.int64)
        n = len(boxes)
        if boxes.shape != (n, 4) or scores.shape != (n,) or labels.shape != (n,):
            raise ValueError(
                f"boxes (N, 4), scores (N,) and labels (N,) were expected, found {boxes.shape}, {scores.shape} and "
                f"{labels.shape}"
            )
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise ValueError("boxes and scores must be finite; found NaN or infinity")
        if (boxes[:, 2:] < boxes[:, :2]).any():
            raise ValueError("boxes are x1 y1 x2 y2 with x1 <= x2 and y1 <= y2; found one the other way round")
        names = tuple(str(name) for name in self.names)
        if n and (labels.min() < 0 or (names and labels.max() >= len(names))):
            raise ValueError(f"labels from 0 to {len(names) - 1} were expected, found {labels.min()} to {labels.max()}")
        if len(self.size) != 2 or min(self.size) < 0:
            raise ValueError(f"size (height, width) was expected, found {self.size}")
        if self.masks is not None and (len(self.masks) != n or tuple(self.masks.size) != tuple(self.size)):
            raise ValueError(
                f"masks: {n} of {self.size} (height, width) were expected, found {len(self.masks)} of {self.masks.size}"
            )
        points = None if self.keypoints is None else np.array(self.keypoints, np.float64)
        if points is not None and (points.ndim != 3 or points.shape[::2] != (n, 2) or not np.isfinite(points).all()):
            raise ValueError(f"keypoints: finite numbers (N, P, 2) for {n} objects were expected, found {points.shape}")
        object.__setattr__(self, "keypoints", points)
        for array in (boxes, scores, labels, *(() if points is None else (points,))):
            array.flags.writeable = False
        path = None if self.path is None else str(self.path)
        fields = {"boxes": boxes, "scores": scores, "labels": labels, "names": names, "path": path}
        for field, value in {**fields, "size": (int(self.size[0]), int(self.size[1]))}.items():
            object.__setattr__(self, field, value)

    def __len__(self) -> int:
        return len(self.boxes)

    def __iter__(self) -> Iterator[tuple[np.ndarray, float, int, str]]:
        """(box, score, label, name) of each object."""
        for box, score, label in zip(self.boxes, self.scores, self.labels, strict=True):
            yield box, float(score), int(label), self.name(int(label))

    def __repr__(self) -> str:
        found = ", ".join(f"{name} {score:.2f}" for _, score, _, name in self)
        return f"Detections({len(self)} in {self.size[1]}x{self.size[0]}{': ' if found else ''}{found})"

    def name(self, label: int) -> str:
        """The name of class `label`."""
        return self.names[label] if self.names else f"class {label}"

    def heading(self) -> str:
        """The image, its width and height, and the number of objects, in one line."""
        height, width = self.size
        return f"{self.path or 'image'}  {width}x{height}  {len(self)} object{'' if len(self) == 1 else 's'}"

    def table(self) -> Table:
        """A `rich` table: name, score and box of each object."""
        from rich.markup import escape
        from rich.table import Table

        table = Table(title=escape(self.heading()), title_justify="left")
        table.add_column("class", overflow="fold")
        for heading in ("score", "x1", "y1", "x2", "y2"):
            table.add_column(heading, justify="right", no_wrap=True)
        for box, score, _, name in self:
            table.add_row(escape(name), f"{score:.3f}", *(f"{edge:.1f}" for edge in box))
        return table

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: path, width, height, detections; of each its label, name, score and box.

        A box is [x1, y1, x2, y2] in pixels. Boxes are rounded to a thousandth of a pixel and scores to a millionth.
        With masks each object has one, its runs as COCO writes them; with keypoints a list of [x, y].
        """
        found: list[dict[str, Any]] = [
            {
                "label": label,
                "name": name,
                "score": round(score, SCORE_PLACES),
                "box": [round(float(edge), BOX_PLACES) for edge in box],
            }
            for box, score, label, name in self
        ]
        if self.masks is not None:
            from minidet_kernels.masks import to_coco

            for one, mask in zip(found, to_coco(self.masks), strict=True):
                one["mask"] = mask
        if self.keypoints is not None:
            for one, points in zip(found, self.keypoints, strict=True):
                one["keypoints"] = [[round(float(v), BOX_PLACES) for v in point] for point in points]
        return {"path": self.path, "width": self.size[1], "height": self.size[0], "detections": found}

    def to_json(self, *, indent: int | None = 2) -> str:
        """`to_dict` as JSON text, in ASCII."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def to_coco(self, image_id: int | str, *, category_ids: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """Entries of a COCO results file: image_id, category_id, bbox [x, y, width, height] in pixels, score.

        `category_ids[label]` is the category written. Left out, it is COCO's own numbering (1..90 with gaps) when
        `names` are the 80 of `minidet.data.names.COCO_NAMES`, and label + 1 for any other names.
        """
        if category_ids is None:
            coco = tuple(self.names) == COCO_NAMES
            category_ids = COCO_CATEGORY_IDS if coco else range(1, int(self.labels.max(initial=0)) + 2)
        if len(self) and self.labels.max() >= len(category_ids):
            raise ValueError(
                f"category_ids has {len(category_ids)} entries; label {self.labels.max()} needs one of its own"
            )
        return [
            {
                "image_id": image_id,
                "category_id": int(category_ids[label]),
                "bbox": [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])],
                "score": score,
            }
            for box, score, label, _ in self
        ]

    def draw(self, image: np.ndarray) -> np.ndarray:
        """A copy of `image` (H, W, 3) uint8, of this `size`, with the boxes and their names drawn on it."""
        from minidet.draw import draw

        return draw(image, self)
