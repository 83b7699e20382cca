"""`minidet cuda check`: compile a CUDA source of one's own, and see what its kernels take."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from minidet.errors import InputError, one_line

DESCRIPTION = """\
Compile FILE for each architecture with NVRTC or nvcc, whichever is here, and print for each kernel the registers a
thread, the shared memory a block, the stack and the spilled registers a thread, in bytes. No GPU is needed. The status
is 1 when a kernel spills. How to see whether it computes the right thing: docs/cuda_on_cpu.md.
"""


def add_parser(parts: Any) -> None:
    """Describe the arguments of `minidet cuda check`."""
    parser = parts.add_parser("check", help="compile a .cu file: registers, memory, spills", description=DESCRIPTION)
    parser.add_argument("file", metavar="FILE", help="the source; its own headers lie beside it")
    parser.add_argument(
        "--arch", metavar="A,A", help="architectures, such as 80,90a (default: those that minidet is compiled for)"
    )
    parser.add_argument("-D", dest="defines", metavar="NAME=VALUE", action="append", default=[], help="define a macro")
    parser.add_argument(
        "--instance",
        metavar="K",
        action="append",
        default=[],
        help="compile this instance of a template: 'tile<float, 16>'",
    )
    parser.add_argument("--fused", action="store_true", help="allow products to be fused with sums (-fmad=true)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the table on standard output; raises `InputError` for what is wrong, the source included."""
    from minidet_kernels.cuda import NoCompilerError, Source
    from minidet_kernels.cuda.compiling import ARCHITECTURES, to_cubin

    path = Path(arguments.file)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    source = Source(
        str(path), path.name, instances=arguments.instance, fused=arguments.fused, **_macros(arguments.defines)
    )
    rows: list[dict[str, Any]] = []
    by = ""
    for architecture in _architectures(arguments.arch, ARCHITECTURES):
        try:
            made = to_cubin(source, architecture)
        except (ValueError, NoCompilerError, OSError) as error:
            raise InputError(one_line(error)) from None
        by = made.by
        rows += [
            {"kernel": name, "architecture": f"sm_{architecture}", **vars(taken)}
            for name, taken in made.resources.items()
        ]
    rows.sort(key=lambda row: str(row["kernel"]))  # architectures stay in their order
    if arguments.json:
        print(json.dumps({"file": str(path), "compiler": by, "kernels": rows}, indent=2))
    else:
        _print_table(rows, by)
    return int(any(row["spilled"] for row in rows))


def _macros(given: list[str]) -> dict[str, str]:
    found = {}
    for text in given:
        name, _, value = text.partition("=")
        if not re.fullmatch(r"[A-Za-z_]\w*", name) or name in ("beside", "name", "instances", "fused"):
            raise InputError(f"-D {text}: expected NAME or NAME=VALUE")
        found[name] = value or "1"
    return found


def _architectures(text: str | None, default: tuple[str, ...]) -> list[str]:
    names = [name.strip().removeprefix("sm_") for name in text.split(",")] if text is not None else list(default)
    for name in names:
        if not re.fullmatch(r"\d{2,3}[af]?", name):
            raise InputError(f"--arch {text}: expected architectures such as 80 or 90a, found {name!r}")
    return names


def _print_table(rows: list[dict[str, Any]], by: str) -> None:
    columns = ("architecture", "registers", "shared", "stack", "spilled")
    width = max([len(str(row["kernel"])) for row in rows] + [6])
    print(f"{'kernel':{width}}  " + "  ".join(f"{name:>9}" for name in columns))
    for row in rows:
        print(f"{row['kernel']:{width}}  " + "  ".join(f"{row[name]:>{max(9, len(name))}}" for name in columns))
    print(f"compiled by {by}")
