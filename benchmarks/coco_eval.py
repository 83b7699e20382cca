"""COCO's evaluation of a large report beside pycocotools and faster-coco-eval: ``python -m benchmarks coco_eval``.

5,000 images of 480 x 640, 36,000 truths, 500,000 detections and 80 classes, drawn so that some detections are near a
truth: boxes, and polygons with as many corners as annotators draw.  First the arrays of all three are compared, in the
same run that is timed.  What is timed is evaluation and accumulation of what has been loaded; and once more with the
reading of the report, a JSON file.  The slowest takes its turn once, the others before and after it.
"""

from __future__ import annotations

import contextlib
import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from minidet_kernels.masks import from_polygons
from minidet_kernels.masks.pairs import boxes as boxes_around
from minidet_kernels.masks.pairs import pixels
from minidet_kernels.masks.strings import to_strings

from minidet.metrics.coco import coco
from minidet.metrics.coco_json import read_found, read_truths

from .operators import DisagreementError

HEIGHT, WIDTH = 480, 640
TYPES = {"boxes": "bbox", "masks": "segm"}
SLOWEST = "pycocotools"


@dataclass(frozen=True)
class Scene:
    """How much there is to evaluate."""

    images: int = 5_000
    truths: int = 36_000
    detections: int = 500_000
    classes: int = 80

    def label(self) -> str:
        """In words."""
        return f"{self.detections:,} on {self.truths:,} in {self.images:,} images, {self.classes} classes"


def _boxes(rng: np.random.Generator, n: int) -> np.ndarray:
    """Boxes xywh in the image, from some pixels to half of it wide and high, most of them small."""
    sides = np.exp(rng.uniform(np.log(8), np.log([[WIDTH / 2, HEIGHT / 2]]), (n, 2)))
    return np.concatenate([rng.random((n, 2)) * ([WIDTH, HEIGHT] - sides), sides], axis=1)


def draw(scene: Scene, kind: str, folder: Path) -> tuple[Path, Path]:
    """Files of annotations and of results."""
    rng = np.random.default_rng(0)
    image = np.sort(rng.integers(0, scene.images, scene.truths))
    label, boxes = rng.integers(0, scene.classes, scene.truths), _boxes(rng, scene.truths)
    of = rng.integers(0, scene.truths, scene.detections)  # near which truth; some elsewhere
    near, wrong = rng.random(scene.detections) < 0.6, rng.random(scene.detections) < 0.2
    anywhere = rng.integers(0, scene.images, scene.detections)
    moved = boxes[of] + rng.normal(0, 0.1, (scene.detections, 4)) * boxes[of][:, [2, 3, 2, 3]]
    found_image = np.where(near, image[of], anywhere)
    found_label = np.where(near & ~wrong, label[of], rng.integers(0, scene.classes, scene.detections))
    found_boxes = np.where(near[:, None], moved, _boxes(rng, scene.detections))
    found_boxes[:, 2:] = np.maximum(found_boxes[:, 2:], 2)
    order = np.argsort(found_image, kind="stable")
    scores = rng.random(scene.detections).round(4)
    crowd = rng.random(scene.truths) < 0.01
    annotations = _rows(rng, image, label, boxes.round(2), kind)
    for i, row in enumerate(annotations):
        row |= {"id": i + 1, "iscrowd": int(crowd[i]), "area": row.get("area", float(boxes[i, 2] * boxes[i, 3]))}
    results = _rows(rng, found_image[order], found_label[order], found_boxes[order].round(2), kind)
    for row, score in zip(results, scores.tolist(), strict=True):
        row.pop("area", None)
        row["score"] = score
        if kind == "masks":
            del row["bbox"]  # with one, pycocotools takes its area for that of the mask
    document = {
        "images": [{"id": i + 1, "height": HEIGHT, "width": WIDTH} for i in range(scene.images)],
        "categories": [{"id": k + 1, "name": f"class {k}"} for k in range(scene.classes)],
        "annotations": annotations,
    }
    paths = folder / f"{kind}.json", folder / f"{kind}_results.json"
    for path, value in zip(paths, (document, results), strict=True):
        path.write_text(json.dumps(value), encoding="utf-8")
    return paths


def _rows(rng: np.random.Generator, image: np.ndarray, label: np.ndarray, boxes: np.ndarray, kind: str) -> list[dict]:
    rows: list[dict[str, Any]] = [
        {"image_id": i + 1, "category_id": k + 1, "bbox": box}
        for i, k, box in zip(image.tolist(), label.tolist(), boxes.tolist(), strict=True)
    ]
    if kind == "masks":
        at = 0
        for one in np.split(boxes, np.arange(1000, len(boxes), 1000)):
            drawn = from_polygons(list(_blobs(rng, one)), size=(HEIGHT, WIDTH), rule="coco")
            edges = boxes_around(drawn)
            edges[:, 2:] -= edges[:, :2]
            for text, box, size in zip(to_strings(drawn), edges.tolist(), pixels(drawn).tolist(), strict=True):
                runs = {"size": [HEIGHT, WIDTH], "counts": text}
                rows[at] |= {"segmentation": runs, "bbox": box, "area": float(size)}
                at += 1
    return rows


