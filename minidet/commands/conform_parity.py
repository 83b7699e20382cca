"""`minidet conform parity`: the first layer at which another framework's network departs from ours, and why."""

from __future__ import annotations

import argparse
import json
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minidet.commands.load import add_model_arguments
from minidet.errors import InputError

if TYPE_CHECKING:
    from minidet.conformance.parity import Parity, Row

DESCRIPTION = """\
Compare the activations of another framework, layer by layer, with a network of ours that has the same weights. FILE is
an .npz: the array `input` (N, 3, h, w) that the network was given, and the outputs of its layers by name, in the order
in which they were computed; minidet.conformance.parity.dump(module, x, FILE) writes it of a torch module.

Each layer is given what theirs was given, so that each is judged alone. Of one that is further off than rounding
explains, the conventions of its operator are tried, and those under which it agrees are named. Exit status 1 where a
layer departs.
"""

EXAMPLES = """\
examples:
  minidet conform parity theirs.npz --cfg yolov3.cfg --weights yolov3.weights
  minidet conform parity theirs.npz --model ssd300 --weights ssd300_vgg16.pth --json
  minidet conform parity theirs.npz --model yolov3 --weights yolov3.weights --map names.toml   "our.name" = "theirs"
"""


def add_parser(parts: Any) -> None:
    """Describe the arguments of `minidet conform parity`."""
    parser = parts.add_parser(
        "parity",
        help="the first layer at which another framework's network departs, and why",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("theirs", metavar="FILE", help="their activations, an .npz")
    add_model_arguments(parser)
    parser.add_argument("--input", metavar="FILE", help="what the network was given, .npy, unless FILE has it")
    parser.add_argument("--map", metavar="FILE", type=Path, help="TOML: the names of our layers with theirs")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=run, nms_kind="iou")


def run(arguments: argparse.Namespace) -> int:
    """Print the table on standard output; raises `InputError` for what is wrong."""
    from minidet.commands.load import load_detector
    from minidet.conformance.parity import parity, read

    recording = read(arguments.theirs, _input(arguments.input))
    mapping = None if arguments.map is None else _mapping(arguments.map)
    model, _ = load_detector(arguments)
    if hasattr(model, "found"):  # of an R-CNN what is computed of all pixels
        from minidet.models.rcnn.planned import Dense

        model = Dense(model)
    try:
        found = parity(model, recording, mapping)
    except ValueError as error:
        raise InputError(f"{arguments.theirs}: {' '.join(str(error).split())}") from None
    if not found.rows:
        raise InputError(f"{arguments.theirs}: no layer of theirs fits one of ours; --map FILE says which is which")
    print(json.dumps(as_dict(found), indent=2) if arguments.json else as_text(found))
    return 0 if found.agrees else 1


def _input(path: str | None) -> Any:
    import numpy as np

    if path is None:
        return None
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"--input {path}: cannot be read: {getattr(error, 'strerror', None) or 'no .npy'}") from None


def _mapping(path: Path) -> Mapping[str, str]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--map {path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--map {path}: {error}") from None
    if not found or not all(isinstance(one, str) for one in found.values()):
        raise InputError(f'--map {path}: expected lines "our.name" = "theirs"')
    return found


def as_dict(found: Parity) -> dict[str, Any]:
    """Plain values; None for no number."""
    return {
        "agrees": found.agrees,
        "first": found.first.layer if found.first else None,
        "layers": [_row(row) for row in found.rows],
        "not_matched": {"ours": list(found.ours_left), "theirs": list(found.theirs_left)},
    }


def _row(row: Row) -> dict[str, Any]:
    values = {**vars(row), "shape": list(row.shape), "their_shape": list(row.their_shape), "closes": list(row.closes)}
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}


def as_text(found: Parity) -> str:
    """A line for each pair, and what departs first."""
    head = ("layer", "theirs", "kind", "shape", "error", "bound", "verdict")
    lines = [head, *(_cells(row) for row in found.rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    said = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    for whose, names in (("ours", found.ours_left), ("theirs", found.theirs_left)):
        if names:
            said.append(f"not matched, of {whose}: {', '.join(names)}")
    first = found.first
    if first is None:
        return "\n".join([*said, f"no layer of {len(found.rows)} departs"])
    reason = f"would agree under {' or '.join(first.closes)}" if first.closes else "none of the known conventions"
    return "\n".join([*said, f"departs first: {first.layer} ({first.kind}); {reason}"])


def _cells(row: Row) -> tuple[str, ...]:
    def shape(sizes: tuple[int, ...]) -> str:
        return "x".join(map(str, sizes))

    both = shape(row.shape) if row.shape == row.their_shape else f"{shape(row.shape)} / {shape(row.their_shape)}"
    numbers = ["" if math.isnan(number) else f"{number:.2e}" for number in (row.error, row.bound)]
    verdict = f"{row.verdict}: {', '.join(row.closes)}" if row.closes else row.verdict
    return row.layer, row.theirs, row.kind, both, *numbers, verdict
