"""The table by the door: every operator, and every way it can be computed.

An operator is declared once, by decorating the function that *defines* it::

    @op(Impl("numba", "minidet_kernels.overlap.numba_cpu:iou_matrix", arrays={"numpy"}, needs=("numba",)))
    def iou_matrix(a, b):
        ...                      # the definition: what every implementation is tested against

Calling ``iou_matrix(a, b)`` runs one implementation: the last one listed that takes this kind of array and these
arguments.  They are listed slowest first, *as measured* (``python -m benchmarks`` fails when the order is wrong), so
the table is at once a ladder to climb and an order of preference.  ``pin`` overrides the choice, ``explain`` prints it.

Nothing here imports Numba or CuPy: an implementation is a string ``"module:function"`` until the first call, so a
machine without a GPU still lists the CUDA implementations, and says why it refuses them.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, update_wrapper
from types import MappingProxyType
from typing import Any, Generic, ParamSpec, TypeVar, cast

from . import compiling, threads
from .arrays import is_array, library

P = ParamSpec("P")
R = TypeVar("R")

#: Every operator by name.  Tests, benchmarks, docs and the command line all read this one table.
OPS: dict[str, Op[..., Any]] = {}

DEFINITION = "definition"

_pinned: ContextVar[Mapping[str, str]] = ContextVar("pinned", default=MappingProxyType({}))


@cache
def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it is in
        return False


#: How to install what a kernel may need besides the declared dependencies.
_HOW = {"cupy": " (pip install minidet[cuda13], or minidet[cuda12])", "cuda.bindings": " (pip install cuda-bindings)"}

#: Why an implementation does not take, or should not get, a call with these arguments; or ``None``.
Rule = Callable[..., str | None]


def _named(target: str) -> Callable[..., Any]:
    """The function that ``"module:function"`` names."""
    module, _, name = target.partition(":")
    return cast(Callable[..., Any], getattr(importlib.import_module(module), name))


def _asked(rule: Rule | str | None, *args: Any, **kwargs: Any) -> str | None:
    rule = _named(rule) if isinstance(rule, str) else rule
    return rule(*args, **kwargs) if rule else None


@dataclass(frozen=True)
class Impl:
    """One way to compute one operator.

    ``target`` is ``"module:function"``; ``arrays`` the libraries whose arrays it takes; ``needs`` the modules it
    imports.  ``limits`` is called with the operator's own arguments and returns why this implementation cannot take
    them, or ``None``; it starts with a verb ("takes one group, not 4"), so that it can follow the name.  ``doubts`` is
    called likewise and returns why another one listed before it is the better choice for these arguments, although
    this one takes them: then it runs only if it is pinned.  Both may be named like ``target``, so that their module is
    imported when they are first asked: that of launchers is not worth the time where there is no GPU.
    """

    name: str
    target: str
    arrays: Collection[str] = ("numpy",)
    needs: tuple[str, ...] = ()
    limits: Rule | str | None = None
    doubts: Rule | str | None = None

    def missing(self) -> str | None:
        """Why this implementation cannot run on this machine, or ``None``."""
        for module in self.needs:
            if not _installed(module):
                return f"needs {module}, which is not installed" + _HOW.get(module, "")
        if "cupy" in self.needs:
            from .cuda import here

            return here.missing()
        return None

    def load(self) -> Callable[..., Any]:
        """Import the function that ``target`` names; Numba's are told how many threads there are (``threads.py``)."""
        if "numba" in self.needs:
            threads.apply()
            compiling.watch()
        return _named(self.target)


