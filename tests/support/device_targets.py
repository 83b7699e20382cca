"""Our CUDA implementations as targets of the conformance suite: arrays of CuPy, or of its stand-in, there and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minidet_kernels import OPS
from minidet_kernels.table import Op

from minidet.conformance import OPERATORS, Outcome, check, profiles

from .on_device import host, moved
from .own_targets import TABLE

#: Each operator of the suite with each of its implementations in CUDA C.
CUDA_C = [
    (name, impl.name) for name, (own, _) in TABLE.items() for impl in OPS[own].impls.values() if impl.needs == ("cupy",)
]

#: Those that take nothing of profile ``minidet``: the values that they follow, and the options that ask for them.
OTHERWISE: Mapping[tuple[str, str], tuple[Mapping[str, str], Mapping[str, Any]]] = {
    ("resize", "bilinear"): ({"sampling": "bilinear"}, {"mode": "bilinear"}),
    ("resize", "taps"): ({"sampling": "bilinear_antialias"}, {"mode": "bilinear", "antialias": True}),
}


class OnDevice:
    """One implementation; ``taken`` counts the calls that it takes, and for others the definition answers."""

    def __init__(self, module: Any, name: str, rung: str) -> None:
        own, self.arrays = TABLE[name]
        self.op: Op[..., Any] = OPS[own]
        self.module, self.rung, self.name, self.taken = module, rung, f"{own}:{rung}", 0
        self.outputs = len(OPERATORS[name].outputs)
        self.options = OTHERWISE.get((name, rung), ({}, {}))[1]

    def call(self, inputs: Mapping[str, Any]) -> Outcome:
        given = list(inputs.items())
        args, options = [v for _, v in given[: self.arrays]], {**dict(given[self.arrays :]), **self.options}
        there, kept = moved(self.module, args), moved(self.module, options)
        if self.op.refusal(self.rung, *there, **kept):
            answer = self.op.definition(*args, **options)
        else:
            self.taken += 1
            answer = host(self.op.using(self.rung)(*there, **kept))
        if isinstance(answer, tuple):
            answer = answer[: self.outputs] if self.outputs > 1 else answer[0]
        return Outcome("answers", answer)


def conforms(module: Any, name: str, rung: str, examples: int) -> None:
    """The suite, unchanged, on one implementation: it conforms to our profile, and takes some of the calls."""
    operator = OPERATORS[name]
    values = {**profiles()["minidet"][name], **OTHERWISE.get((name, rung), ({}, {}))[0]}
    one = OnDevice(module, name, rung)
    for count in (examples, 400):
        verdict = check(operator, one, operator.dialect(**values), examples=count, variants=False)
        assert verdict.word in ("conforms", "unspecified"), verdict.found
        if one.taken or examples < 40:
            return
    raise AssertionError(f"{name}: none of {verdict.tried} drawn inputs is taken by {rung}")
