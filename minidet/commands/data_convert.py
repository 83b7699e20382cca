"""`minidet data convert`: a data set in another format."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minidet.commands.data_source import FORMATS, add_source, read_source, say

DESCRIPTION = """\
Write a data set in another format into a new folder, which appears whole or not at all. What was dropped on the way,
and what the new format cannot hold, is counted on standard error.
"""


def add_parser(commands: Any) -> None:
    """Describe the arguments of `minidet data convert`."""
    parser = commands.add_parser("convert", help="write a data set in another format", description=DESCRIPTION)
    add_source(parser)
    parser.add_argument("target", metavar="TARGET", type=Path, help="new or empty folder")
    parser.add_argument("--to", choices=FORMATS, required=True, help="format to write")
    parser.add_argument(
        "--images",
        choices=("copy", "link", "none"),
        default="copy",
        help="pictures: copied, given a second name on the same disk, or left out (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Convert."""
    from minidet.data.formats import write_dataset

    dataset = read_source(arguments, with_masks=arguments.to != "voc")
    written = write_dataset(
        dataset, arguments.target, format=arguments.to, images=arguments.images, split=arguments.split
    )
    say(*written.lines())
    return 0
