"""A progress bar for someone who is looking."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


@contextmanager
def progress(what: str, items: Sequence[Item]) -> Iterator[Iterator[Item]]:
    """The items one by one, with a bar on standard error when there are several and someone is looking."""
    if len(items) < 2 or not sys.stderr.isatty():
        yield iter(items)
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield iter(bar.track(items, description=what))
