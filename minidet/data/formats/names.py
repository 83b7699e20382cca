"""The plain file of class names that may lie beside annotations."""

from __future__ import annotations

from pathlib import Path

from ..names import read_names

#: Looked for in this order.
FILES = ("names.txt", "classes.txt", "obj.names", "data.names")


def names_in(*folders: Path) -> tuple[str, ...] | None:
    """The names in the first such file of the folders, one a line; None where there is none."""
    for folder in folders:
        for name in FILES:
            if (folder / name).is_file():
                return read_names(folder / name)
    return None
