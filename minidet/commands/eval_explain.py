"""`minidet eval explain A B`: why two evaluators give different numbers for the same detections."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from minidet.commands.bar import progress
from minidet.commands.eval_data import add_data_arguments, check_source, read_data, results
from minidet.commands.eval_recorded import is_straight, read_columns
from minidet.commands.load import add_model_arguments
from minidet.commands.options import add_detection_arguments
from minidet.commands.rules import add_rule_changes, changes_of, named
from minidet.errors import InputError, one_line

#: Places after the point in the table, and in JSON.
PLACES, JSON_PLACES = 5, 12

DESCRIPTION = """\
Score the same detections by two named rules, A and B, and split the difference into its causes: from A to B one choice
is changed after the other, in the order in which an evaluator comes to them, and what each change adds is its part. The
parts add up exactly to the difference. Where choices act on each other a part depends on that order; --shapley takes
the mean over all orders, at 2^n evaluations when n choices differ.
"""

EXAMPLES = """\
examples:
  minidet eval explain coco voc2007 --data bccd --split val --detections scored/detections.json
  minidet eval explain pycocotools coco --data instances.json --detections results.json --number AP50 --json
  minidet eval explain yolov5 coco --data instances.json --detections results.json --shapley
"""


def add_parser(commands: Any) -> None:
    """Describe the arguments of `minidet eval explain`."""
    parser = commands.add_parser(
        "explain",
        help="why two evaluators give different numbers",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("a", metavar="A", help="name of rules, such as coco")
    parser.add_argument("b", metavar="B", help="name of rules, such as voc2007")
    add_data_arguments(parser)
    group = parser.add_argument_group("which difference")
    group.add_argument("--number", metavar="NAME", default="AP", help="AP, AP50, AP75, APs, ... (default: %(default)s)")
    group.add_argument("--shapley", action="store_true", help="parts that no order decides, the means over all orders")
    add_rule_changes(group)
    add_model_arguments(parser, required=False)
    add_detection_arguments(parser, score=0.001)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.set_defaults(run=run, kind="boxes")


def run(arguments: argparse.Namespace) -> int:
    """Print the table or the document on standard output."""
    from minidet.metrics.explain import shapley, walk
    from minidet.metrics.from_dataset import found_columns, truth_columns
    from minidet.metrics.report import TWELVE

    changes = changes_of(arguments)
    a, b = (named(name, changes, option="explain") for name in (arguments.a, arguments.b))
    if arguments.number not in TWELVE:
        raise InputError(f"--number {arguments.number}: not known; expected one of {', '.join(TWELVE)}")
    check_source(arguments)
    if is_straight(arguments):
        truths, detections, *_ = read_columns(arguments)
    else:
        dataset, _ = read_data(arguments, zero_area=a.zero_area)
        found = results(arguments, dataset)
        truths = truth_columns(dataset)
        detections = found_columns(found, dataset, source=arguments.detections or "detections")
    split = shapley if arguments.shapley else walk
    try:
        explanation = split(truths, detections, a, b, number=arguments.number, track=_track)
    except ValueError as error:
        raise InputError(one_line(error)) from None
    document = _document(arguments, explanation)
    if arguments.json:
        print(json.dumps(document, indent=2, allow_nan=False))
    else:
        _print_table(document, explanation)
    return 0


def _track(items: Sequence[Any]) -> Any:
    return progress("evaluating", items)


def _document(arguments: argparse.Namespace, explanation: Any) -> dict[str, Any]:
    """The difference and its parts, decimals of twelve places that add up."""
    start, parts, end = explanation.rounded(JSON_PLACES)
    unit = 10**JSON_PLACES
    return {
        "number": explanation.number,
        "a": {"rules": arguments.a, "value": start / unit},
        "b": {"rules": arguments.b, "value": end / unit},
        "changes": changes_of(arguments),
        "difference": (end - start) / unit,
        "order": "mean over all orders" if arguments.shapley else "as listed",
        "parts": [
            {"cause": p.cause, "field": p.field, "a": _plain(p.before), "b": _plain(p.after), "part": part / unit}
            for p, part in zip(explanation.parts, parts, strict=True)
        ],
    }


def _print_table(document: dict[str, Any], explanation: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    start, parts, end = explanation.rounded(PLACES)
    unit = 10**PLACES
    console = Console(highlight=False)
    table = Table()
    for heading in ("cause", document["a"]["rules"], document["b"]["rules"]):
        table.add_column(heading, overflow="fold")
    table.add_column(explanation.number, justify="right", no_wrap=True)
    table.add_row(f"by {document['a']['rules']}", "", "", f"{start / unit:.{PLACES}f}")
    for part, value in zip(explanation.parts, parts, strict=True):
        table.add_row(part.cause, _text(part.before), _text(part.after), f"{value / unit:+.{PLACES}f}")
    table.add_row(f"by {document['b']['rules']}", "", "", f"{end / unit:.{PLACES}f}", end_section=True)
    table.add_row("difference", "", "", f"{(end - start) / unit:+.{PLACES}f}")
    console.print(table)


def _plain(value: Any) -> Any:
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _text(value: Any) -> str:
    """A value of a field in few letters."""
    if isinstance(value, tuple) and value and isinstance(value[0], float):
        few = [f"{v:.3g}" for v in value]
        return " ".join(few if len(few) < 4 else [*few[:2], "...", few[-1]])
    return " ".join(str(one[0]) for one in value) if isinstance(value, tuple) else str(value).lower()
