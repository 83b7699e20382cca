"""Every CUDA implementation agrees with its definition: launcher and kernel, in three schedules, without a GPU."""

from __future__ import annotations

from typing import Any

import pytest
from minidet_kernels import OPS
from support.on_device import taken

PAIRS = [(op, impl) for op in OPS.values() for impl in op.impls.values() if impl.needs == ("cupy",)]


each_pair = pytest.mark.parametrize(("op", "impl"), PAIRS, ids=[f"{op.name}-{impl.name}" for op, impl in PAIRS])


@each_pair
def test_agrees_with_the_definition(op: Any, impl: Any, cupy: Any) -> None:
    compare(op, impl, cupy, 40)


@pytest.mark.oracle  # as it takes long
@each_pair
def test_agrees_with_the_definition_in_200_examples(op: Any, impl: Any, cupy: Any) -> None:
    compare(op, impl, cupy, 200)


def compare(op: Any, impl: Any, cupy: Any, examples: int) -> None:
    """The implementation on the stand-in's arrays beside the definition, for drawn arguments."""
    count = taken(cupy, op, impl.name, examples)
    if count <= 2 and examples < 200:  # it takes few of the operator's cases
        count = taken(cupy, op, impl.name, 200)
    assert count > 2, "too few of the drawn cases are taken by this implementation"