class Op(Generic[P, R]):
    """A named operator: its definition, its implementations, and the check of its arguments."""

    def __init__(
        self, definition: Callable[P, R], impls: tuple[Impl, ...], check: Callable[..., None] | None = None
    ) -> None:
        update_wrapper(self, definition)
        self.name: str = definition.__name__
        self.definition = definition
        self.impls = {impl.name: impl for impl in impls}
        self.check = check
        assert len(self.impls) == len(impls), f"{self.name}: two implementations share a name"
        assert DEFINITION not in self.impls, f"{self.name}: {DEFINITION!r} is the definition's own name"
        assert self.name not in OPS, f"two operators are named {self.name!r}"
        OPS[self.name] = cast("Op[..., Any]", self)

    def rungs(self, arrays: str) -> list[str]:
        """The implementations that take arrays of this library (``"numpy"``, ``"cupy"``), slowest first."""
        return [name for name, impl in self.impls.items() if arrays in impl.arrays]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if self.check is not None:
            self.check(*args, **kwargs)
        return self.using(self.choose(*args, **kwargs))(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<operator {self.name}: {', '.join([DEFINITION, *self.impls])}>"

    def choose(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """The name of the implementation that this call runs.

        Raises ``TypeError`` with the reasons where none takes it.
        """
        chosen = self._chosen(*args, **kwargs)
        if chosen is None:
            raise TypeError(f"{self.name}: no implementation takes this call; {self._why_none(*args, **kwargs)}")
        return chosen

    def _chosen(self, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """The same, or ``None``."""
        pinned = _pinned.get().get(self.name)
        if pinned is not None:
            if why := self.refusal(pinned, *args, **kwargs):
                raise ValueError(f"{self.name} is pinned to {pinned!r}, which {why}")
            return pinned
        for name in reversed(self.impls):
            if self.refusal(name, *args, **kwargs) is None and self.doubt(name, *args, **kwargs) is None:
                return name
        return DEFINITION if self.refusal(DEFINITION, *args, **kwargs) is None else None

    def _why_none(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """What those say that take arrays of this library, each reason once; the definition's if there are none."""
        rungs = self.rungs(library(args[0])) if args else []
        reasons = {self.refusal(name, *args, **kwargs) or self.doubt(name, *args, **kwargs): name for name in rungs}
        said = [f"{name} {why}" for why, name in reversed(reasons.items())]
        return "; ".join(said) or f"the definition {self.refusal(DEFINITION, *args, **kwargs)}"

    def refusal(self, name: str, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """Why implementation ``name`` will not take this call, or ``None``."""
        given = library(args[0]) if args else "nothing"
        if name == DEFINITION:
            return None if args and is_array(args[0]) and given != "cupy" else f"takes numpy arrays, not {given}"
        impl = self.impls[name]
        if given not in impl.arrays:
            return f"takes {' or '.join(sorted(impl.arrays))} arrays, not {given}"
        return impl.missing() or _asked(impl.limits, *args, **kwargs)

    def doubt(self, name: str, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """Why implementation ``name``, which takes this call, is not the one to choose for it, or ``None``."""
        return None if name == DEFINITION else _asked(self.impls[name].doubts, *args, **kwargs)

    def using(self, name: str) -> Callable[P, R]:
        """The implementation called ``name``; ``"definition"`` is the definition itself."""
        return self.definition if name == DEFINITION else self.impls[name].load()

    def explain(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Which implementation this call runs, and why not each of the others; one line each, slowest first."""
        chosen = self._chosen(*args, **kwargs)
        runs = "nothing takes this call" if chosen is None else f"runs {chosen!r}"
        lines = [f"{self.name}: {runs}" + (" (pinned)" if self.name in _pinned.get() else "")]
        for name in [DEFINITION, *self.impls]:
            why = self.refusal(name, *args, **kwargs)
            if why is None and name != chosen and (doubt := self.doubt(name, *args, **kwargs)):
                why = f"would take it, but {doubt}"
            lines.append(f"  {name:16} {why or ('runs' if name == chosen else 'would take it, but is slower')}")
        if self.name in _pinned.get():
            lines = [line.replace("would take it, but is slower", "would take it, but is not pinned") for line in lines]
        return "\n".join(lines)


def op(*impls: Impl, check: Callable[..., None] | None = None) -> Callable[[Callable[P, R]], Op[P, R]]:
    """Declare an operator.  The decorated function is its definition; ``impls`` are listed slowest first.

    ``check`` is called with the arguments before any implementation is chosen, and raises ``ValueError`` or
    ``TypeError`` with the shapes and the fix: one check for the definition and all the rungs.
    """
    return lambda definition: Op(definition, impls, check)


@contextmanager
def pin(**choice: str) -> Iterator[None]:
    """Run exactly the named implementations, or raise with the reason: ``with pin(conv2d="im2col"): ...``.

    Holds for the calls made inside the block by this thread (or task); pins nest.
    Raises ``KeyError`` for an operator or an implementation that is not in the table.
    """
    for name, impl in choice.items():
        if name not in OPS:
            raise KeyError(f"no operator is named {name!r}; there are {', '.join(sorted(OPS))}")
        if impl != DEFINITION and impl not in OPS[name].impls:
            names = ", ".join([DEFINITION, *OPS[name].impls])
            raise KeyError(f"{name} has no implementation {impl!r}; it has {names}")
    token = _pinned.set({**_pinned.get(), **choice})
    try:
        yield
    finally:
        _pinned.reset(token)
