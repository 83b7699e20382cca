"""`minidet conform report`: everything of the suite on one target or many, and a page of HTML."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minidet.commands.conform_target import add_how, add_leaving_out, add_search, known_of
from minidet.errors import InputError

if TYPE_CHECKING:
    from minidet.conformance.suite import Asked, Report

DESCRIPTION = """\
Fingerprint, known divergences, search and laws for every target, and one verdict each. Targets are named by a file,
TARGETS.toml, with a table for each operator, or as OP=TARGET. The report is always written, whatever a target does.
Exit status 1 where a target that was given does not pass.
"""

EXAMPLES = """\
examples:
  minidet conform report nms=mine:suppress iou=mine:overlaps --html report.html
  minidet conform report targets.toml --html report.html --json report.json
"""


def add_parser(parts: Any) -> None:
    """Describe the arguments of `minidet conform report`."""
    parser = parts.add_parser(
        "report",
        help="everything on one target or many, as a page of HTML",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("targets", nargs="+", metavar="TARGETS", help="FILE.toml, or OP=TARGET")
    add_how(parser)
    add_search(parser, examples=200, what="inputs to draw for each target")
    add_leaving_out(parser)
    parser.add_argument(
        "--budget", type=float, default=120.0, metavar="S",
        help="seconds for each of fingerprint, search and laws of a target (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument("--html", type=Path, metavar="FILE", help="write one page that needs nothing else")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it for programs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the verdicts on standard output, and write the files."""
    from minidet.conformance import suite
    from minidet.conformance.html import page
    from minidet.conformance.report_suite import as_json, text
    from minidet.files import write_text

    if arguments.examples < 1:
        raise InputError(f"--examples {arguments.examples}: expected at least 1")
    if not arguments.budget > 0:
        raise InputError(f"--budget {arguments.budget:g}: expected seconds above 0")
    everything = asked(arguments)
    for option, path in (("--html", arguments.html), ("--json", arguments.json)):
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            raise InputError(f"{option} {path}: expected a file in a folder that is there")
    with looking(everything) as say:
        report: Report = suite.run(
            everything, examples=arguments.examples, seed=arguments.seed, budget=arguments.budget, say=say
        )
    for path, content in (
        (arguments.html, page),
        (arguments.json, lambda one: json.dumps(as_json(one), indent=2) + "\n"),
    ):
        if path is not None:
            try:
                write_text(path, content(report))
            except OSError as error:
                raise InputError(f"{path}: {error.strerror or error}") from None
    print(text(report))
    if report.interrupted:
        return 130
    return 0 if report.passes else 1


def asked(arguments: argparse.Namespace) -> list[Asked]:
    """What the arguments name; raises `InputError` for what is wrong with any of it, before anything is run."""
    from minidet.conformance import OPERATORS
    from minidet.conformance.declared import Declared
    from minidet.conformance.suite_file import of_argument, read

    some = next(iter(OPERATORS.values()))
    defaults = Declared(
        some, "", arguments.arrays, arguments.boxes, arguments.device, arguments.dtype, dict(arguments.extra),
        arguments.limit,
    )  # fmt: skip
    known, found = known_of(arguments), list["Asked"]()
    for one in arguments.targets:
        if "=" not in one and one.endswith(".toml"):
            found += read(one)
        else:
            found.append(replace(of_argument(one, defaults), profile=arguments.profile or ""))
    found = [replace(one, known=one.known or known, without=(*one.without, *arguments.without)) for one in found]
    for one in found:
        one.dialect(), one.skip()
    return found


@contextmanager
def looking(everything: list[Asked]) -> Iterator[Callable[[Asked, str], None]]:
    """A function that shows, on standard error, what is being done; silent where nobody is looking."""
    if not sys.stderr.isatty():
        yield lambda one, step: None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    steps = ("starting", "fingerprint", "ledger", "search", "laws")
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=len(everything) * len(steps))

        def say(one: Asked, step: str) -> None:
            done = next(i for i, other in enumerate(everything) if other is one) * len(steps) + steps.index(step)
            bar.update(task, completed=done, description=f"{one.declared.operator.name} {one.declared.target}: {step}")

        yield say
