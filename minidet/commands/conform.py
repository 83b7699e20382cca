"""`minidet conform`: which conventions an implementation follows."""

from __future__ import annotations

import argparse
from typing import Any

from minidet.commands import (
    conform_check,
    conform_conventions,
    conform_fingerprint,
    conform_laws,
    conform_parity,
    conform_record,
    conform_report,
    conform_vectors,
)

PARTS = (
    conform_fingerprint,
    conform_check,
    conform_laws,
    conform_parity,
    conform_report,
    conform_record,
    conform_conventions,
    conform_vectors,
)

DESCRIPTION = """\
Find out which of the conventions that implementations differ in a function follows, by running it on a few inputs that
tell them apart; search for an input on which it departs from them; list the conventions. See docs/conformance.md.
"""

EXAMPLES = """\
examples:
  minidet conform fingerprint torchvision.ops:nms --op nms
  minidet conform fingerprint torchvision.ops:roi_align --op roi_align --with aligned=true
  minidet conform fingerprint mine:suppress --op nms --boxes xywh --arrays list --evidence
  minidet conform check mine:suppress --op nms --profile torchvision-cpu
  minidet conform laws torchvision.ops:batched_nms --op batched_nms
  minidet conform report nms=mine:suppress --html report.html
  minidet conform record --op nms --out folder          inputs as files; answers put beside are recorded:folder
  minidet conform parity theirs.npz --cfg yolov3.cfg --weights yolov3.weights     a whole network, layer by layer
  minidet conform conventions nms                       their values, and who uses which
  minidet conform vectors --out golden                  inputs and right answers as files, for any language
"""


def add_parser(commands: Any) -> None:
    """Describe the arguments of `minidet conform`."""
    parser = commands.add_parser(
        "conform",
        help="which conventions somebody's NMS, IoU, RoIAlign ... follows",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(title="what to do", metavar="WHAT", parser_class=type(parser), required=True)
    for part in PARTS:
        part.add_parser(parts)


def operator_argument(text: str) -> str:
    """The name of an operator of the suite."""
    from minidet.conformance import OPERATORS

    if text not in OPERATORS:
        raise argparse.ArgumentTypeError(f"no operator is named {text!r}; there are {', '.join(OPERATORS)}")
    return text
