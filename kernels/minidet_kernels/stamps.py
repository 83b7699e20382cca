"""What a compiled kernel was made from: its own file, and those of all functions that it may call.

Numba keeps what it compiled until the file of the function changes.  But the machine code holds the functions that it
calls, too, and when one of those lies in another file that changed, as after an update of a checkout, the kept code
goes on with the old one: at worst it reads memory by a layout that no longer exists.  So the stamp by which Numba knows
a kernel of this package covers its file and every file of the package that it imports, one from the other.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent


@cache
def imported(path: Path) -> tuple[Path, ...]:
    """The files of this package that a file of it names in its imports, wherever in it they stand."""
    return tuple(sorted(set(_imported(path))))


def _imported(path: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield from _file(PACKAGE.parent, *name.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            folder = path.parents[node.level - 1] if node.level else PACKAGE.parent
            module = node.module.split(".") if node.module else []
            for name in node.names:  # of a module, or a module itself
                yield from _file(folder, *module, name.name) or _file(folder, *module)


def _file(folder: Path, *module: str) -> list[Path]:
    """The file of a module of this package, or none."""
    place = folder.joinpath(*module)
    found = place / "__init__.py", place.with_suffix(".py")
    return [path for path in found if path.is_file() and PACKAGE in path.parents]


@cache
def sources(path: Path) -> tuple[Path, ...]:
    """The file and all that it imports, directly or not."""
    seen, waiting = {path}, [path]
    while waiting:
        new = set(imported(waiting.pop())) - seen
        seen |= new
        waiting.extend(new)
    return tuple(sorted(seen))


@cache
def stamp(path: Path) -> str:
    """A digest of the names and contents of ``sources(path)``."""
    digest = hashlib.sha256()
    for source in sources(path):
        data = source.read_bytes()
        digest.update(f"{source.relative_to(PACKAGE)} {len(data)}\n".encode() + data)
    return digest.hexdigest()


def watch() -> None:
    """Let Numba know the kernels of this package by their stamps; those of others it knows as before."""
    from numba.core import caching

    kind: Any = caching._SourceFileBackedLocatorMixin
    own = kind.get_source_stamp

    def get_source_stamp(self: Any) -> Any:
        path = Path(self._py_file).resolve()
        return (own(self), stamp(path)) if PACKAGE in path.parents and path.is_file() else own(self)

    kind.get_source_stamp = get_source_stamp
