"""An operator's definition as a function, in any dialect: every variant runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .conventions import profiles
from .operators import OPERATORS, Arrays, Operator, Refused


def definition(operator: str, *, profile: str = "minidet", **conventions: str) -> Callable[..., Arrays]:
    """``definition("nms", compare="inclusive")(boxes, scores, 0.5)``: the reference, in a dialect.

    The dialect is that of a ``profile``, with the ``conventions`` given by name changed.  Inputs come in the operator's
    order or by its names, as arrays or lists; boxes are x1 y1 x2 y2.  Decisions are made in rational arithmetic, so it
    is slow; it is for reading, for small inputs, and for comparing.  What the dialect takes for an error raises
    ``ValueError``, as do names and values that there are not.
    """
    if operator not in OPERATORS:
        raise ValueError(f"no operator is named {operator!r}; there are {', '.join(OPERATORS)}")
    known = [name for name, operators in profiles().items() if operator in operators]
    if profile not in known:
        raise ValueError(f"no profile {profile!r} of {operator}; there are {', '.join(known)}")
    of = OPERATORS[operator]
    dialect = of.dialect(**{**profiles()[profile][operator], **conventions})
    example = of.vectors[0].inputs

    def defined(*args: Any, **kwargs: Any) -> Arrays:
        names = list(example)
        if len(args) > len(names) or not set(kwargs) <= set(names[len(args) :]) or len(args) + len(kwargs) < len(names):
            raise TypeError(f"{operator}({', '.join(names)}), each once; found {len(args)} and {sorted(kwargs)}")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        answer = of.reference({name: _like(given[name], example[name]) for name in names}, dialect)
        if isinstance(answer, Refused):
            raise ValueError(f"{operator}: the dialect takes this input for an error ({_said(of, dialect)})")
        return answer

    defined.__name__ = defined.__qualname__ = operator
    defined.__doc__ = f"{of.call}\n\n{_said(of, dialect)}"
    return defined


def _like(value: Any, example: Any) -> Any:
    """A value as the kind of thing that the operator takes."""
    if isinstance(example, np.ndarray):
        array = np.asarray(value)
        if array.dtype.kind == example.dtype.kind:
            return array
        return array.astype(example.dtype)
    return tuple(value) if isinstance(example, tuple) else value


def _said(operator: Operator, dialect: dict[str, str]) -> str:
    return ", ".join(f"{operator.name}.{name}={value}" for name, value in dialect.items())
