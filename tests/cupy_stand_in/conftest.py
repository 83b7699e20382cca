"""The stand-in is installed for a whole test file at a time, since Hypothesis asks for no fixture per test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.strict_cupy import strict_cupy


@pytest.fixture(scope="module")
def cupy() -> Iterator[Any]:
    with strict_cupy() as module:
        yield module
