"""A whole run as text and as JSON: verdicts, inferred conventions, what was exercised, and each failure as code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from .fingerprint import Fingerprint
from .report import UNKNOWN, as_dict, laws_dict, replays_dict, verdict_dict
from .suite import Judged, Report

#: Whether an input was asked that tells a convention's values apart, and whether the target's answers did.
Coverage = Literal["told", "alike", "unknown", "not asked"]
#: So many operators without a target are named; more are counted.
FEW = 6


def coverage(found: Fingerprint) -> dict[str, Coverage]:
    """Of each convention: "told", one value explains all; "alike", several do; "unknown", none; "not asked"."""
    asked = {name for seen in found.seen for name in seen.vector.tells}

    def how(name: str, values: Sequence[str]) -> Coverage:
        if name not in asked:
            return "not asked"
        return "alike" if len(values) > 1 else "told" if values else "unknown"

    return {name: how(name, values) for name, values in found.values.items()}


def told_of(found: Fingerprint) -> str:
    """How many conventions the target's answers tell, of all."""
    known = list(coverage(found).values())
    return f"{known.count('told')} of {len(known)}"


def values_of(found: Fingerprint, name: str) -> str:
    """The inferred values of a convention, in words."""
    return " | ".join(found.values[name]) or UNKNOWN


def title(one: Judged) -> str:
    """A target in words: what it is, and how it is called where that is not the usual way."""
    how = [one.asked.declared.dtype]
    how += [one.asked.declared.form] if one.asked.declared.form != "xyxy" else []
    how += [one.asked.declared.arrays] if one.asked.declared.arrays else []
    how += [f"{key}={value!r}" for key, value in one.asked.declared.extra.items()]
    return f"{one.asked.declared.target} ({', '.join(how)})"


def text(report: Report) -> str:
    """All of it, the verdicts first and the failures last."""
    lines = []
    wide = max((len(one.operator.name) for one in report.judged), default=0)
    for one in report.judged:
        profile = f" as {one.asked.profile}" if one.asked.profile else ""
        why = f": {one.reason}" if one.reason else ""
        lines.append(f"{one.operator.name:{wide}}  {title(one)}{profile}  {one.word}{why}")
        lines += [f"{'':{wide}}    {line}" for line in details(one)]
    if report.missing:
        few = len(report.missing) <= FEW
        which = ", ".join(report.missing) if few else f"{len(report.missing)} other operators"
        lines.append(f"not tested, no target given: {which}")
    for one in report.judged:
        for failure in one.failures:
            lines += ["", failure]
    return "\n".join(lines)


def details(one: Judged) -> Iterator[str]:
    """Conventions, inputs that were left out, laws and known divergences, a line each."""
    if one.fingerprint is not None:
        known = coverage(one.fingerprint)
        alike = f", as {', '.join(one.fingerprint.profiles())}" if one.fingerprint.profiles() else ""
        yield f"conventions: {told_of(one.fingerprint)} told{alike}"
        for name, how in known.items():
            if how != "told":
                yield f"  {one.operator.name}.{name} {how}: {values_of(one.fingerprint, name)}"
    if one.verdict is not None:
        yield f"search: {one.verdict.tried} inputs"
        for why, count in one.verdict.left_out.items():
            yield f"  not tested: {count}: {why}"
    for law in one.laws:
        if law.word != "holds":
            yield f"law {law.law.name!r} {law.word}" + (f": {law.reason}" if law.reason else "")
    for replay in one.replays:
        yield f"known divergence, {replay.known.where}: {replay.said}"


def as_json(report: Report) -> dict[str, Any]:
    """All of it for programs."""
    return {
        "passes": report.passes,
        "seed": report.seed,
        "examples": report.examples,
        "versions": dict(report.versions),
        "seconds": round(report.seconds, 3),
        "interrupted": report.interrupted,
        "not_tested": dict.fromkeys(report.missing, "no target given"),
        "targets": [_judged(one) for one in report.judged],
    }


def _judged(one: Judged) -> dict[str, Any]:
    declared = one.asked.declared
    return {
        "operator": one.operator.name,
        "target": declared.target,
        "boxes": declared.form,
        "dtype": declared.dtype,
        "profile": one.asked.profile,
        "without": list(one.asked.without),
        "verdict": one.word,
        "reason": one.reason,
        "passes": one.passes,
        "dialect": None if one.dialect is None else dict(one.dialect),
        "coverage": None if one.fingerprint is None else coverage(one.fingerprint),
        "fingerprint": None if one.fingerprint is None else as_dict(one.fingerprint),
        "check": None if one.verdict is None else verdict_dict(one.verdict),
        "laws": laws_dict(declared.target, list(one.laws))["laws"],
        "ledger": replays_dict(one.replays),
        "failures": list(one.failures),
        "versions": dict(one.versions),
        "seconds": round(one.seconds, 3),
    }
