"""A progress bar on standard error, or a few plain lines where that is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

#: Called with the number of steps done and a short note, such as the loss.
Report = Callable[[int, str], None]


@contextmanager
def progress(what: str, total: int, console: Console | None = None, *, done: int = 0) -> Iterator[Report]:
    """Show how far ``what`` has come of ``total`` steps, the note of the last report, and the time left.

    ``done`` steps were made before, in a time that does not count.
    Without a terminal a line is printed at every tenth of the way.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = console or Console(stderr=True)
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(what, total=total, completed=done, note="")
            yield lambda at, note: bar.update(task, completed=at, note=note)
        return
    start, printed = time.monotonic(), 10 * done // max(total, 1)

    def report(at: int, note: str) -> None:
        nonlocal printed
        tenth = 10 * at // max(total, 1)
        if tenth > printed:
            printed = tenth
            spent = time.monotonic() - start
            left = f"{spent / (at - done) * (total - at):.0f} s left" if at < total else f"{spent:.0f} s"
            line = ", ".join(part for part in (f"{what} {at}/{total}", note, left) if part)
            console.print(line, highlight=False, soft_wrap=True)

    yield report
