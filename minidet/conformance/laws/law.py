"""What a law is, and how another call's inputs and answers are made of given ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..operators import Answer, Inputs, Refused

Call = Callable[[Inputs], Answer]
Both = tuple[Answer, Answer]  # what came, and what the law says of it


@dataclass(frozen=True)
class Law:
    """``name``, the law in words (``says``), the two calls (``ask``), and the conventions that suspend it (``but``)."""

    name: str
    says: str
    ask: Callable[[Call, Inputs], Both]
    but: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def changed(inputs: Inputs, **changes: Any) -> dict[str, Any]:
    """The inputs, some of them others."""
    return {**inputs, **changes}


def mapped(answer: Answer, change: Callable[[Any], Any]) -> Answer:
    """The answer changed, but for a refusal; of several arrays, ``change`` takes the tuple."""
    return answer if isinstance(answer, Refused) else change(answer)


def boxes(inputs: Inputs, change: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
    """The inputs with every array of boxes changed."""
    return {n: change(v) if n in ("boxes", "a", "b") else v for n, v in inputs.items()}
