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
    """The files of this package that a file of it imports anywhere in it, the packages around them included."""
    return tuple(sorted(set(_imported(path))))


def _imported(path: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield from _files(Path(*name.name.split(".")), PACKAGE.parent)
        elif isinstance(node, ast.ImportFrom):
            folder = path.parents[node.level - 1] if node.level else PACKAGE.parent
            module = Path(*node.module.split(".")) if node.module else Path()
            yield from _files(module, folder)
            for name in node.names:  # which may be modules
                yield from _files(module / name.name, folder)


def _files(module: Path, folder: Path) -> Iterator[Path]:
    for found in (folder / module / "__init__.py", (folder / module).with_suffix(".py")):
        if found.is_file() and PACKAGE in found.parents:
            yield found


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
