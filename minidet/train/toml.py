"""A writer of TOML for settings: the reader, ``tomllib``, is in Python, the writer is not.

Only what settings are made of: booleans, numbers, strings, lists of these, and tables of them.  ``tomllib.loads`` of
the text gives back the same values (tuples as lists), floats to the last bit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def dumps(document: Mapping[str, Any], *, comments: Mapping[str, str] | None = None) -> str:
    """``document`` as TOML text; ``comments`` gives a remark for the line of a setting, named ``table.key``."""
    lines: list[str] = []
    remarks = comments or {}
    plain = {key: value for key, value in document.items() if not isinstance(value, Mapping)}
    for key, value in plain.items():
        lines.append(_line(key, value, remarks.get(key)))
    for name, table in document.items():
        if isinstance(table, Mapping):
            lines += ["", f"[{_key(name)}]"] if lines else [f"[{_key(name)}]"]
            lines += [_line(key, value, remarks.get(f"{name}.{key}")) for key, value in table.items()]
    return "\n".join(lines) + "\n"


def _line(key: str, value: Any, remark: str | None) -> str:
    text = f"{_key(key)} = {literal(value)}"
    return f"{text}  # {remark}" if remark else text


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _string(name)


def literal(value: Any) -> str:
    """One value as TOML writes it; mappings as inline tables.  ``TypeError`` for what TOML has no word for."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if math.isnan(value) or math.isinf(value):
            return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
        text = repr(value)  # the shortest that reads back as the same number
        return text if "." in text or "e" in text else f"{text}.0"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(literal(item) for item in value)}]"
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(str(key))} = {literal(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    raise TypeError(f"a setting cannot be {value!r} of type {type(value).__name__}")


def _string(text: str) -> str:
    """A basic string; every control character is escaped."""
    return '"' + "".join(_ESCAPES.get(c) or (c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}") for c in text) + '"'
