"""Names of classes that lie beside annotations: a plain file, one a line, or those in a ``data.yaml``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from minidet.errors import InputError

from ..names import read_names
from .text import read_lines, strict

#: Looked for in this order.
FILES = ("names.txt", "classes.txt", "obj.names", "data.names")
YAML = ("data.yaml", "data.yml", "dataset.yaml")


def names_in(*folders: Path) -> tuple[str, ...] | None:
    """The names in the first such file of the folders, one a line; None where there is none."""
    for folder in folders:
        for name in FILES:
            if (folder / name).is_file():
                return read_names(folder / name)
    return None


def names_in_yaml(*folders: Path) -> tuple[str, ...] | None:
    """The names in the first ``data.yaml`` of the folders; None where there is none.

    This is no reader of YAML: it knows ``names: [a, b]`` in one line, and a list of ``- a`` or ``0: a`` lines.  Raises
    ``InputError`` for anything else.
    """
    for folder in folders:
        for name in YAML:
            if (folder / name).is_file():
                return _yaml(folder / name)
    return None


def _yaml(path: Path) -> tuple[str, ...]:
    lines = read_lines(path, str(path), strict) or []
    for number, line in enumerate(lines, 1):
        if match := re.match(r"names\s*:(.*)", line):
            rest = match[1].split(" #")[0].strip()
            if rest.startswith("[") and rest.endswith("]"):
                return _named(path, number, [_unquoted(word) for word in rest[1:-1].split(",")])
            if not rest:
                return _named(path, number, _listed(path, lines, number))
            raise _unknown(path, number)
    raise InputError(f"{path}: a line 'names: ...' was expected, found none; write the names to names.txt, one a line")


def _listed(path: Path, lines: Sequence[str], number: int) -> list[str]:
    found: list[str] = []
    for at, line in enumerate(lines[number:], number + 1):
        text = line.split(" #")[0].strip()
        if not text or text.startswith("#"):
            continue
        match = re.fullmatch(r"(?:-\s+(.+)|(\d+)\s*:\s*(.+))", text)
        if match is None or (match[2] and not line[0].isspace()):
            if line[0].isspace() or line.startswith("-"):
                raise _unknown(path, at)
            break  # the next key
        if match[2] and int(match[2]) != len(found):
            raise InputError(f"{path}, line {at}: the name of class {len(found)} was expected, found {text!r}")
        found.append(_unquoted(match[1] or match[3]))
    return found


def _named(path: Path, line: int, names: list[str]) -> tuple[str, ...]:
    if not names or not all(name and name.isprintable() for name in names):
        raise InputError(f"{path}, line {line}: names of classes were expected, found {names}")
    return tuple(names)


def _unknown(path: Path, line: int) -> InputError:
    return InputError(
        f"{path}, line {line}: 'names: [a, b]' or a list of '- a' or '0: a' was expected; write the names to "
        "names.txt, one a line"
    )


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def check_names(names: Sequence[str]) -> None:
    """Raise ``InputError`` for names that a file with one a line cannot hold."""
    for label, name in enumerate(names):
        if not name or name != name.strip() or not name.isprintable():
            raise InputError(f"class {label}: a printable name without blanks at its ends was expected, found {name!r}")
        if name in names[:label]:
            raise InputError(f"class {label}: a name of its own was expected, found {name!r} twice")
