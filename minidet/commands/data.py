"""`minidet data`: look at data sets, mend them, and turn one format into another."""

from __future__ import annotations

import argparse
from typing import Any

from minidet.commands import data_anchors, data_assign, data_check, data_convert, data_show, data_split

PARTS = (data_check, data_show, data_convert, data_split, data_anchors, data_assign)

DESCRIPTION = """\
Look at a data set, convert it, split it, make anchors for it. PATH is a folder, or a COCO JSON file; the format is the
one that lies there (voc, coco, yolo, masks: see docs/data.md) unless --format says it.
"""

EXAMPLES = """\
examples:
  minidet data check bccd                                      every defect, with file and line
  minidet data show bccd --out seen                            pictures with what is annotated drawn on them
  minidet data convert bccd bccd-coco --to coco --split train  VOC XML to COCO JSON
  minidet data split bccd --parts train=80 val=20 --stratify   lists of pictures, drawn from a seed
  minidet data anchors bccd --count 9 --size 416               k-means by IoU, and how well they fit
  minidet data assign bccd --model ssd-small --out seen        which prior answers for which truth
"""


def add_parser(commands: Any) -> None:
    """Describe the arguments of `minidet data`."""
    parser = commands.add_parser(
        "data",
        help="check, show, convert and split data sets; anchors",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(title="what to do", metavar="WHAT", parser_class=type(parser), required=True)
    for part in PARTS:
        part.add_parser(parts)
