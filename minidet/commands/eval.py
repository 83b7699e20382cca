"""`minidet eval`: how good detections are, by rules that are named."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

from minidet.commands import eval_explain
from minidet.commands.eval_data import add_data_arguments, check_source, read_data, read_results, results
from minidet.commands.eval_recorded import KINDS, dataset_columns, is_straight, numbers_and_classes, read_columns
from minidet.commands.load import add_model_arguments, fraction_argument
from minidet.commands.options import add_detection_arguments
from minidet.commands.rules import add_rule_changes, as_json, changes_of, named
from minidet.errors import InputError

FILES = ("metrics.json", "detections.json", "pr.png", "confusion.png")

DESCRIPTION = """\
Score detections against the truths of a data set: those of a network that is run over every image, or recorded ones in
COCO's results format. There are many things called "mAP": --rules says which one, and --set changes single choices.
'minidet eval explain A B' splits the difference between two of them into its causes (see its --help).
"""

EXAMPLES = """\
examples:
  minidet eval --data bccd --split val --cfg cells.cfg --weights cells.weights --out scored
  minidet eval --data instances_val2017.json --detections results.json --rules pycocotools --json
  minidet eval --data instances_val2017.json --detections masks.json --kind masks
  minidet eval --data nuclei --split train[-8:] --kind masks --model mask-rcnn-r18-fpn-small --weights n.safetensors
  minidet eval --data VOCdevkit/VOC2007 --split test --detections results.json --rules voc2007
  minidet eval --data bccd --detections scored/detections.json --set thresholds=0.5 --zero-area drop
  minidet eval explain coco voc2007 --data bccd --split val --detections scored/detections.json
"""


def add_parser(commands: Any) -> None:
    """Describe the arguments of `minidet eval`."""
    parser = commands.add_parser(
        "eval",
        help="score detections on a data set; say why two scores differ",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    explain = parser.add_subparsers(title="instead of scoring", metavar="explain", required=False)
    eval_explain.add_parser(explain)
    add_data_arguments(parser)
    group = parser.add_argument_group("which score")
    group.add_argument("--rules", metavar="NAME", default="coco", help="see docs/metrics.md (default: %(default)s)")
    add_rule_changes(group)
    group.add_argument(
        "--kind",
        choices=KINDS,
        default="boxes",
        help="what is compared; masks and keypoints need truths that have them",
    )
    group.add_argument(
        "--at",
        type=fraction_argument,
        metavar="SCORE",
        help="score for precision, recall, F1 and the confusion matrix (default: that of the best F1)",
    )
    add_model_arguments(parser, required=False)
    add_detection_arguments(parser, score=0.001)
    group = parser.add_argument_group("results")
    group.add_argument("--out", metavar="DIR", type=Path, help=f"write {', '.join(FILES)} there, replacing old ones")
    group.add_argument("--no-plots", action="store_true", help="write no pictures, which need matplotlib")
    group.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score, and only then write: tables or JSON on standard output, files in `--out`."""
    from minidet.commands.outputs import check_folder
    from minidet.metrics.summary import summarise

    rules = named(arguments.rules, changes_of(arguments), kind=arguments.kind)
    straight = is_straight(arguments)
    check_source(arguments)
    if arguments.out:
        if arguments.kind != "boxes":
            raise InputError(f"--out: holds what there is of boxes alone; for {arguments.kind} use --json")
        check_folder(arguments.out, FILES, [])
        if not arguments.no_plots:
            from minidet.metrics.plots import need_matplotlib

            need_matplotlib()
    summary, dropped = None, 0
    if straight:
        columns = read_columns(arguments)
        found = read_results(arguments.detections) if arguments.out else []
    else:
        dataset, dropped = read_data(arguments, zero_area=rules.zero_area)
        found = results(arguments, dataset)
        columns = dataset_columns(arguments, dataset, found)
    if arguments.kind == "boxes":
        summary = summarise(columns.truths, columns.found, rules, columns.names, at=arguments.at)
        measured = summary.to_dict()
    else:
        measured = numbers_and_classes(columns, rules, arguments.kind)
    document = _document(arguments, rules, columns, measured)
    document["dropped"] += dropped
    if arguments.out:
        _write(arguments, summary, columns.names, found, document)
    if arguments.json:
        print(json.dumps(document, indent=2, allow_nan=False))
    else:
        from minidet.commands.eval_tables import print_tables

        print_tables(document)
    if arguments.out:
        print(f"minidet: wrote the results to {arguments.out}", file=sys.stderr)
    return 0


def _document(arguments: argparse.Namespace, rules: Any, columns: Any, measured: Any) -> dict[str, Any]:
    """What was measured, and by which rules, as plain values for JSON; null for a number that is not there."""
    import minidet

    source = {"detections": arguments.detections}
    if not arguments.detections:
        keys = ("cfg", "model", "weights", "score", "nms", "nms_kind", "placement", "resize", "device")
        source = {key: getattr(arguments, key) for key in keys}
    return {
        "minidet": minidet.__version__,
        "data": {
            "path": arguments.data,
            "split": arguments.split,
            "images": columns.images,
            "names": list(columns.names),
        },
        "source": source,
        "kind": arguments.kind,
        "rules": {"name": arguments.rules, "changes": changes_of(arguments), **_plain(as_json(rules))},
        **_plain(measured),
    }


def _plain(value: Any) -> Any:
    """The value with NaN and infinity as None, which JSON can hold."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write(arguments: argparse.Namespace, summary: Any, names: Any, found: Any, document: dict[str, Any]) -> None:
    """The files into `--out`, all or none."""
    from minidet.commands.outputs import all_or_nothing
    from minidet.files import write_text

    try:
        with all_or_nothing(arguments.out) as stage:
            write_text(stage / "metrics.json", json.dumps(document, indent=2, allow_nan=False) + "\n")
            write_text(stage / "detections.json", json.dumps(found, allow_nan=False) + "\n")
            if not arguments.no_plots:
                from minidet.metrics.plots import save_confusion, save_curves

                save_curves(summary.curves, names, stage / "pr.png")
                title = f"score from {summary.at:.3f}" if math.isfinite(summary.at) else ""
                save_confusion(summary.confusion, names, stage / "confusion.png", title=title)
    except OSError as error:
        raise InputError(f"--out {arguments.out}: cannot be written: {error.strerror or error}") from None
