"""A fingerprint as text and as JSON; evidence as code that can be pasted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .check import Verdict
from .fingerprint import Fingerprint, Seen
from .laws import LawVerdict
from .ledger import Replay
from .literals import distance, literal

UNKNOWN = "none of the known"


def as_text(found: Fingerprint, *, evidence: bool = False) -> str:
    """A line for each convention: its full name, the value or values, what they mean."""
    lines = [f"{found.target} as {found.operator.name}, {found.dtype}"]
    wide = max(len(c.full_name) for c in found.operator.conventions.values())
    for name, convention in found.operator.conventions.items():
        values = found.values[name]
        if len(values) == 1:
            said = f"{values[0]}  ({convention.value(values[0]).means})"
        elif values:
            said = f"{' | '.join(values)}  (alike in all that was seen)"
        else:
            said = UNKNOWN
        lines.append(f"  {convention.full_name:{wide}}  {said}")
    if alike := found.profiles():
        lines.append(f"as: {', '.join(alike)}")
    for one in found.unexplained:
        lines.append(f"unexplained: {one.vector.name}: {_answer(one)}")
    for one in found.seen:
        if not one.steady:
            lines.append(f"not deterministic: {one.vector.name}: {_answer(one)}, then {_said(one.again)}")
        if one.outcome.changed:
            lines.append(f"changes its input {', '.join(one.outcome.changed)}: {one.vector.name}")
    for one in found.seen if evidence else found.unexplained:
        lines += ["", *code(one)]
    return "\n".join(lines)


def as_dict(found: Fingerprint) -> dict[str, Any]:
    """All of it for JSON."""
    return {
        "target": found.target,
        "operator": found.operator.name,
        "dtype": found.dtype,
        "conventions": {found.operator.conventions[n].full_name: list(v) for n, v in found.values.items()},
        "profiles": list(found.profiles()),
        "unexplained": [one.vector.name for one in found.unexplained],
        "evidence": [
            {
                "input": one.vector.name,
                "tells": list(one.vector.tells),
                "outcome": one.outcome.kind,
                "answer": _answer(one),
                "deterministic": one.steady,
                "changes": list(one.outcome.changed),
                "code": "\n".join(code(one)),
            }
            for one in found.seen
        ],
    }


def verdict_text(verdict: Verdict) -> str:
    """The verdict, the counterexample as code, what was expected and what came."""
    name = verdict.operator.name
    followed = ", ".join(f"{c}={v}" for c, v in verdict.dialect.items())
    lines = [f"{verdict.target} {verdict.word} as {name} ({followed}); {verdict.tried} inputs tried"]
    lines += [f"not tested: {count} inputs: {why}" for why, count in verdict.left_out.items()]
    if verdict.unspecified:
        lines.append(f"{verdict.unspecified} inputs have several right answers, and had another than the reference's")
    if verdict.found is None:
        return "\n".join(lines)
    found = verdict.found
    lines += [f"{key} = {literal(value)}" for key, value in found.inputs.items()]
    lines.append(f"# expected {_plain(found.expects)}; {_said(found.outcome)}")
    if found.outcome.answer is not None:
        apart = distance(found.outcome.answer, found.expects, verdict.operator.outputs)
        lines += [f"# {apart}"] if apart else []
    if verdict.word == "nondeterministic":
        lines.append(f"# then {_said(found.again)}")
    for change in found.flips:
        said = " and ".join(f"{name}.{c}={v}" for c, v in change.items())
        lines.append(f"would agree under {said}")
    if not found.flips and verdict.word == "diverges":
        lines.append("no change of one or two conventions explains it")
    return "\n".join(lines)


def verdict_dict(verdict: Verdict) -> dict[str, Any]:
    """All of it for JSON."""
    found = verdict.found
    return {
        "target": verdict.target,
        "operator": verdict.operator.name,
        "verdict": verdict.word,
        "dialect": dict(verdict.dialect),
        "tried": verdict.tried,
        "not_tested": dict(verdict.left_out),
        "unspecified": verdict.unspecified,
        "undecided": verdict.undecided,
        "counterexample": None
        if found is None
        else {
            "inputs": {name: literal(value) for name, value in found.inputs.items()},
            "expected": _plain(found.expects),
            "got": _said(found.outcome),
            "distance": ""
            if found.outcome.answer is None
            else distance(found.outcome.answer, found.expects, verdict.operator.outputs),
            "would_agree_under": [dict(change) for change in found.flips],
        },
    }


def replays_text(replays: Sequence[Replay]) -> list[str]:
    """A line for each known divergence."""
    return [f"known divergence, {one.known.where}: {one.said} ({one.known.reason})" for one in replays]


def replays_dict(replays: Sequence[Replay]) -> list[dict[str, str]]:
    """The same for JSON."""
    return [
        {"entry": one.known.where, "reason": one.known.reason, "word": one.word, "said": one.said} for one in replays
    ]


def laws_text(target: str, found: list[LawVerdict]) -> str:
    """A line for each law; of a broken one the input as code, what came, and what the law says of it."""
    wide = max(len(one.law.name) for one in found)
    lines = [target]
    for one in found:
        why = f" ({one.reason})" if one.reason else ""
        lines.append(f"  {one.law.name:{wide}}  {one.word}{why}: {one.law.says}")
        if one.inputs is not None:
            lines += [f"    {key} = {literal(value)}" for key, value in one.inputs.items()]
            if one.wanted is not None and one.got is not None:
                lines.append(f"    # {_plain(one.got)}, by the law {_plain(one.wanted)}")
    return "\n".join(lines)


def laws_dict(target: str, found: list[LawVerdict]) -> dict[str, Any]:
    """All of it for JSON."""
    return {
        "target": target,
        "laws": [
            {
                "law": one.law.name,
                "says": one.law.says,
                "verdict": one.word,
                "tried": one.tried,
                "reason": one.reason,
                "inputs": None if one.inputs is None else {n: literal(v) for n, v in one.inputs.items()},
                "got": None if one.got is None else _plain(one.got),
                "wanted": None if one.wanted is None else _plain(one.wanted),
            }
            for one in found
        ],
    }


def _plain(answer: Any) -> str:
    """An answer as text, a long one cut."""
    if isinstance(answer, tuple):
        return ", ".join(map(_plain, answer))
    text = repr(answer.tolist()) if isinstance(answer, np.ndarray) else repr(answer)
    return text if len(text) < 200 else text[:197] + "..."


def code(one: Seen) -> Iterator[str]:
    """The input and the answer as NumPy code."""
    yield f"# {one.vector.name}: tells {', '.join(one.vector.tells)}"
    for name, value in one.inputs.items():
        yield f"{name} = {literal(value)}"
    yield f"# {_answer(one)}"


def _answer(one: Seen) -> str:
    return _said(one.outcome)


def _said(outcome: Any) -> str:
    if outcome.answer is None:
        return f"{outcome.kind}: {outcome.reason}"
    return f"answers {_plain(outcome.answer)}"
