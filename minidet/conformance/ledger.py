"""A ledger of known divergences: which inputs, why, until when, and one input on which it is seen, replayed strictly.

An entry is a table ``[[known]]`` of a TOML file::

    [[known]]
    operator = "nms"
    target = "mine:suppress"            # without it, of every target
    when = ["has_ties"]                 # predicates.py; all of them together
    reason = "our scores are quantised; the order of equal ones is not promised"
    link = "https://example.org/issues/7"
    expires = 2030-01-31
    dialect = { ties = "lowest" }       # where it is not the operator's first value
    verdict = "diverges"
    [known.inputs]
    boxes = { float32 = [[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]] }
    scores = { float32 = [0.5, 0.5] }
    threshold = 0.5
    [known.answers]
    answer = { int64 = [1] }

A random search leaves out what meets the predicates; the one stored input must be answered as it was.  So neither a
divergence that is gone nor one that has changed stays unnoticed, and no run depends on luck.
"""

from __future__ import annotations

import datetime
import json
import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, one_line
from ..files import write_text
from .answers import Arrays, same
from .check import PASSES, Verdict, word
from .operators import OPERATORS, Dialect, Inputs, Operator
from .predicates import Holds, of_these, parse
from .target import Caller, Outcome

#: For how many days an entry that is written stays valid.
DAYS = 90
TYPES = ("bool", "uint8", "int32", "int64", "float16", "float32", "float64")
_KEYS = {"operator", "target", "when", "reason", "link", "expires", "dialect", "verdict", "inputs", "answers"}
_MUST = ("operator", "when", "reason", "expires", "verdict", "inputs")


@dataclass(frozen=True)
class Known:
    """One entry; ``where`` is its file and number.  ``answers`` is None where there was none: a refusal, a crash."""

    where: str
    operator: Operator
    target: str
    when: tuple[str, ...]
    holds: tuple[Holds, ...]
    reason: str
    link: str
    expires: datetime.date
    dialect: Dialect
    verdict: str
    inputs: Inputs
    answers: Arrays | None

    def meets(self, inputs: Inputs) -> bool:
        """Do all its predicates hold?"""
        return all(holds(inputs) for holds in self.holds)


@dataclass(frozen=True)
class Replay:
    """What became of an entry: "still" as it was; or "gone", "changed" or "expired", which fail.  ``said`` is why."""

    known: Known
    word: str
    said: str
    outcome: Outcome | None = None


def read(path: str | Path) -> list[Known]:
    """The entries of a file; raises `InputError` for what is none, in one line that says which."""
    try:
        with Path(path).open("rb") as file:
            held = tomllib.load(file)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not TOML: {one_line(error)}") from None
    entries = held.pop("known", [])
    if held or not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise InputError(f"{path}: expected tables [[known]] and nothing else{_named(held)}")
    return [_entry(one, f"{path}: entry {number}") for number, one in enumerate(entries, 1)]


def of(entries: Sequence[Known], operator: Operator, target: str) -> list[Known]:
    """Those of an operator and a target."""
    return [one for one in entries if one.operator.name == operator.name and one.target in ("", target)]


def skipping(entries: Sequence[Known]) -> Callable[[Inputs], str]:
    """For ``check(..., skip=)``: the reason of the first entry whose predicates hold, or ""."""
    return lambda inputs: next((f"known: {one.reason}" for one in entries if one.meets(inputs)), "")


def replay(known: Known, target: Caller, today: datetime.date | None = None) -> Replay:
    """Ask the stored input again: it must be wrong as it was, by the same answer.  An expired entry is not asked."""
    if known.expires < (today or datetime.date.today()):
        return Replay(known, "expired", f"expired on {known.expires}: look at it again, and move the date or remove it")
    outcome, again = target.call(known.inputs), target.call(known.inputs)
    said = word(known.operator, known.dialect, known.inputs, outcome, again)
    if said in (*PASSES, "undecided"):
        return Replay(known, "gone", "no longer diverges: remove the entry", outcome)
    if said != known.verdict:
        return Replay(known, "changed", f"was {known.verdict!r}, is {said!r} now", outcome)
    if known.answers is not None and outcome.answer is not None and said != "nondeterministic":
        units = None if known.operator.units is None else known.operator.units(known.inputs)
        if not same(outcome.answer, known.answers, units, exact=known.operator.exact):
            return Replay(known, "changed", "diverges still, but answers otherwise than it did", outcome)
    return Replay(known, "still", f"{said}, as it was", outcome)


