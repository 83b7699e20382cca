"""`minidet data check`: every defect of a data set."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from minidet.commands.data_source import add_source, names_of
from minidet.errors import one_line

DESCRIPTION = """\
List everything that is wrong with a data set, a line each: FILE:LINE: KIND: what. All splits are looked at, and every
picture is decoded. The exit status is 1 where there is an error, 0 where there is nothing or warnings alone.
"""


def add_parser(commands: Any) -> None:
    """Describe the arguments of `minidet data check`."""
    parser = commands.add_parser("check", help="list every defect, with file and line", description=DESCRIPTION)
    add_source(parser, split=False, policy=False)
    parser.add_argument("--quick", action="store_true", help="look at the heads of pictures alone")
    parser.add_argument("--no-warnings", action="store_true", help="list errors alone")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List, count, and tell by the exit status."""
    from minidet.data.check import check

    with Bar() as progress:
        found = check(
            arguments.path,
            format=arguments.format,
            names=names_of(arguments),
            quick=arguments.quick,
            progress=progress,
        )
    errors = sum(not defect.warning for defect in found)
    warnings = len(found) - errors
    shown = [defect for defect in found if not (arguments.no_warnings and defect.warning)]
    if arguments.json:
        rows = [
            {
                "kind": defect.kind,
                "level": "warning" if defect.warning else "error",
                "file": defect.file,
                "line": defect.line or None,
                "what": defect.what,
            }
            for defect in shown
        ]
        document = {"path": str(arguments.path), "errors": errors, "warnings": warnings, "defects": rows}
        print(json.dumps(document, indent=2))
        return 1 if errors else 0
    for defect in shown:
        place = f"{defect.file}:{defect.line}" if defect.line else defect.file
        print(one_line(f"{place}: {defect.kind}: {defect.what}"))
    kinds: dict[str, int] = {}
    for defect in found:
        kinds[defect.kind] = kinds.get(defect.kind, 0) + 1
    counts = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items(), key=lambda item: -item[1]))
    said = ", ".join(f"{n} {what}{'' if n == 1 else 's'}" for n, what in ((errors, "error"), (warnings, "warning")))
    print(f"{said}{f' ({counts})' if counts else ''}")
    return 1 if errors else 0


class Bar:
    """A bar on standard error where someone is looking: gives a function to tell it of pictures done, or None."""

    def __enter__(self) -> Any:
        self.bar: Any = None
        if not sys.stderr.isatty():
            return None
        from rich.console import Console
        from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

        columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self.bar.start()
        task = self.bar.add_task("looking at pictures", total=None)
        return lambda done, total: self.bar.update(task, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()
