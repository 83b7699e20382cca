"""`minidet facts`: the layers of a network, its parameters, operations and boxes."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from typing import Any

from minidet.commands.load import size_argument
from minidet.errors import InputError

DESCRIPTION = """\
Print the layers of a network with their shapes, parameters and operations. MODEL is a name (yolov3, yolov3-tiny,
yolov3-spp) or the path of a Darknet cfg. No weights are needed, and nothing is computed.

A multiply-add counts as one MAC; as floating point operations (FLOPs) some count it as one and others, Darknet among
them, as two: the table has both.
"""

EXAMPLES = """\
examples:
  minidet facts yolov3 --size 416
  minidet facts yolov4.cfg --size 512x608
  minidet facts yolov3-tiny --classes 20 --json
"""


def add_parser(commands: Any) -> None:
    """Describe the arguments of `minidet facts`."""
    parser = commands.add_parser(
        "facts",
        help="layers, shapes, parameters, operations and boxes of a network",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="name of a network, or path of a Darknet cfg")
    parser.add_argument(
        "--size", metavar="N|HxW", type=size_argument, help="input size, height first (default: the network's own)"
    )
    parser.add_argument(
        "--classes", metavar="N", type=int,
        help="number of classes as the network's authors count, SSD's with 'nothing' as one (default: its own)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the sums as one JSON object instead of a table")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the facts on standard output; raises `InputError` for what is wrong."""
    from minidet import nn
    from minidet.facts import facts
    from minidet.models import COUNT_NOTHING

    nothing = int(arguments.model in COUNT_NOTHING)
    classes = None if arguments.classes is None else arguments.classes - nothing
    with nn.init.skipped():
        net = build_network(arguments.model, {"size": arguments.size, "classes": classes})
    found = facts(net, name=arguments.model)
    if arguments.json:
        more = {"classes.with_nothing": found.classes + 1} if nothing else {}
        print(json.dumps(found.to_dict() | more, indent=2))
    else:
        _print_table(found)
    return 0


def build_network(name: str, given: Mapping[str, Any]) -> Any:
    """The network of that name, or of the cfg at that path, with the options that are not `None`."""
    from minidet import models

    options = {key: value for key, value in given.items() if value is not None}
    if name in models.NAMES:
        return models.build(name, **options)
    if not os.path.exists(name) and not name.endswith(".cfg") and os.sep not in name:
        raise InputError(
            f"{name!r} is neither the name of a network nor a file; the names are {', '.join(models.NAMES)}"
        )
    from minidet.darknet.network import DarknetNetwork

    return DarknetNetwork(name, **options)


def _print_table(found: Any) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    h, w = found.size
    table = Table(
        title=f"{found.name}, input {h} x {w} (height x width), {found.classes} classes",
        title_justify="left",
        caption="FLOPs 1: a multiply-add counted as one operation (MAC); FLOPs 2: counted as two, as Darknet does",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_footer=True,
    )
    for header, footer in (("layer", "sum"), ("kind", f"{found.conv_layers} convolutions")):
        table.add_column(header, footer, overflow="fold")
    sums = ("", found.trainable, found.macs, 2 * found.macs, found.boxes)
    for header, total in zip(("output C x H x W", "parameters", "FLOPs 1", "FLOPs 2", "boxes"), sums, strict=True):
        table.add_column(header, _number(total), justify="right", no_wrap=True)
    for row in found.layers:
        shape = " x ".join(map(str, row.shape))
        numbers = (row.parameters, row.macs, row.flops, row.boxes)
        table.add_row(row.name, row.kind, shape, *(_number(n) for n in numbers))
    console = Console(width=None if _is_terminal() else 120, highlight=False)
    console.print(table)
    console.print(f"trainable parameters    {found.trainable:,}")
    console.print(f"numbers in a file       {found.in_file:,} (with the running statistics of batch norm)")
    conv = f"{found.conv_layers} layers, {2 * found.conv_macs / 1e9:.3f} GFLOPs at two a multiply-add"
    console.print(f"convolutions            {conv}")
    console.print(f"boxes                   {found.boxes:,}")


def _is_terminal() -> bool:
    import sys

    return sys.stdout.isatty()


def _number(value: Any) -> str:
    return f"{value:,}" if value else ""