def written(verdict: Verdict, today: datetime.date | None = None) -> str:
    """A verdict's counterexample as an entry, to be given a reason; raises ``ValueError`` where there is none."""
    if verdict.found is None:
        raise ValueError("a verdict without a counterexample is nothing to write down")
    operator, inputs, outcome = verdict.operator, verdict.found.inputs, verdict.found.outcome
    said = verdict.word
    if said == "conforms to a variant":
        said = word(operator, verdict.dialect, inputs, outcome, verdict.found.again)
    expires = (today or datetime.date.today()) + datetime.timedelta(days=DAYS)
    dialect = {n: v for n, v in verdict.dialect.items() if v != operator.dialect()[n]}
    lines = [
        "[[known]]",
        f"operator = {_text(operator.name)}",
        f"target = {_text(verdict.target)}",
        "# all that holds of the input below; take away what does not matter",
        f"when = [{', '.join(map(_text, of_these(operator, inputs)))}]",
        'reason = ""  # to be filled in: until then the entry is refused',
        'link = ""',
        f"expires = {expires}",
        f"dialect = {{ {', '.join(f'{n} = {_text(v)}' for n, v in dialect.items())} }}" if dialect else "dialect = {}",
        f"verdict = {_text(said)}",
        "[known.inputs]",
        *(f"{name} = {_toml(value)}" for name, value in inputs.items()),
    ]
    if outcome.answer is not None:
        several = outcome.answer if isinstance(outcome.answer, tuple) else (outcome.answer,)
        lines.append("[known.answers]")
        lines += [f"{name} = {_toml(value)}" for name, value in zip(operator.outputs, several, strict=True)]
    return "\n".join(lines) + "\n"


def add(path: str | Path, verdict: Verdict) -> None:
    """Append `written` to a ledger, which is made where it is not there; raises `InputError` where it cannot be."""
    path = Path(path)
    before = ""
    if path.exists():
        try:
            before = path.read_text(encoding="utf-8").rstrip() + "\n\n"
            tomllib.loads(before)
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: not TOML: {one_line(error)}") from None
    try:
        write_text(path, before.lstrip("\n") + written(verdict))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None


def _entry(one: Mapping[str, Any], where: str) -> Known:
    if unknown := sorted(set(one) - _KEYS):
        raise InputError(f"{where}: no key is named {unknown[0]!r}; there are {', '.join(sorted(_KEYS))}")
    if missing := [key for key in _MUST if key not in one]:
        raise InputError(f"{where}: {missing[0]} is missing")
    for key in ("operator", "target", "reason", "link", "verdict"):
        if not isinstance(one.get(key, ""), str):
            raise InputError(f"{where}: {key}: expected text")
    if one["operator"] not in OPERATORS:
        raise InputError(f"{where}: no operator is named {one['operator']!r}; there are {', '.join(OPERATORS)}")
    if not one["reason"].strip():
        raise InputError(f"{where}: reason is empty; say why the divergence is accepted")
    if type(one["expires"]) is not datetime.date:
        raise InputError(f"{where}: expires: expected a date, as 2030-01-31")
    operator, when = OPERATORS[one["operator"]], one["when"]
    if not (isinstance(when, list) and when and all(isinstance(text, str) for text in when)):
        raise InputError(f"{where}: when: expected a list of predicates, as ['has_ties']")
    try:
        holds = tuple(parse(text).bind(operator) for text in when)
        dialect = operator.dialect(**_table(one.get("dialect", {}), "dialect"))
        inputs = {name: _value(value, name) for name, value in _table(one["inputs"], "inputs").items()}
        answers = [_value(value, name) for name, value in _table(one.get("answers", {}), "answers").items()]
    except ValueError as error:
        raise InputError(f"{where}: {one_line(error)}") from None
    names = list(operator.vectors[0].inputs)
    if list(inputs) != names:
        raise InputError(f"{where}: inputs: expected {', '.join(names)}, found {', '.join(inputs) or 'none'}")
    if answers and len(answers) != len(operator.outputs):
        raise InputError(f"{where}: answers: expected {', '.join(operator.outputs)}")
    known = Known(
        where, operator, one.get("target", ""), tuple(when), holds, one["reason"].strip(), one.get("link", ""),
        one["expires"], dialect, one["verdict"], inputs, tuple(answers) if len(answers) > 1 else (answers or [None])[0],
    )  # fmt: skip
    if not known.meets(inputs):
        raise InputError(f"{where}: its own input does not meet {' and '.join(when)}")
    return known


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{name}: expected a table")
    return value


def _value(value: Any, name: str) -> Any:
    """A number, sizes (a list of whole numbers), or an array, ``{ float32 = [[...]] }``, with ``shape`` if empty."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list) and all(type(one) is int for one in value):
        return tuple(value)
    if isinstance(value, dict):
        kinds = [key for key in value if key in TYPES]
        if len(kinds) == 1 and set(value) <= {*kinds, "shape"}:
            array = np.array(value[kinds[0]], kinds[0])
            return array.reshape(value["shape"]) if "shape" in value else array
    raise InputError(f"{name}: expected a number, a list of whole numbers, or an array as {{ float32 = [[0.0, 1.0]] }}")


def _toml(value: Any) -> str:
    """What `_value` reads."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    if not isinstance(value, np.ndarray):
        return _scalar(value)
    shape = f", shape = [{', '.join(map(str, value.shape))}]" if value.size == 0 else ""
    return f"{{ {value.dtype.name} = {_nested(value.tolist())}{shape} }}"


def _nested(value: Any) -> str:
    return f"[{', '.join(map(_nested, value))}]" if isinstance(value, list) else _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return repr(value)


def _text(value: str) -> str:
    """A basic string of TOML: JSON's, and the one control character that JSON leaves as it is."""
    whole = value.encode("utf-8", "replace").decode("utf-8")
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")


def _named(held: Mapping[str, Any]) -> str:
    return f", found {next(iter(held))!r}" if held else ""
