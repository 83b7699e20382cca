"""A hash of all that an operator's part of the matrix is made of, so that an old one is seen without a search."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
from importlib import import_module
from importlib.util import resolve_name
from pathlib import Path

import conformance.bugs

from minidet.conformance import Operator, profiles
from minidet.conformance.draws import DRAWS

WITHIN = ("minidet.conformance.", "conformance.bugs.")


def stamp(operator: Operator) -> str:
    """Of the reference and the draws, with the modules of the suite that they import, of the values of conventions, of
    the profile and of the bugs.
    """
    names = {inspect.unwrap(operator.reference).__module__, DRAWS[operator.name].__module__}
    for module, entry in bug_modules().items():
        if operator.name in entry:
            names.add(module)
    every = sorted(closed(names))
    digest = hashlib.sha256()
    for name in every:
        digest.update(name.encode() + b"\0" + path_of(name).read_bytes() + b"\0")
    said = {
        "values": {c.name: [value.name for value in c.values] for c in operator.conventions.values()},
        "profile": dict(profiles()["minidet"][operator.name]),
    }
    digest.update(json.dumps(said, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def bug_modules() -> dict[str, set[str]]:
    """Modules with bugs: the operators that they are of."""
    folder = Path(conformance.bugs.__file__).parent
    names = [f"conformance.bugs.{path.stem}" for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]
    return {name: set(getattr(import_module(name), "BUGS", {})) for name in names}


def closed(names: set[str]) -> set[str]:
    """With the modules of the suite that they import, and those that these import."""
    found: set[str] = set()
    left = set(names)
    while left:
        name = left.pop()
        found.add(name)
        left |= {other for other in imported(name) if other.startswith(WITHIN)} - found
    return found


def imported(name: str) -> set[str]:
    """Modules that one names in its imports; a package counts for nothing, its modules do."""
    path = path_of(name)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module or ""
            found |= {base, *(f"{base}.{one.name}" for one in node.names)}
    return {one for one in found if one.startswith(WITHIN) and (file := _file(one)) and file.name != "__init__.py"}


def path_of(name: str) -> Path:
    """The file of a module."""
    found = _file(name)
    assert found is not None, name
    return found


def _file(name: str) -> Path | None:
    tests = Path(conformance.bugs.__file__).parents[2]
    root = tests if name.startswith("conformance.") else tests.parent
    at = root.joinpath(*name.split("."))
    return next((path for path in (at.with_suffix(".py"), at / "__init__.py") if path.is_file()), None)
