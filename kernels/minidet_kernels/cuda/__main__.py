"""``python -m minidet_kernels.cuda``: what the kernels take, checked and written."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from . import budgets, compilers, counts, sass
from .compiling import ARCHITECTURES
from .errors import NoCompilerError
from .every import Made, compile_all, sources


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 1 when something is over its budget, 2 when nothing can be compiled."""
    parser = argparse.ArgumentParser(prog="python -m minidet_kernels.cuda", description="CUDA kernels without a GPU.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    one = commands.add_parser(
        "budgets", help="registers and shared memory of every kernel", description=budgets.__doc__
    )
    one.formatter_class = argparse.RawDescriptionHelpFormatter
    what = one.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="compare with the table; 1 if a kernel takes more")
    what.add_argument("--write", action="store_true", help="write the table anew")
    one.add_argument("only", nargs="?", default="", help="only sources whose path contains this: overlap, match.cu")
    one.add_argument("--jobs", type=int, metavar="N", help="processes (default: one for each processor)")
    one.set_defaults(run=run_budgets)
    two = commands.add_parser("counts", help="instructions of every kernel's main loop (needs nvdisasm)")
    two.add_argument("only", nargs="?", default="", help="only sources whose path contains this")
    two.add_argument("--write", metavar="PAGE", help="as a page (docs/cuda_counts.md) instead of standard output")
    two.set_defaults(run=run_counts)
    arguments = parser.parse_args(argv)
    if (why := compilers.missing()) is not None:
        print(why, file=sys.stderr)
        return 2
    status: int = arguments.run(arguments)
    return status


def run_budgets(arguments: argparse.Namespace) -> int:
    """Check or write the table; complaints on standard output."""
    by, table = budgets.read()
    found, wrong = budgets.measured(_told(compile_all(only=arguments.only, jobs=arguments.jobs)))
    if arguments.write:
        name = budgets.release(compilers.compiler().name)
        if arguments.only and by not in ("", name):
            wrong.append(f"the table was made by {by}, this is {name}: write it whole")
        else:
            kept = {
                key: row for key, row in table.items() if arguments.only and arguments.only not in key.split(": ")[0]
            }
            budgets.write(name, kept | found)
    else:
        wrong += budgets.compared(found, table, exact=budgets.same_compiler(by))
        wrong += budgets.stale(found, table, arguments.only)
    print("\n".join([*wrong, f"{len(found)} kernels, {len(wrong)} complaints"]))
    return int(bool(wrong))


def run_counts(arguments: argparse.Namespace) -> int:
    """Print or write the table of instructions."""
    try:
        sass.disassembler()
    except NoCompilerError as error:
        print(error, file=sys.stderr)
        return 2
    page = counts.page(compile_all(["90a"], only=arguments.only), compilers.compiler().name)
    if arguments.write:
        Path(arguments.write).write_text(page, "utf-8")
    else:
        print(page, end="")
    return 0


def _told(every: Iterable[Made]) -> Iterator[Made]:
    """Say on a terminal how far it is."""
    total = len(sources()) * len(ARCHITECTURES)
    for number, made in enumerate(every, 1):
        if sys.stderr.isatty():
            print(f"\r{number}/{total}", end="", file=sys.stderr, flush=True)
        yield made
    if sys.stderr.isatty():
        print(file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
