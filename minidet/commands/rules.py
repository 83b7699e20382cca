"""`--rules NAME` and `--set field=value`: by which rules is evaluated."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from minidet.errors import InputError, one_line

if TYPE_CHECKING:
    from minidet.metrics.rules import Rules  # whose module takes a third of the time that the command line starts in


def named(name: str, changes: Sequence[str] = (), *, option: str = "--rules", kind: str = "boxes") -> Rules:
    """The rules called `name` for a kind of thing, with each `field=value` of `changes` applied.

    Raises `InputError`.
    """
    from minidet.metrics.coco import rules_for
    from minidet.metrics.rules import RULES, Rules

    if name not in RULES:
        raise InputError(f"{option} {name}: not known; expected one of {', '.join(RULES)}")
    values: dict[str, Any] = {}
    for change in changes:
        field, separator, text = change.partition("=")
        if not separator or field not in {f.name for f in fields(Rules)}:
            known = ", ".join(f.name for f in fields(Rules))
            raise InputError(f"--set {change}: expected FIELD=VALUE with one of the fields {known}")
        values[field] = _value(field, text)
    try:
        return replace(rules_for(name, kind), **values)  # type: ignore[arg-type]
    except ValueError as error:
        raise InputError(f"--set: {one_line(error)}") from None


def as_json(rules: Rules) -> dict[str, Any]:
    """Every field of the rules as plain values."""
    return {
        **asdict(rules),
        "thresholds": list(rules.thresholds),
        "areas": {name: [low, high] for name, low, high in rules.areas},
    }


def add_rule_changes(parser: Any) -> None:
    """`--set` and `--zero-area`, which change single fields."""
    parser.add_argument(
        "--set",
        metavar="FIELD=VALUE",
        dest="changes",
        action="append",
        default=[],
        help="change one of the rules, such as thresholds=0.5 or match=best; may be given again",
    )
    parser.add_argument(
        "--zero-area",
        choices=("count", "drop"),
        help="truths without width or height: count them as missed, or drop (and tell how many)",
    )


def changes_of(arguments: argparse.Namespace) -> list[str]:
    """All changes that the arguments ask for, in the form of `--set`."""
    return [*arguments.changes, *([f"zero_area={arguments.zero_area}"] if arguments.zero_area else [])]


def _value(field: str, text: str) -> Any:
    """The value that a text means in that field."""
    if field == "areas":
        return _areas(text)
    from minidet.metrics.rules import Rules

    choices = [c for c in get_args(get_type_hints(Rules)[field]) if isinstance(c, str)]
    try:
        if field == "thresholds":
            return tuple(float(part) for part in text.split(","))
        if choices:
            return text  # Rules checks it
        if text.lower() == "none":
            return None
        return int(text) if field == "limit" else float(text)
    except ValueError:
        expected = {"thresholds": "numbers with commas between", "limit": "a whole number or none"}
        raise InputError(f"--set {field}={text}: expected {expected.get(field, 'a number or none')}") from None


def _areas(text: str) -> tuple[tuple[str, float, float], ...]:
    """Ranges as JSON, `{"all": [0, 1e10], "tiny": [0, 64]}`."""
    try:
        return tuple((str(name), float(low), float(high)) for name, (low, high) in json.loads(text).items())
    except (ValueError, TypeError, AttributeError):
        expected = '{"all": [0, 1e10], "tiny": [0, 64]}'
        raise InputError(f"--set areas={text}: expected JSON such as {expected}") from None
