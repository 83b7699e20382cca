"""One target, or many, through everything: fingerprint, ledger, search, laws; and one verdict, whatever happens.

To the words of `check` come "not tested", with the reason: no target was given, all inputs are out of the declared
domain, it cannot be loaded, it is too slow.  Nothing that a target does ends a run: it is a verdict.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

from ..errors import InputError, one_line
from .answers import REFUSED
from .check import PASSES, Skip, Verdict, check
from .conventions import profiles
from .declared import Declared, Patient, SpentError, opened
from .fingerprint import Fingerprint, Seen, fingerprint
from .laws import LAWS, LawVerdict
from .laws.ask import asked
from .ledger import Known, Replay, of, replay, skipping
from .operators import OPERATORS, Dialect, Operator
from .predicates import leaving_out
from .recorded import Recorded, check_recorded
from .snippet import Failure, snippet, versions_of
from .target import Caller, Outcome

#: From the worst to the best; a target's verdict is the worst that is true of it.
WORDS = (
    "crashes", "hangs", "nondeterministic", "changes its input", "rejects", "diverges", "conforms to a variant",
    "not tested", "unspecified", "conforms",
)  # fmt: skip
#: Seconds for each of fingerprint, search and laws; a target that needs longer is judged by what was seen.
BUDGET = 120.0
#: At most so many failures of one kind are shown.
SHOWN = 3
Say = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """What is asked of a target: a ``profile`` ("" for what it itself follows), and which inputs are left out."""

    declared: Declared
    profile: str = ""
    without: tuple[str, ...] = ()
    known: tuple[Known, ...] = ()

    def dialect(self) -> Dialect | None:
        """The profile's; None without one. Raises `InputError` for a profile that says nothing of the operator."""
        if not self.profile:
            return None
        name = self.declared.operator.name
        some = [one for one, operators in profiles().items() if name in operators]
        if self.profile not in some:
            raise InputError(f"--profile {self.profile}: for {name} there are {', '.join(some)}")
        return self.declared.operator.dialect(**profiles()[self.profile][name])

    def skip(self) -> Skip:
        """Why an input is left out, or ""; raises `InputError` for a predicate that the operator has no use for."""
        domain = leaving_out(self.declared.operator, self.without)
        ledger = skipping(self.ledger)
        return lambda inputs: domain(inputs) or ledger(inputs)

    @property
    def ledger(self) -> list[Known]:
        """The entries that are about this target."""
        return of(self.known, self.declared.operator, self.declared.target)


@dataclass(frozen=True)
class Finding:
    """What is true of a target: found at which ``step`` ("fingerprint", "search", "law NAME", "known N"), the ``word``,
    why, and the ``code`` of an input on which it is seen.
    """

    step: str
    word: str
    reason: str = ""
    code: str = ""


