"""What `minidet eval` compares: the truths of a data set, and detections that are read or made."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from typing import Any

from minidet.commands.bar import progress
from minidet.commands.load import load_detector, plan_of
from minidet.errors import InputError

FORMATS = ("voc", "coco", "yolo", "masks")


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """`--data`, `--format`, `--split`, `--detections`."""
    group = parser.add_argument_group("what is compared")
    group.add_argument("--data", metavar="PATH", help="data set: a folder, or a COCO JSON file")
    group.add_argument("--format", choices=FORMATS, help="of the data set (default: by what is there)")
    group.add_argument("--split", metavar="NAME", help="part of the data set, such as val, where the format has parts")
    group.add_argument("--images", metavar="DIR", help="folder of a COCO file's pictures (default: found beside it)")
    group.add_argument(
        "--detections", metavar="FILE", help="results in COCO's JSON format to score, instead of running a network"
    )


def read_data(arguments: argparse.Namespace, *, zero_area: str) -> tuple[Any, int]:
    """The data set that the arguments name, and how many objects without area its reader dropped.

    ``zero_area`` is what the rules say of those: "drop" or "count".  What else the reader did is warned of.
    """
    if not arguments.data:
        raise InputError("--data PATH is needed: the data set that holds the truths")
    from minidet.data.formats import read_dataset
    from minidet.data.policy import Policy, summary

    policy = Policy(zero_area="drop" if zero_area == "drop" else "keep")
    options = {"format": arguments.format, "split": arguments.split, "images": arguments.images}
    dataset = read_dataset(arguments.data, policy=policy, with_masks=arguments.kind == "masks", **options)
    if not len(dataset):
        raise InputError(f"{arguments.data}: expected a data set with images, found none")
    empty = [remark for remark in dataset.remarks if remark.defect.kind == "zero-area"]
    for line in summary([remark for remark in dataset.remarks if remark not in empty]):
        warnings.warn(line, stacklevel=2)
    return dataset, sum(remark.action == "dropped" for remark in empty)


def check_source(arguments: argparse.Namespace) -> None:
    """Raise `InputError` unless there is either a file of detections or a network."""
    network = arguments.cfg or arguments.model
    if arguments.detections and (network or arguments.weights):
        raise InputError("--detections scores recorded results: leave out the network and its weights")
    if arguments.detections and arguments.device != "cpu":
        raise InputError("--detections scores recorded results, on the CPU: leave out --device")
    if not arguments.detections and not network:
        raise InputError("expected --detections FILE, or a network: --cfg FILE or --model NAME, with --weights FILE")


def results(arguments: argparse.Namespace, dataset: Any) -> list[dict[str, Any]]:
    """Detections in COCO's results format: those of the file, or what the network finds in every image."""
    return read_results(arguments.detections) if arguments.detections else _detect(arguments, dataset)


def read_results(path: str) -> list[dict[str, Any]]:
    """The list in a JSON file of COCO results.  Raises `InputError`."""
    from minidet.metrics.coco_json import read_json

    document = read_json(path)
    if not isinstance(document, list) or not all(isinstance(row, dict) for row in document):
        raise InputError(f"{path}: expected COCO results, a JSON list of objects, found something else")
    return document


def _detect(arguments: argparse.Namespace, dataset: Any) -> list[dict[str, Any]]:
    from minidet.commands.options import detection_options
    from minidet.detect import detect

    model, names = load_detector(arguments)
    numbers = _category_ids(names, dataset)
    if missing := sum(number is None for number in numbers):
        of = f"{missing} of the network's {len(names)} classes"
        warnings.warn(
            f"{arguments.data}: {of} are not in the data set; what is found of them is left out", stacklevel=2
        )
    options = {**detection_options(arguments, model, names), "names": names}
    plan = None if arguments.layers else plan_of(model)
    found: list[dict[str, Any]] = []
    with progress("detecting", range(len(dataset))) as steps:
        for i in steps:
            detections = detect(model, dataset.image(i), plan=plan, **options)
            if arguments.kind != "boxes" and getattr(detections, arguments.kind) is None:
                network = arguments.cfg or arguments.model
                raise InputError(f"--kind {arguments.kind}: {network} finds boxes without {arguments.kind}")
            more = _regions(detections, arguments.kind)
            for k, (box, score, label, _) in enumerate(detections):
                if (number := numbers[label]) is not None:
                    x1, y1, x2, y2 = box.tolist()
                    bbox = [x1, y1, x2 - x1, y2 - y1]
                    row = {"image_id": dataset.records[i].id, "category_id": number, "bbox": bbox, "score": score}
                    found.append({**row, **more[k]})
    return found


def _regions(detections: Any, kind: str) -> list[dict[str, Any]]:
    """What COCO's results have of each detection besides its box."""
    if kind == "masks":
        from minidet_kernels.masks import to_coco

        return [{"segmentation": one} for one in to_coco(detections.masks)]
    if kind == "keypoints":  # COCO numbers pixels, where positions here are of their edges; the third number is unused
        return [
            {"keypoints": [v for x, y in one.tolist() for v in (x - 0.5, y - 0.5, 1)]} for one in detections.keypoints
        ]
    return [{}] * len(detections)


def _category_ids(names: Sequence[str], dataset: Any) -> list[int | None]:
    """For each class of the network the data set's number of it: by name, or in order where it has no names."""
    nameless = all(name == f"class {k}" for k, name in enumerate(names))
    if nameless and len(names) == len(dataset.names):
        return list(dataset.category_ids)
    ids = dict(zip(dataset.names, dataset.category_ids, strict=True))
    numbers = [ids.get(name) for name in names]
    if not any(number is not None for number in numbers):
        raise InputError(
            f"the network's classes ({', '.join(names[:5])} ...) are none of the data set's "
            f"({', '.join(dataset.names[:5])} ...); name them with --names FILE"
        )
    return numbers