def _blobs(rng: np.random.Generator, boxes: np.ndarray) -> Iterator[list[np.ndarray]]:
    """One polygon of 24 corners in each box, no circle."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radii = rng.uniform(0.75, 1.0, (len(boxes), 24)) / 2
    x = boxes[:, :1] + boxes[:, 2:3] * (0.5 + radii * np.cos(angles))
    y = boxes[:, 1:2] + boxes[:, 3:] * (0.5 + radii * np.sin(angles))
    for corners in np.stack([x, y], axis=2).reshape(len(boxes), 48):
        yield [corners]


@dataclass(frozen=True)
class Program:
    """``read`` the report into what ``evaluate`` takes, which gives the arrays precision and recall."""

    read: Callable[[], Any]
    evaluate: Callable[[Any], tuple[np.ndarray, np.ndarray]]


def programs(kind: str, truths: Path, results: Path) -> dict[str, Program]:
    """The three of them, the annotations loaded."""
    columns, index = read_truths(truths, masks=kind == "masks")

    def ours(found: Any) -> tuple[np.ndarray, np.ndarray]:
        report = coco(columns, found, "pycocotools", kind)  # type: ignore[arg-type]
        return report.precision, report.recall

    made = {"minidet": Program(lambda: read_found(results, index, masks=kind == "masks"), ours)}
    with contextlib.redirect_stdout(io.StringIO()):
        import faster_coco_eval
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        fast = faster_coco_eval.COCO, faster_coco_eval.COCOeval_faster
        for name, (api, evaluator) in (("faster-coco-eval", fast), (SLOWEST, (COCO, COCOeval))):
            made[name] = _program(api(str(truths)), evaluator, results, TYPES[kind])
    return made


def _program(annotations: Any, evaluator: Any, results: Path, of: str) -> Program:
    def evaluate(found: Any) -> tuple[np.ndarray, np.ndarray]:
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = evaluator(annotations, found, of)
            evaluation.evaluate()
            evaluation.accumulate()
        return np.asarray(evaluation.eval["precision"]), np.asarray(evaluation.eval["recall"])

    def read() -> Any:
        with contextlib.redirect_stdout(io.StringIO()):
            return annotations.loadRes(str(results))

    return Program(read, evaluate)


def measure(kind: str, scene: Scene, repeats: int) -> dict[str, tuple[list[float], list[float]]]:
    """Seconds of reading, and of evaluating, of each program in turns; the arrays have been found to be equal."""
    with tempfile.TemporaryDirectory() as folder:
        made = programs(kind, *draw(scene, kind, Path(folder)))
        seconds: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in made}
        loaded: dict[str, Any] = {}
        made["minidet"].evaluate(made["minidet"].read())  # compiles
        for turn in range(max(2, min(repeats, 3))):
            expected = None
            for name, program in made.items():
                if name == SLOWEST and turn:
                    continue
                if turn == 0:
                    start = time.perf_counter()
                    loaded[name] = program.read()
                    seconds[name][0].append(time.perf_counter() - start)
                start = time.perf_counter()
                got = program.evaluate(loaded[name])
                seconds[name][1].append(time.perf_counter() - start)
                expected = got if expected is None else expected
                for what, mine, theirs in zip(("precision", "recall"), expected, got, strict=True):
                    if mine.shape != theirs.shape or not np.abs(mine - theirs).max() <= 1e-12:
                        raise DisagreementError(f"coco_eval {kind}: {what} of {name} is not that of minidet")
    return seconds


def compared(kind: str, scene: Scene, repeats: int) -> Iterator[tuple[str, float, str, float, float, float]]:
    """(work, our ms, program, its ms, ratio asked, spread): evaluation alone, then with the reading of the report."""
    seconds = measure(kind, scene, repeats)
    for with_reading in (False, True):
        ms = {
            name: 1e3 * (statistics.median(times) + with_reading * statistics.median(reading))
            for name, (reading, times) in seconds.items()
        }
        spread = max((max(times) - min(times)) / statistics.median(times) for _, times in seconds.values())
        what = f"coco_eval {kind}{', report read' if with_reading else ''}"
        for name, least in ((SLOWEST, 20.0), ("faster-coco-eval", 2.0)):
            asked = least if not with_reading else 1.0
            yield f"{what}: {scene.label()}", ms["minidet"], name, ms[name], asked, spread