@dataclass(frozen=True)
class Judged:
    """The verdict on a target: its ``word``, why (``reason``), whether it ``passes``, and all that was seen."""

    asked: Asked
    word: str
    reason: str = ""
    passes: bool = False
    dialect: Dialect | None = None
    fingerprint: Fingerprint | None = None
    verdict: Verdict | None = None
    laws: tuple[LawVerdict, ...] = ()
    replays: tuple[Replay, ...] = ()
    findings: tuple[Finding, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def operator(self) -> Operator:
        """What it is meant to be."""
        return self.asked.declared.operator

    @property
    def failures(self) -> list[str]:
        """The code of what is wrong, of a few of each kind."""
        shown: dict[str, int] = {}
        found = []
        for one in self.findings:
            kind = f"{one.step.partition(' ')[0]} {one.word}"
            shown[kind] = shown.get(kind, 0) + bool(one.code)
            if one.code and shown[kind] <= SHOWN:
                found.append(one.code)
        return found


@dataclass(frozen=True)
class Report:
    """All verdicts, and the operators for which no target was given."""

    judged: tuple[Judged, ...]
    missing: tuple[str, ...]
    seed: int
    examples: int
    versions: Mapping[str, str]
    seconds: float
    interrupted: bool = False

    @property
    def passes(self) -> bool:
        """Did every target that was given pass?"""
        return not self.interrupted and all(one.passes for one in self.judged)


def run(
    everything: Sequence[Asked],
    *,
    examples: int = 200,
    seed: int = 0,
    budget: float = BUDGET,
    say: Callable[[Asked, str], None] = lambda asked, step: None,
) -> Report:
    """Judge them one after the other; an interruption (Ctrl-C) ends the run, and what was judged is reported."""
    start, done, interrupted = monotonic(), list[Judged](), False
    for one in everything:
        if interrupted:
            done.append(Judged(one, "not tested", "the run was interrupted"))
            continue
        try:

            def step(text: str, one: Asked = one) -> None:
                say(one, text)

            done.append(judge(one, examples=examples, seed=seed, budget=budget, say=step))
        except KeyboardInterrupt:
            interrupted = True
            done.append(Judged(one, "not tested", "the run was interrupted"))
    given = {one.declared.operator.name for one in everything}
    missing = tuple(name for name in OPERATORS if name not in given)
    return Report(tuple(done), missing, seed, examples, versions_of(None), monotonic() - start, interrupted)


def judge(
    one: Asked, *, examples: int = 200, seed: int = 0, budget: float = BUDGET, say: Say = lambda step: None
) -> Judged:
    """One target.  Raises `InputError` for what is asked wrongly; whatever the target does is a verdict."""
    start = monotonic()
    one.dialect(), one.skip()  # what is asked must make sense before anything is run
    work = _Work(one, examples, seed, budget, say)
    try:
        say("starting")
        with opened(one.declared) as (target, operator):
            found = work.judged(target, operator)
            found = replace(found, versions=versions_of(target))
    except InputError as error:
        found = Judged(one, "not tested", one_line(error), versions=versions_of(None))
    except Exception as error:  # a fault of ours, which must not keep the others from being judged
        trace = traceback.format_exc()
        said = f"the suite itself failed: {type(error).__name__}: {one_line(error)}"
        fault = Finding("fault", "not tested", said, trace)
        found = Judged(one, "not tested", said, findings=(fault,), versions=versions_of(None))
    return replace(found, seconds=monotonic() - start)


class _Work:
    """What goes through all steps of one target."""

    def __init__(self, one: Asked, examples: int, seed: int, budget: float, say: Say) -> None:
        self.one, self.examples, self.seed, self.budget, self.say = one, examples, seed, budget, say
        self.found: list[Finding] = []

    def add(self, step: str, word: str, reason: str, failure: Failure | None = None) -> None:
        code = ""
        if failure is not None:
            keywords = getattr(self.target, "keywords", ())
            code = snippet(self.one.declared, failure, versions_of(self.target), self.seed, keywords)
        self.found.append(Finding(step, word, reason, code))

    def judged(self, target: Caller, operator: Operator) -> Judged:
        self.target = target
        skip, named = self.one.skip(), self.one.dialect()
        vectors = tuple(v for v in operator.vectors if not skip(v.cast(self.one.declared.dtype)))
        if not vectors:
            return Judged(self.one, "not tested", "every telling input is out of the declared domain")
        self.say("fingerprint")
        found = self.fingerprint(target, replace(operator, vectors=vectors))
        if isinstance(found, Judged):
            return found
        inferred = operator.dialect(**{name: some[0] for name, some in found.values.items() if some})
        dialect = named or inferred
        if named is not None:
            self.told_by_the_profile(found, named)
        self.say("ledger")
        replays = tuple(replay(known, target) for known in self.one.ledger)
        for number, one in enumerate(replays, 1):
            said = f"ledger, {one.known.where}: {one.said}"
            self.add(f"known {number}", "conforms" if one.word == "still" else one.word, said)
        self.say("search")
        verdict, followed = self.search(target, operator, dialect, inferred, found, skip)
        self.say("laws")
        laws = () if isinstance(target, Recorded) else tuple(self.laws(target, operator, followed, skip))
        ranked = sorted((one for one in self.found if one.word in WORDS), key=lambda one: WORDS.index(one.word))
        word = ranked[0].word
        why = [] if word in PASSES else [one.reason for one in ranked if one.word == word][:1]
        ledger = [one.reason for one in self.found if one.word not in WORDS]
        return Judged(
            self.one, word, "; ".join(filter(None, why + ledger)), word in PASSES and not ledger, dialect, found,
            verdict, laws, replays, tuple(self.found),
        )  # fmt: skip

    def fingerprint(self, target: Caller, operator: Operator) -> Fingerprint | Judged:
        """What it follows, and what is wrong in every dialect; or the verdict, where nothing more can be asked."""
        patient = Patient(target, self.budget)
        try:
            found = fingerprint(operator, patient, dtype=self.one.declared.dtype)
        except SpentError as spent:
            if patient.hung is None:
                return Judged(self.one, "not tested", str(spent))
            inputs, outcome = patient.hung
            failure = Failure(outcome.kind, inputs, None, None, _said(outcome))
            self.add("fingerprint", outcome.kind, outcome.reason, failure)
            return Judged(self.one, outcome.kind, outcome.reason, findings=tuple(self.found))
        except InputError as error:
            if "refuses every input" not in str(error):
                raise
            return Judged(self.one, "rejects", one_line(error))
        for kind, wrong, what in (
            ("crashes", [s for s in found.seen if s.outcome.kind == "crashes"], ""),
            ("hangs", [s for s in found.seen if s.outcome.kind == "hangs"], ""),
            ("nondeterministic", [s for s in found.seen if not s.steady], "the same input twice, two answers"),
            ("changes its input", [s for s in found.seen if s.outcome.changed], ""),
            ("diverges", [s for s in found.unexplained if s.outcome.kind in ("answers", "refuses")],
             "no known dialect answers so"),
        ):  # fmt: skip
            for seen in wrong:
                why = ": ".join(filter(None, [what, seen.vector.name, seen.outcome.reason]))
                why += f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
                self.add("fingerprint", kind, why, _of_seen(seen, what or kind))
        return found

    def told_by_the_profile(self, found: Fingerprint, dialect: Dialect) -> None:
        """Conventions in which it is seen to differ from the profile, each with one input on which it does."""
        departs = [name for name, values in found.values.items() if values and dialect[name] not in values]
        if not departs:
            return
        differs = ", ".join(f"{name}={'|'.join(found.values[name])}" for name in departs)
        operator, word, why = found.operator, "conforms to a variant", f"of {self.one.profile}: {differs}"
        shown: set[str] = set()
        for seen in found.seen:
            new = set(seen.vector.tells) & set(departs) - shown
            if not new or seen in found.unexplained or seen.outcome.kind not in ("answers", "refuses"):
                continue
            answer = REFUSED if seen.outcome.answer is None else seen.outcome.answer
            if not operator.judge(answer, seen.inputs, dialect):
                shown |= set(seen.vector.tells)
                expected = operator.reference(seen.inputs, dialect)
                what = f"not as {self.one.profile}: {seen.vector.name}"
                failure = Failure(what, seen.inputs, expected, answer, _refusal(seen.outcome))
                self.add("fingerprint", word, why, failure)
        self.add("fingerprint", word, why)

    def search(
        self, target: Caller, operator: Operator, dialect: Dialect, inferred: Dialect, seen: Fingerprint, skip: Skip
    ) -> tuple[Verdict | None, Dialect]:
        """`check`; where it diverges from the profile, also against what it itself follows. And what it follows."""
        verdict, variant = self.checked(target, operator, dialect, skip), "conforms to a variant"
        if verdict is None:
            return None, inferred
        word, reason, found, followed = verdict.word, "", verdict.found, inferred
        if word == variant and found is not None:
            followed = {**dialect, **found.flips[0]}
        if word in ("diverges", "rejects") and not seen.unexplained and dialect != inferred:
            other = self.checked(target, operator, inferred, skip)
            if other is not None and other.word in (*PASSES, variant):
                if other.found is not None:
                    followed = {**inferred, **other.found.flips[0]}
                word, reason = variant, _flip(operator, {n: v for n, v in followed.items() if v != dialect[n]})
        if found is not None and not reason:
            flips = " or ".join(_flip(operator, change) for change in found.flips)
            reason = f"would agree under {flips}" if flips else found.outcome.reason
        left = sum(verdict.left_out.values())
        if verdict.tried and left >= verdict.tried and word in PASSES:
            word, reason = "not tested", "every drawn input is out of the declared domain"
        self.add("search", word, reason, None if found is None else of_verdict(verdict, word))
        return verdict, followed

    def checked(self, target: Caller, operator: Operator, dialect: Dialect, skip: Skip) -> Verdict | None:
        if isinstance(target, Recorded):
            return check_recorded(operator, target, dialect, skip=skip)
        patient = Patient(target, self.budget)
        try:
            return check(
                operator, patient, dialect, examples=self.examples, dtype=self.one.declared.dtype, seed=self.seed,
                skip=skip,
            )  # fmt: skip
        except SpentError as spent:
            tried = patient.calls // 2
            enough = 10 * tried >= self.examples
            self.add("search", "conforms" if enough else "not tested", f"{spent}, of {2 * self.examples}")
            return Verdict(operator, target.name, dialect, "conforms", tried, None) if enough else None

    def laws(self, target: Caller, operator: Operator, dialect: Dialect, skip: Skip) -> Iterator[LawVerdict]:
        """Each law; what is broken is a failure in every dialect."""
        patient = Patient(target, self.budget)
        for law in LAWS.get(operator.name, ()):
            try:
                found = asked(
                    law, operator, patient, dialect, examples=max(self.examples // 2, 1), seed=self.seed,
                    dtype=self.one.declared.dtype, skip=skip,
                )  # fmt: skip
            except SpentError as spent:
                yield LawVerdict(law, "not asked", reason=str(spent))
                continue
            if found.word in ("broken", "crashes", "hangs"):
                word = "diverges" if found.word == "broken" else found.word
                self.add(f"law {law.name}", word, f"breaks the law {law.name!r}: {law.says}", of_law(found))
            yield found


def of_verdict(verdict: Verdict, word: str = "") -> Failure:
    """A verdict's counterexample; raises ``ValueError`` where it has none."""
    found = verdict.found
    if found is None:
        raise ValueError("there is no counterexample")
    notes = [f"would agree under {_flip(verdict.operator, change)}" for change in found.flips]
    if verdict.word == "diverges" and not notes:
        notes.append("no change of one or two conventions explains it")
    if verdict.word == "nondeterministic":
        notes.append(f"then      {found.again.answer!r} {found.again.reason}".rstrip())
    if found.outcome.changed:
        notes.append(f"changes   {', '.join(found.outcome.changed)}")
    return Failure(word or verdict.word, found.inputs, found.expects, found.outcome.answer, _refusal(found.outcome),
                   tuple(notes))  # fmt: skip


def of_law(found: LawVerdict) -> Failure:
    """A law that does not hold; raises ``ValueError`` where there is no input."""
    if found.inputs is None:
        raise ValueError("the law is not broken")
    what = f"breaks the law {found.law.name!r}: {found.law.says}"
    return Failure(what, found.inputs, found.wanted, found.got, found.reason, calls=found.calls)


def _of_seen(seen: Seen, what: str) -> Failure:
    again = () if seen.steady else (f"then      {seen.again.answer!r} {seen.again.reason}".rstrip(),)
    changed = (f"changes   {', '.join(seen.outcome.changed)}",) if seen.outcome.changed else ()
    return Failure(f"{what}: {seen.vector.name}", seen.inputs, None, seen.outcome.answer, _refusal(seen.outcome),
                   again + changed)  # fmt: skip


def _refusal(outcome: Outcome) -> str:
    return "" if outcome.answer is not None else _said(outcome)


def _said(outcome: Outcome) -> str:
    return f"{outcome.kind}: {outcome.reason}"


def _flip(operator: Operator, change: Mapping[str, Any]) -> str:
    return " and ".join(f"{operator.name}.{name}={value}" for name, value in change.items())
