"""A target as somebody declares it: what it is, which operator it is meant to be, and how it is called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import InputError
from .operators import Inputs, Operator
from .pipe import Pipe
from .process import Clock
from .program import Program
from .recorded import Recorded
from .target import Caller, Outcome, Target

DTYPES = ("float32", "float64")
#: What a target begins with that is a program.
PROGRAMS = ("run:", "pipe:")
RECORDED = "recorded:"


@dataclass(frozen=True)
class Declared:
    """``target`` is ``module:function``, ``FILE.onnx``, ``run:PROGRAM``, ``pipe:PROGRAM`` or ``recorded:FOLDER``.

    The others are as of `Target`; ``dtype`` is that of the floating-point arrays it is given.
    """

    operator: Operator
    target: str
    arrays: str | None = None
    form: str = "xyxy"
    device: str | None = None
    dtype: str = "float32"
    extra: Mapping[str, Any] = field(default_factory=dict)
    limit: float = 10.0
    first: float = 60.0

    @property
    def recorded(self) -> bool:
        """Is it a folder of answers, which can be asked nothing new?"""
        return self.target.startswith(RECORDED)

    def made(self) -> Target | Program | Pipe | Recorded:
        """The target, to be entered; raises `InputError` for what is no target or cannot be so called."""
        if self.dtype not in DTYPES:
            raise InputError(f"dtype {self.dtype!r}; expected one of {', '.join(DTYPES)}")
        if not self.limit > 0:
            raise InputError(f"--limit {self.limit:g}: expected seconds above 0")
        boxes, outputs = self.operator.boxes, self.operator.outputs
        function = not self.recorded and not self.target.startswith(PROGRAMS)
        if not function and (self.extra or self.arrays or self.device):
            raise InputError(f"{self.target}: --with, --arrays and --device are of Python functions; it has files")
        if self.recorded:
            return Recorded(self.target.removeprefix(RECORDED), self.operator, dtype=self.dtype, form=self.form)
        if self.target.startswith("run:"):
            command = self.target.removeprefix("run:")
            return Program(command, boxes=boxes, outputs=outputs, form=self.form, limit=self.limit)
        if self.target.startswith("pipe:"):
            command = self.target.removeprefix("pipe:")
            return Pipe(command, boxes=boxes, outputs=outputs, form=self.form, limit=self.limit, first=self.first)
        return Target(
            self.target, boxes=boxes, outputs=outputs, arrays=self.arrays, form=self.form, device=self.device,
            extra=self.extra, limit=self.limit, first=self.first,
        )  # fmt: skip


#: Seconds that a call counts at most.
LONGEST_CALL = 90.0


class SpentError(Exception):
    """The time for a target is over."""


class Patient:
    """A target that is called until its time is over, and then no more: ``call`` raises `SpentError`.

    ``calls`` counts those that were made, and ``hung`` holds the inputs and outcome of the first that hung or crashed.
    """

    def __init__(self, target: Caller, seconds: float) -> None:
        self.name, self.seconds, self.calls = target.name, seconds, 0
        self.hung: tuple[Inputs, Outcome] | None = None
        self._target, self._clock = target, Clock(seconds, LONGEST_CALL)

    def call(self, inputs: Mapping[str, Any]) -> Outcome:
        """One call, while there is time."""
        try:
            self._clock.wait()
        except TimeoutError:
            raise SpentError(f"slow: {self.calls} calls in {self.seconds:g} s") from None
        self.calls += 1
        outcome = self._target.call(inputs)
        if self.hung is None and outcome.kind in ("hangs", "crashes"):
            self.hung = inputs, outcome
        return outcome


@contextmanager
def opened(declared: Declared) -> Iterator[tuple[Caller, Operator]]:
    """The target, and the operator with those of its telling inputs that the target can be asked."""
    with declared.made() as target:
        if isinstance(target, Recorded):
            yield target, replace(declared.operator, vectors=target.answered_vectors())
        else:
            yield target, declared.operator
