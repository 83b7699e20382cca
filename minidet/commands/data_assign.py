"""`minidet data assign`: which prediction of a network answers for which truth, as tables, JSON and pictures."""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minidet.commands.bar import progress
from minidet.commands.data_show import add_choice, chosen, picture_names
from minidet.commands.data_source import add_source, read_source, say
from minidet.commands.load import DIALECTS, load_detector, size_argument
from minidet.errors import InputError, one_line

JSON_NAME = "assignments.json"

DESCRIPTION = """\
Show what a network would learn from pictures: which prediction answers for which truth, and by how much they overlap.
For an SSD: which prior took which truth, and which negatives were mined. For a YOLO: which cell and anchor of which
head, what is ignored, what was overwritten. Without --weights the network is a fresh one, drawn from the seed 0, so
that only what depends on its outputs (mining, ignoring) is of no meaning.
"""

EXAMPLES = """\
examples:
  minidet data assign bccd --model ssd-small --count 3 --out seen
  minidet data assign bccd --model ssd-small --weights run/best.safetensors --set forced=bipartite --json
  minidet data assign bccd --model yolov3-small --set iou_thresh=0.4 --out seen
"""


def add_parser(commands: Any) -> None:
    """Describe the arguments of `minidet data assign`."""
    parser = commands.add_parser(
        "assign", help="which prediction of a network answers for which truth", description=DESCRIPTION,
        epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add_source(parser)
    parser.add_argument("--model", metavar="NAME", required=True, help="a network by name, such as ssd-small")
    parser.add_argument("--weights", metavar="FILE", help="its weights (default: a fresh network)")
    parser.add_argument("--size", metavar="N|HxW", type=size_argument, help="its input (default: its own)")
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[],
        help="an option of the loss, such as threshold=0.4, forced=bipartite, ratio=5; may be repeated",
    )  # fmt: skip
    add_choice(parser, 1)
    parser.add_argument(
        "--rows", type=int, default=20, metavar="N", help="at most so many rows a table (default: %(default)s)"
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, help=f"write a picture of each image, and {JSON_NAME}, there"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Assign, and only then write: tables or JSON on standard output, files in `--out`."""
    from minidet.commands.outputs import all_or_nothing, check_folder, save_picture
    from minidet.files import write_text

    if arguments.rows < 1:
        raise InputError(f"--rows from 1 was expected, found {arguments.rows}")
    dataset = read_source(arguments)
    part = chosen(arguments, dataset)
    names = picture_names(part, "assigned")
    if arguments.out:
        check_folder(arguments.out, [*names, JSON_NAME], [part.root / record.path for record in part])
    model, classes = _network(arguments, dataset.names)
    assign = _assigner(model, arguments.set)
    labels = _labels(dataset.names, classes)
    with progress("assigning", range(len(part))) as steps:
        found = [_one(part, i, model, labels, assign) for i in steps]
    document = _document(arguments, model, classes, part, found)
    if arguments.out:
        try:
            with all_or_nothing(arguments.out) as stage:
                for name, one in zip(names, found, strict=True):
                    save_picture(stage / name, one.draw(classes))
                write_text(stage / JSON_NAME, json.dumps(document, indent=2, allow_nan=False) + "\n")
        except OSError as error:
            raise InputError(f"--out {arguments.out}: cannot be written: {error.strerror or error}") from None
    if arguments.json:
        print(json.dumps(document, indent=2, allow_nan=False))
    else:
        _print(document, arguments.rows)
    if arguments.out:
        say(f"wrote {len(names)} pictures and {JSON_NAME} to {arguments.out}")
    return 0


class Assigned(NamedTuple):
    """Of one image: rows by the name of their table, and what draws them, given the names of the classes."""

    tables: Mapping[str, Sequence[Any]]
    draw: Callable[[Sequence[str]], np.ndarray]


#: Of raw maps, truths and the image on the network's input, uint8 (h, w, 3).
Assigner = Callable[[Sequence[Any], Any, np.ndarray], Assigned]


def _network(arguments: argparse.Namespace, names: Sequence[str]) -> tuple[Any, Sequence[str]]:
    """The network in inference mode, and the names of its classes: the data set's for a fresh one."""
    from minidet import models

    if arguments.weights:
        told = {"cfg": None, "names": None, "epsilon": DIALECTS[0], "device": "cpu"}
        return load_detector(argparse.Namespace(**{**vars(arguments), **told}))
    size = {"size": arguments.size} if arguments.size else {}
    return models.build(arguments.model, classes=len(names), rng=0, **size).eval(), names


def _assigner(model: Any, words: Sequence[str]) -> Assigner:
    """What assigns for this kind of network, by its loss with the options in ``words``."""
    from minidet.boxes.ssd import SsdBoxes
    from minidet.train.multibox import MultiboxLoss
    from minidet.train.yolo import YoloLoss
    from minidet.train.yolo_assign import YoloGrid

    options = dict(_option(word) for word in words)
    ssd = isinstance(getattr(model, "boxes", None), SsdBoxes)
    known = [
        p.name for p in signature(MultiboxLoss if ssd else YoloLoss).parameters.values() if p.kind == p.KEYWORD_ONLY
    ]
    for name in options:
        if name not in known:
            raise InputError(f"--set {name}: the loss has no such option; there are {', '.join(known)}")
    try:
        if ssd:
            return _multibox(MultiboxLoss(model.boxes, model.size, **options))
        if getattr(model, "heads", None):
            return _yolo(YoloLoss(YoloGrid.of(model), **options))
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(f"--set: {one_line(error)}") from None
    raise InputError(f"--model: {type(model).__name__} has no priors or anchors whose answers could be shown")


def _option(word: str) -> tuple[str, Any]:
    name, equals, text = word.partition("=")
    if not equals or not name.isidentifier():
        raise InputError(f"--set {word}: expected NAME=VALUE, such as forced=bipartite")
    try:
        return name, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return name, text.strip()


def _multibox(loss: Any) -> Assigner:
    from minidet.train.multibox_picture import draw_multibox
    from minidet.train.multibox_rows import multibox_table

    def assign(maps: Sequence[Any], truths: Any, image: np.ndarray) -> Assigned:
        table = multibox_table(loss, [raw.data for raw in maps], [truths])
        tables = {"truths": table.truths, "positives": table.positives, "mined": table.mined}
        return Assigned(tables, lambda names: draw_multibox(image, table, truths, names=names))

    return assign


def _yolo(loss: Any) -> Assigner:
    from minidet.train.assignment_picture import draw_assignment

    def assign(maps: Sequence[Any], truths: Any, image: np.ndarray) -> Assigned:
        found = loss.assign(maps, [truths])
        return Assigned(
            {"answers": found.rows}, lambda names: draw_assignment(image, found, loss.grid, truths, names=names)
        )

    return assign


def _labels(names: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """The network's label of each class of the data set, by name; in order where the network's have no names."""
    if list(names) == list(classes) or all(name == f"class {k}" for k, name in enumerate(classes)):
        if len(names) > len(classes):
            raise InputError(f"the data set has {len(names)} classes, the network {len(classes)}")
        return np.arange(len(names))
    if missing := [name for name in names if name not in classes]:
        raise InputError(f"the network has no class {', '.join(missing[:5])}: it has {', '.join(classes[:8])}")
    return np.array([list(classes).index(name) for name in names])


def _one(part: Any, i: int, model: Any, labels: np.ndarray, assign: Assigner) -> Assigned:
    from minidet.autograd import Tensor, no_grad
    from minidet.detect import default_placement
    from minidet.train.feed import input_of, learnable
    from minidet.train.truths import Truths

    x, placed = input_of(part.image(i), model.size, default_placement(model))
    (record,) = learnable(part.subset(np.array([i]))).records
    height, width = model.size
    boxes = placed.to_network(record.objects.boxes).clip(0, [width, height, width, height])
    wide = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(axis=1)
    truths = Truths.from_pixels(boxes[wide], labels[record.objects.labels[wide]], model.size)
    with no_grad():
        maps = model(Tensor(x[None]))
    image = np.rint(x.transpose(1, 2, 0) * 255).astype(np.uint8)
    return assign(maps, truths, image)


def _document(
    arguments: argparse.Namespace, model: Any, names: Sequence[str], part: Any, found: Sequence[Assigned]
) -> dict[str, Any]:
    """All rows as plain values for JSON; `null` for a number that is not finite."""
    import minidet

    images = [
        {"path": record.path}
        | {key: [_plain(row, names) for row in rows] for key, rows in one.tables.items()}
        for record, one in zip(part.records, found, strict=True)
    ]  # fmt: skip
    return {
        "minidet": minidet.__version__,
        "network": {"model": arguments.model, "weights": arguments.weights, "size": list(model.size)},
        "settings": dict(_option(word) for word in arguments.set),
        "names": list(names),
        "images": images,
    }


def _plain(row: Any, names: Sequence[str]) -> dict[str, Any]:
    """A row by the names of its columns, the name of its class beside its label, without the number of the image."""
    made: dict[str, Any] = {}
    for key, value in row._asdict().items():
        if key == "image":
            continue
        if isinstance(value, tuple):
            value = [round(float(v), 3) for v in value]
        elif isinstance(value, float | np.floating):
            value = round(float(value), 6) if np.isfinite(value) else None
        made[key] = value if isinstance(value, list | bool) or value is None else _number(value)
        if key == "label":
            made["name"] = names[value] if value >= 0 else None
    return made


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, float | np.floating) else int(value)


def _print(document: Mapping[str, Any], most: int) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    for image in document["images"]:
        console.print(image["path"], markup=False, soft_wrap=True)
        for title, rows in image.items():
            if title == "path":
                continue
            console.print(f"{title}: {len(rows)}" + (f", the first {most}" if len(rows) > most else ""))
            if not rows:
                continue
            table = Table(box=box.SIMPLE_HEAD)
            shown = [
                key for key in rows[0] if key != "label" and any(row[key] not in (None, -1, False) for row in rows)
            ]
            for key in shown:
                table.add_column(key, justify="left" if key == "name" else "right", no_wrap=key != "name")
            for row in rows[:most]:
                table.add_row(*(_cell(row[key]) for key in shown))
            console.print(table)


def _cell(value: Any) -> str:
    from rich.markup import escape

    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, list):
        return " ".join(f"{v:.0f}" for v in value)
    return f"{value:.3f}" if isinstance(value, float) else escape("" if value is None else str(value))
