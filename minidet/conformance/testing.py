"""The suite as tests of pytest, for somebody's own CI::

    from minidet.conformance.testing import conformance
    import mine

    test_nms = conformance("nms", mine.nms, profile="torchvision-cpu", boxes="xyxy")

gives a test for the fingerprint, for the search, for each law and for each known divergence.  A failure's text is the
snippet of `minidet conform report`.  The target runs in a process of its own, once for all of its tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from .check import PASSES
from .declared import Declared
from .laws import LAWS
from .ledger import read
from .operators import OPERATORS
from .suite import BUDGET, Asked, Judged, judge


class Suite:
    """``target`` is a function that can be imported by its name, or a text as of `minidet conform`; the others are
    that command's options.  Raises `InputError` for what is asked wrongly.

    The target is judged when something is first asked.
    """

    def __init__(
        self,
        op: str,
        target: str | Callable[..., Any],
        *,
        profile: str = "",
        boxes: str = "xyxy",
        arrays: str | None = None,
        device: str | None = None,
        dtype: str = "float32",
        extra: Mapping[str, Any] | None = None,
        limit: float = 10.0,
        without: Sequence[str] = (),
        ledger: str | Path | None = None,
        examples: int = 200,
        seed: int = 0,
        budget: float = BUDGET,
    ) -> None:
        if op not in OPERATORS:
            raise InputError(f"no operator is named {op!r}; there are {', '.join(OPERATORS)}")
        name = target if isinstance(target, str) else path_of(target)
        declared = Declared(OPERATORS[op], name, arrays, boxes, device, dtype, dict(extra or {}), limit)
        declared.made()  # refuses what cannot be called so, and starts nothing
        self.asked = Asked(declared, profile, tuple(without), tuple(read(ledger)) if ledger is not None else ())
        self.asked.dialect(), self.asked.skip()
        self._examples, self._seed, self._budget = examples, seed, budget
        self._judged: Judged | None = None

    def steps(self) -> list[str]:
        """What can be asked for."""
        laws = () if self.asked.declared.recorded else LAWS.get(self.asked.declared.operator.name, ())
        known = [f"known {number}" for number, _ in enumerate(self.asked.ledger, 1)]
        return ["fingerprint", *known, "search", *(f"law {law.name}" for law in laws)]

    def judged(self) -> Judged:
        """All of it, found once."""
        if self._judged is None:
            self._judged = judge(self.asked, examples=self._examples, seed=self._seed, budget=self._budget)
        return self._judged

    def wrong(self, step: str | None = None) -> str:
        """What is wrong at a step, or at any: a line for each reason, then the code; "" where nothing is."""
        found = [one for one in self.judged().findings if step in (None, one.step) and one.word not in PASSES]
        lines = list(dict.fromkeys(f"{one.word}: {one.reason}" if one.reason else one.word for one in found))
        codes = [one.code for one in found if one.code]
        return "\n\n".join(["\n".join(lines), *codes]) if found else ""

    def untested(self) -> str:
        """Why nothing was asked of the target, or ""."""
        found = self.judged()
        return f"{found.word}: {found.reason}" if found.verdict is None and not found.passes else ""


def conformance(op: str, target: str | Callable[..., Any], **options: Any) -> Callable[[str], None]:
    """A test function with a case for each step; the arguments are those of `Suite`."""
    import pytest

    suite = Suite(op, target, **options)

    @pytest.mark.parametrize("step", suite.steps())
    def conforms(step: str) -> None:
        __tracebackhide__ = True
        untested = suite.untested()
        if untested and step != "fingerprint":
            pytest.skip("the target could not be tested, as its fingerprint says")
        said = suite.wrong(step) or untested
        if said:
            pytest.fail(said, pytrace=False)

    conforms.__doc__ = f"{suite.asked.declared.target} as {op}."
    return conforms


def path_of(function: Callable[..., Any]) -> str:
    """``module:name`` of a function; raises `InputError` for one that cannot be imported by it."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if not module or not name or "<" in name or module == "__main__":
        raise InputError(
            f"{function!r}: cannot be imported by a name; define it in a module, or give 'module:function'"
        )
    return f"{module}:{name}"
