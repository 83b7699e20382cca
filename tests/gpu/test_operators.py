"""Every implementation for a GPU agrees with its operator's definition there, and gives the same bytes again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from minidet_kernels import OPS
from support.cases import CASES
from support.on_device import EXAMPLES, moved, taken, twice

#: Those in CUDA C and in Numba CUDA; the others, of CuPy's own functions, are for comparison.
PAIRS = [(op, impl) for op in OPS.values() for impl in op.impls.values() if impl.arrays == {"cupy"}]
IDS = [f"{op.name}-{impl.name}" for op, impl in PAIRS]
ARRAYS = [(op, impl) for op in OPS.values() for impl in op.impls.values() if "cupy" in impl.arrays and not impl.needs]


def needs_numba(cupy: Any, impl: Any) -> None:
    """Skip one of the Numba twins where Numba has no GPU."""
    if "numba.cuda" in impl.needs:
        if not hasattr(cupy, "RawModule"):
            pytest.skip("needs a real GPU; tests/cuda/test_numba_twins.py runs it in Numba's simulator")
        numba_cuda = pytest.importorskip("numba.cuda")
        if not numba_cuda.is_available():
            pytest.skip(f"Numba finds no GPU: {' '.join(str(numba_cuda.cuda_error()).split())}")


@pytest.mark.parametrize(("op", "impl"), PAIRS, ids=IDS)
def test_agrees_with_the_definition(op: Any, impl: Any, cupy: Any) -> None:
    needs_numba(cupy, impl)
    assert taken(cupy, op, impl.name, EXAMPLES) or EXAMPLES < 60, (
        "none of the drawn cases is taken by this implementation"
    )


@pytest.mark.parametrize(("op", "impl"), PAIRS, ids=IDS)
def test_gives_the_same_bytes_again(op: Any, impl: Any, cupy: Any) -> None:
    needs_numba(cupy, impl)

    @settings(max_examples=max(1, EXAMPLES // 6))
    @given(CASES[op.name].strategy)
    def check(call: Any) -> None:
        there, options = moved(cupy, call[0]), moved(cupy, call[1])
        if op.refusal(impl.name, *there, **options) is None:
            twice(lambda: op.using(impl.name)(*there, **options))

    check()


@pytest.mark.parametrize(("op", "impl"), ARRAYS, ids=[f"{op.name}-{impl.name}" for op, impl in ARRAYS])
def test_by_cupys_own_functions_too(op: Any, impl: Any, real: Any) -> None:
    taken(real, op, impl.name, EXAMPLES)
