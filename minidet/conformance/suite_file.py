"""Which targets a whole run has: a TOML file, or ``OP=TARGET`` arguments.

A table for each operator, or several ``[[nms]]`` for several targets::

    ledger = "known.toml"        # defaults of all; each may stand in a table, too
    [nms]
    target = "mine:suppress"
    profile = "torchvision-cpu"
    boxes = "xywh"
    without = ["has_nan"]
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import InputError, one_line
from .declared import Declared
from .ledger import read as read_ledger
from .operators import OPERATORS
from .suite import Asked

_TEXTS = {"target": "target", "arrays": "arrays", "boxes": "form", "device": "device", "dtype": "dtype"}
_KEYS = (*_TEXTS, "limit", "with", "profile", "without", "ledger")


def read(path: str | Path) -> list[Asked]:
    """The targets of a file, in its order; raises `InputError`, one line with the file and the table."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            held = tomllib.load(file)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not TOML: {one_line(error)}") from None
    common = {key: value for key, value in held.items() if not _is_table(value) or key == "with"}
    found = []
    for name, tables in held.items():
        if name in common:
            continue
        if name not in OPERATORS:
            raise InputError(f"{path}: no operator is named {name!r}; there are {', '.join(OPERATORS)}")
        for table in tables if isinstance(tables, list) else [tables]:
            try:
                found.append(_asked(name, {**common, **table}, path.parent))
            except InputError as error:
                raise InputError(f"{path}: [{name}]: {error}") from None
    if not found:
        raise InputError(f"{path}: names no target; expected a table as [nms] with target = 'module:function'")
    return found


def of_argument(text: str, defaults: Declared | None = None) -> Asked:
    """``nms=mine:suppress``; raises `InputError`."""
    name, equals, target = text.partition("=")
    if not equals or not target:
        raise InputError(f"{text!r}: expected a file of targets, FILE.toml, or OP=TARGET, as nms=mine:suppress")
    if name not in OPERATORS:
        raise InputError(f"{text!r}: no operator is named {name!r}; there are {', '.join(OPERATORS)}")
    operator = OPERATORS[name]
    return Asked(replace(defaults, operator=operator, target=target) if defaults else Declared(operator, target))


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict) for one in value))


def _asked(name: str, table: Mapping[str, Any], folder: Path) -> Asked:
    if unknown := [key for key in table if key not in _KEYS]:
        raise InputError(f"no key is named {unknown[0]!r}; there are {', '.join(_KEYS)}")
    if "target" not in table:
        raise InputError("target is missing")
    for key in (*_TEXTS, "profile", "ledger"):
        if not isinstance(table.get(key, ""), str):
            raise InputError(f"{key}: expected text")
    without, extra, limit = table.get("without", []), table.get("with", {}), table.get("limit", 10.0)
    if not (isinstance(without, list) and all(isinstance(one, str) for one in without)):
        raise InputError("without: expected a list of predicates, as ['has_nan']")
    if not isinstance(extra, dict):
        raise InputError("with: expected a table of keywords")
    if isinstance(limit, bool) or not isinstance(limit, int | float):
        raise InputError("limit: expected seconds")
    given: dict[str, Any] = {field: table[key] for key, field in _TEXTS.items() if key in table}
    declared = Declared(OPERATORS[name], extra=extra, limit=float(limit), **given)
    known = tuple(read_ledger(folder / table["ledger"])) if table.get("ledger") else ()
    asked = Asked(declared, table.get("profile", ""), tuple(without), known)
    asked.dialect(), asked.skip()
    return asked
