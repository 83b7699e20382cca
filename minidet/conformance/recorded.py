"""Inputs written as files, and answers put beside them: for what can be called only somewhere else, or by hand.

``record`` writes a folder of ``0000.npz``, ``0001.npz``, ...: the telling inputs of an operator, and drawn ones.
Beside each goes ``0000.answer.npy``; or ``0000.answer.npz`` with each output by its name; or, where the input is
refused, ``0000.refused.txt`` with the reason.  ``index.json`` says what each input is, and its SHA-256; ``inputs.npz``
has them all as the suite asks them, whatever the format of boxes is.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ..errors import InputError, one_line
from ..files import replacing
from . import protocol
from .check import Counterexample, Skip, Verdict, explain, word
from .operators import Dialect, Inputs, Operator, Vector
from .program import arrays_of
from .search import smallest
from .target import Outcome

INDEX, INPUTS, FORMAT = "index.json", "inputs.npz", 1


@dataclass(frozen=True)
class Case:
    """One input: its file's name without an ending, and the telling input's name; "" of a drawn one."""

    name: str
    vector: str
    inputs: Inputs


def record(
    operator: Operator,
    folder: str | Path,
    dialect: Dialect,
    *,
    examples: int = 200,
    dtype: str = "float32",
    form: str = "xyxy",
    seed: int = 0,
) -> int:
    """Write the telling inputs and ``examples`` drawn ones; returns how many.

    Raises `InputError` where the folder holds anything already, or cannot be made.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise InputError(f"{folder}: not empty; inputs are written to a folder of their own")
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}") from None
    cases = [(vector.name, vector.cast(dtype)) for vector in operator.vectors]
    cases += [("", one) for one in _drawn(operator, dialect, examples, dtype, seed)]
    everything: dict[str, np.ndarray] = {}
    listed = []
    for number, (vector, inputs) in enumerate(cases):
        name = f"{number:04d}"
        written = _npz(arrays_of(inputs, operator.boxes, form))
        (folder / f"{name}.npz").write_bytes(written)
        listed.append({"name": name, "vector": vector, "inputs": list(inputs), "sha256": _hash(written)})
        everything |= {f"{name}/{key}": value for key, value in _kept(inputs).items()}
    written = _npz(everything)
    (folder / INPUTS).write_bytes(written)
    index = {
        "format": FORMAT, "operator": operator.name, "call": operator.call, "outputs": list(operator.outputs),
        "dtype": dtype, "boxes": form, "seed": seed, "sha256": _hash(written), "cases": listed,
    }  # fmt: skip
    with replacing(folder / INDEX) as path:
        path.write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    return len(cases)


