"""`minidet cuda list`: every operator's CUDA implementations, what they need, and why they are refused here."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

from minidet.errors import InputError


def add_parser(parts: Any) -> None:
    """Describe the arguments of `minidet cuda list`."""
    parser = parts.add_parser("list", help="every operator's CUDA kernels, and why they do not run here")
    parser.add_argument("operator", nargs="?", metavar="OPERATOR", help="only this operator's (default: all)")
    parser.add_argument("--kernels", action="store_true", help="each kernel with its registers and shared memory")
    parser.add_argument(
        "--arch", default="90a", metavar="A", help="with --kernels: on which GPU (default: sm_%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the list on standard output; raises `InputError` for a name that is none."""
    from minidet_kernels import OPS

    found = [row for row in implementations() if arguments.operator in (None, row["operator"])]
    if arguments.operator is not None and arguments.operator not in OPS:
        raise InputError(f"no operator is named {arguments.operator!r}; there are {', '.join(sorted(OPS))}")
    taken = list(kernels(arguments.arch, {row["module"] for row in found})) if arguments.kernels else []
    if arguments.json:
        print(json.dumps({**here(), "implementations": found, "kernels": taken}, indent=2))
        return 0
    said = here()
    for key, value in said.items():
        print(f"{key:10}{value}")
    print()
    lines = [("operator", "implementation", "needs", "here")]
    for row in found:
        why = "refused: see GPU" if row["refused"] and row["refused"] in said["GPU"] else row["refused"]
        lines.append((row["operator"], row["implementation"], row["needs"], why or "runs"))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())
    if arguments.kernels:
        print(f"\n{'registers':>9}{'shared':>8}{'stack':>7}  kernel (sm_{arguments.arch.removeprefix('sm_')})")
        for row in taken:
            print(f"{row['registers']:>9}{row['shared']:>8}{row['stack']:>7}  {row['kernel']}")
    return 0


def here() -> dict[str, str]:
    """The GPU, the compiler and the folder of what is kept."""
    from minidet_kernels.cuda import compilers, gpu
    from minidet_kernels.cuda.compiling import default_cache

    found = gpu()
    said = f"none: it {found}" if isinstance(found, str) else f"{found.name}, compiled for sm_{found.architecture}"
    return {"GPU": said, "compiler": compilers.missing() or compilers.compiler().name, "kept in": str(default_cache())}


def implementations() -> list[dict[str, Any]]:
    """Every implementation that needs a GPU, slowest first within an operator."""
    from minidet_kernels import OPS

    return [
        {
            "operator": op.name,
            "implementation": impl.name,
            "needs": ", ".join(impl.needs),
            "refused": impl.missing(),
            "module": impl.target.partition(":")[0],
        }
        for op in OPS.values()
        for impl in op.impls.values()
        if "cupy" in impl.arrays and impl.needs
    ]


def kernels(architecture: str, modules: set[str]) -> Iterator[dict[str, Any]]:
    """The kernels of these modules' sources, with what the table of budgets says of them."""
    import importlib

    from minidet_kernels.cuda import Source, budgets
    from minidet_kernels.cuda.every import title

    _, table = budgets.read()
    wanted = architecture.removeprefix("sm_")
    known = sorted({name for row in table.values() for name in row})
    if wanted not in known:
        raise InputError(f"--arch {architecture}: the table of kernels is for sm_{', sm_'.join(known)}")
    titles: dict[str, None] = {}
    for module in sorted(name for name in modules if name.rpartition(".")[2].startswith("cuda")):
        for value in vars(importlib.import_module(module)).values():
            every = value.values() if isinstance(value, dict) else [value]
            titles |= {title(one): None for one in every if isinstance(one, Source)}
    for name, row in table.items():
        if name.partition(": ")[0] in titles and wanted in row:
            registers, shared, stack = (*row[wanted], 0)[:3]
            yield {"kernel": name, "registers": registers, "shared": shared, "stack": stack}
