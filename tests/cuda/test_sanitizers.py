"""Every CUDA implementation under sanitizers: nothing is out of bounds or undefined, and no race in shared memory.

The cases are those of ``test_operators``, few of them, since a sanitizer's build runs in a program of its own.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from minidet_kernels import cuda_on_cpu
from minidet_kernels.cuda import Source
from minidet_kernels.cuda.compiling import gathered
from support.cases import CASES
from support.cuda_launches import OnCpu
from support.on_device import moved
from support.strict_cupy import strict_cupy

from .test_operators import PAIRS

pytestmark = [
    pytest.mark.oracle,  # as it takes long
    pytest.mark.skipif(not cuda_on_cpu.available(), reason="CUDA C on the CPU needs g++, which is not here"),
]


def shares(source: Source) -> bool:
    """Whether threads of a block meet in shared memory."""
    return any("__shared__" in text for name, text in gathered(source.path) if not name.endswith("minidet_ptx.cuh"))


def sources_of(target: str) -> Iterator[Source]:
    """The sources that an implementation's module has names for."""
    for value in vars(importlib.import_module(target.partition(":")[0])).values():
        yield from [one for one in (value.values() if isinstance(value, dict) else [value]) if isinstance(one, Source)]


SHARING = [(op, impl) for op, impl in PAIRS if any(map(shares, sources_of(impl.target)))]


class Sanitized(OnCpu):
    """Takes launches, those of sources without shared memory in a plain build if races are looked for."""

    def __init__(self, sanitize: str) -> None:
        super().__init__("forward", sanitize)
        self.what = sanitize
        self.found: list[str] = []

    def __call__(self, source: Source, kernel: str, *rest: Any) -> None:
        self.sanitize = self.what if self.what == "address" or shares(source) else None
        if self.sanitize:
            self.found.append(kernel)
        super().__call__(source, kernel, *rest)


def run(op: Any, impl: Any, sanitize: str, most: int) -> Sanitized:
    """Call the implementation with ``most`` drawn cases that it takes; an error of the sanitizer is the test's.

    Some implementations take few of the cases of their operator, so that less than ``most`` may come of 200.
    """
    taken = 0
    runner = Sanitized(sanitize)
    with strict_cupy(runner) as cupy:

        @settings(max_examples=200, suppress_health_check=list(HealthCheck))
        @given(CASES[op.name].strategy)
        def check(call: Any) -> None:
            nonlocal taken
            args, kwargs = moved(cupy, call[0]), moved(cupy, call[1])
            if taken < most and op.refusal(impl.name, *args, **kwargs) is None:
                taken += bool(all(part.size for part in args if hasattr(part, "size")))
                op.using(impl.name)(*args, **kwargs)

        check()
    assert taken > 1, f"only {taken} of the drawn cases are taken by this implementation"
    return runner


def names(pairs: Any) -> list[str]:
    return [f"{op.name}-{impl.name}" for op, impl in pairs]


@pytest.mark.parametrize(("op", "impl"), PAIRS, ids=names(PAIRS))
def test_nothing_is_out_of_bounds_or_undefined(op: Any, impl: Any) -> None:
    assert run(op, impl, "address", 10).found


@pytest.mark.parametrize(("op", "impl"), SHARING, ids=names(SHARING))
def test_nothing_races_in_shared_memory(op: Any, impl: Any) -> None:
    if not run(op, impl, "thread", 3).found:
        pytest.skip("other kernels of its file share memory, this one's do not")


def test_some_share_memory_and_some_do_not() -> None:
    assert 10 < len(SHARING) < len(PAIRS)