class Recorded:
    """The answers of a folder, as a target that can be asked what was recorded and nothing else.

    Raises `InputError` for a folder that is not one of `record`'s, another operator or format, inputs that were
    changed, answers that are no arrays, and where there is no answer at all.
    """

    def __init__(self, folder: str | Path, operator: Operator, *, dtype: str = "float32", form: str = "xyxy") -> None:
        self.folder, self.operator, self.versions = Path(folder), operator, dict[str, str]()
        self.name = f"recorded:{folder}"
        index = self._index()
        for what, found, expected in (
            ("operator", index["operator"], operator.name), ("dtype", index["dtype"], dtype),
            ("boxes", index["boxes"], form), ("format", index["format"], FORMAT),
        ):  # fmt: skip
            if found != expected:
                raise InputError(f"{self.folder / INDEX}: {what} is {found!r}, expected {expected!r}")
        self.seed = index["seed"]
        everything = self._inputs(index)
        self.cases = [self._case(entry, everything) for entry in index["cases"]]
        self._answers = {case.name: outcome for case in self.cases if (outcome := self._answer(case.name)) is not None}
        if not self._answers:
            raise InputError(f"{self.folder}: holds no answer; expected 0000.answer.npy beside 0000.npz, and so on")
        self._known = {_key(case.inputs): case.name for case in reversed(self.cases)}

    def __enter__(self) -> Recorded:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing is open."""

    def call(self, inputs: Mapping[str, Any]) -> Outcome:
        """What was recorded; raises `InputError` for an input that was not."""
        name = self._known.get(_key(inputs))
        if name is None or name not in self._answers:
            raise InputError(f"{self.name}: has no answer to this input")
        return self._answers[name]

    def answered(self) -> Iterator[Case]:
        """The inputs that have answers."""
        return (case for case in self.cases if case.name in self._answers)

    def answered_vectors(self) -> tuple[Vector, ...]:
        """The telling inputs of today's suite that have answers."""
        names = {case.vector for case in self.answered()}
        return tuple(
            one for one in self.operator.vectors if one.name in names and _key(one.cast(self._dtype)) in self._known
        )

    def _index(self) -> dict[str, Any]:
        path = self.folder / INDEX
        try:
            index = json.loads(path.read_text(encoding="utf-8"))
            keys = ("format", "operator", "outputs", "dtype", "boxes", "seed", "sha256", "cases")
            missing = [key for key in keys if key not in index]
            missing += [
                key for one in index["cases"] for key in ("name", "vector", "inputs", "sha256") if key not in one
            ]
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}; minidet conform record writes one") from None
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path}: not an index of recorded inputs: {one_line(error)}") from None
        if missing:
            raise InputError(f"{path}: not an index of recorded inputs: {missing[0]} is missing")
        self._dtype = index["dtype"]
        found: dict[str, Any] = index
        return found

    def _inputs(self, index: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """What the folder's inputs are; every file must be as it was written."""
        for name, expected in [(INPUTS, index["sha256"]), *((f"{c['name']}.npz", c["sha256"]) for c in index["cases"])]:
            path = self.folder / name
            try:
                found = _hash(path.read_bytes())
            except OSError as error:
                raise InputError(f"{path}: {error.strerror or error}") from None
            if found != expected:
                raise InputError(f"{path}: not as it was recorded: its SHA-256 is {found}, expected {expected}")
        return protocol.unpack((self.folder / INPUTS).read_bytes())

    def _case(self, entry: Mapping[str, Any], everything: Mapping[str, np.ndarray]) -> Case:
        try:
            inputs = {key: _as_given(everything[f"{entry['name']}/{key}"]) for key in entry["inputs"]}
        except KeyError as error:
            raise InputError(f"{self.folder / INDEX}: {INPUTS} has no {one_line(error)}") from None
        return Case(entry["name"], entry["vector"], inputs)

    def _answer(self, name: str) -> Outcome | None:
        refused = self.folder / f"{name}.refused.txt"
        if refused.exists():
            return Outcome("refuses", reason=one_line(refused.read_text(encoding="utf-8", errors="replace")))
        for ending in ("npy", "npz"):
            path = self.folder / f"{name}.answer.{ending}"
            if path.exists():
                return Outcome("answers", self._arrays(path))
        return None

    def _arrays(self, path: Path) -> Any:
        outputs = self.operator.outputs
        try:
            with path.open("rb") as file:
                held = np.load(file, allow_pickle=False)
                if isinstance(held, np.ndarray):
                    found = (held,)
                else:
                    found = tuple(held[name] for name in (outputs if len(outputs) > 1 else held.files[:1]))
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: no arrays of NumPy's format: {one_line(error)}") from None
        except KeyError as error:
            raise InputError(f"{path}: {one_line(str(error.args[0]))}; expected {', '.join(outputs)}") from None
        if len(found) != len(outputs) or any(one.dtype.kind not in "biuf" for one in found):
            raise InputError(f"{path}: expected numbers for {', '.join(outputs)}")
        return found if len(found) > 1 else found[0]


def check_recorded(
    operator: Operator, target: Recorded, dialect: Dialect, *, skip: Skip | None = None, variants: bool = True
) -> Verdict:
    """`check` of what was recorded; nothing new can be asked, so nothing is shrunk, and the smallest is shown."""
    verdict = _judged(operator, target, dialect, skip)
    if variants and verdict.found is not None:
        for change in verdict.found.flips:
            if _judged(operator, target, {**dialect, **change}, skip).found is None:
                return Verdict(
                    operator, target.name, dialect, "conforms to a variant", verdict.tried,
                    Counterexample(verdict.found.inputs, verdict.found.expects, verdict.found.outcome,
                                   verdict.found.again, (change,)), left_out=verdict.left_out,
                )  # fmt: skip
    return verdict


def _judged(operator: Operator, target: Recorded, dialect: Dialect, skip: Skip | None) -> Verdict:
    wrong, counts, left_out = [], {"undecided": 0, "unspecified": 0}, dict[str, int]()
    tried, answered = len(target.cases), list(target.answered())
    for case in answered:
        if skip is not None and (why := skip(case.inputs)):
            left_out[why] = left_out.get(why, 0) + 1
            continue
        outcome = target.call(case.inputs)
        said = word(operator, dialect, case.inputs, outcome, outcome)
        if said in counts:
            counts[said] += 1
        elif said != "conforms":
            wrong.append((sum(np.size(v) for v in case.inputs.values()), case.name, said, case.inputs, outcome))
    if unanswered := tried - len(answered):
        left_out["no answer was recorded"] = unanswered
    if not wrong:
        said = "unspecified" if counts["unspecified"] else "conforms"
        return Verdict(operator, target.name, dialect, said, tried, None, **counts, left_out=left_out)
    _, _, said, inputs, outcome = min(wrong, key=lambda one: one[:2])
    expects = operator.reference(inputs, dialect)
    flips = explain(operator, dialect, inputs, outcome)
    found = Counterexample(inputs, expects, outcome, outcome, flips)
    return Verdict(operator, target.name, dialect, said, tried, found, **counts, left_out=left_out)


def _drawn(operator: Operator, dialect: Dialect, examples: int, dtype: str, seed: int) -> list[dict[str, Any]]:
    """Drawn inputs, each once."""
    from .draws import DRAWS

    found: dict[bytes, dict[str, Any]] = {}

    def keep(inputs: dict[str, Any]) -> bool:
        cast = Vector("drawn", inputs, ()).cast(dtype)
        found[_key(cast)] = cast
        return False

    if examples:
        smallest(DRAWS[operator.name](dialect), keep, examples=examples, seed=seed)
    return list(found.values())


def _kept(inputs: Inputs) -> dict[str, np.ndarray]:
    """As `Target` sends them: sizes are int32, which nothing else is."""
    return {n: np.array(v, np.int32) if isinstance(v, tuple) else np.asarray(v) for n, v in inputs.items()}


def _as_given(value: np.ndarray) -> Any:
    """The input that `_kept` made this array of."""
    if value.ndim == 0:
        return value.item()
    return tuple(value.tolist()) if value.dtype == np.int32 else value


def _key(inputs: Inputs) -> bytes:
    """What tells inputs apart: every array's dtype, shape and bytes."""
    parts = [f"{n} {v.dtype} {v.shape}".encode() + v.tobytes() for n, v in _kept(inputs).items()]
    return hashlib.sha256(b"\0".join(parts)).digest()


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The same bytes for the same arrays."""
    buffer = io.BytesIO()
    save: Any = partial(np.savez, buffer)
    save(**arrays)
    return buffer.getvalue()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
