"""`minidet eval` of recorded results on a file in COCO's format: as it stands there; also masks and keypoints."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from minidet.errors import InputError, one_line

if TYPE_CHECKING:
    from minidet.metrics.columns import FoundColumns, TruthColumns

KINDS = ("boxes", "masks", "keypoints")


class Columns(NamedTuple):
    """Truths and detections side by side, the names of the classes, and how many images there are."""

    truths: TruthColumns
    found: FoundColumns
    names: tuple[str, ...]
    images: int


def is_straight(arguments: argparse.Namespace) -> bool:
    """Whether truths and detections are both COCO's files, which need not become a data set first."""
    path = Path(arguments.data or "")
    return bool(arguments.detections) and arguments.format in (None, "coco") and path.suffix == ".json"


def dataset_columns(arguments: argparse.Namespace, dataset: Any, results: list[dict[str, Any]]) -> Columns:
    """The truths of a data set and results in COCO's format.  Raises `InputError`, also where there are none."""
    from minidet.metrics.found_regions import region_results
    from minidet.metrics.from_dataset import found_columns, truth_columns

    truths, kind, source = truth_columns(dataset), arguments.kind, arguments.detections or "detections"
    if kind == "boxes":
        found = found_columns(results, dataset, source=source)
    else:
        if getattr(truths, kind) is None:
            raise InputError(f"--kind {kind}: {arguments.data} has objects without {kind}")
        found = region_results(results, dataset, **{kind: True}, source=source)
    return Columns(truths, found, dataset.names, len(dataset))


def read_columns(arguments: argparse.Namespace) -> Columns:
    """What the two files say.  Raises `InputError` that names the file and the record."""
    from minidet.metrics.coco_json import found_in, read_truths

    from .eval_data import read_results

    masks, keypoints = arguments.kind == "masks", arguments.kind == "keypoints"
    truths, index = read_truths(arguments.data, masks=masks, keypoints=keypoints)
    rows = read_results(arguments.detections)
    found = found_in(rows, index, source=arguments.detections, masks=masks, keypoints=keypoints)
    return Columns(truths, found, index.names, len(index.images))


def numbers_and_classes(columns: Columns, rules: Any, kind: str) -> dict[str, Any]:
    """The numbers and a row for each class, of masks or keypoints."""
    from minidet.metrics.coco import coco

    try:
        report = coco(columns.truths, columns.found, rules, kind)  # type: ignore[arg-type]
    except ValueError as error:
        raise InputError(one_line(error)) from None
    return {
        "numbers": report.numbers(),
        "dropped": report.dropped,
        "iou": rules.thresholds[0],
        "classes": report.per_class(columns.names),
    }
