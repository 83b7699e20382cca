"""The table: nothing in it lacks a case, a page or a source, and it chooses, pins, explains and refuses as it says."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import minidet_kernels
import numpy as np
import pytest
from minidet_kernels import OPS, Impl, pin
from minidet_kernels.table import op as declare
from support.cases import CASES

ROOT = Path(__file__).parents[2]
IMPLS = [(op, impl) for op in OPS.values() for impl in op.impls.values()]


def room(op: Any) -> str:
    return op.__module__.split(".")[1]


# ---- completeness


@pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))
def test_operator_is_complete(op: Any) -> None:
    assert op.name in CASES, "add a @case to tests/support/cases_*.py"
    assert op.impls, "an operator enters the kernels with its second implementation"
    assert len(op.__doc__ or "") > 40
    assert op.check is not None
    assert op is getattr(minidet_kernels, op.name)
    assert op.name in minidet_kernels.__all__


@pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))
def test_operator_has_a_page_that_names_it_and_its_implementations(op: Any) -> None:
    page = (ROOT / "docs/operators" / f"{room(op)}.md").read_text(encoding="utf-8")
    for name in [op.name, *op.impls]:
        assert f"`{name}" in page, f"docs/operators/{room(op)}.md does not mention `{name}`"


def test_no_case_without_an_operator() -> None:
    assert set(CASES) <= set(OPS)


def test_a_room_is_never_named_like_an_operator_in_it() -> None:
    for op in OPS.values():
        assert room(op) not in OPS


@pytest.mark.parametrize(("op", "impl"), IMPLS, ids=[f"{op.name}-{impl.name}" for op, impl in IMPLS])
def test_target_exists_even_where_it_cannot_run(op: Any, impl: Impl) -> None:
    module, _, name = impl.target.partition(":")
    spec = importlib.util.find_spec(module)  # finds the file; imports only the room above it
    assert spec is not None
    assert spec.origin is not None
    functions = {n.name: n for n in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body if hasattr(n, "args")}
    assert name in functions
    assert set(impl.arrays) <= {"numpy", "cupy"}


# ---- imports


def test_importing_the_kernels_imports_numpy_alone() -> None:
    code = "import sys, minidet_kernels; print([m for m in ('numba', 'cupy', 'torch', 'PIL') if m in sys.modules])"
    path = str(Path(minidet_kernels.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", f"import sys; sys.path.insert(0, {path!r}); {code}"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.strip() == "[]"


# ---- choosing, on an operator of our own


class OnDevice:
    """Looks to the table like an array of CuPy's."""

    __module__ = "cupy"


@pytest.fixture
def toy() -> Iterator[Any]:
    def toy(x: Any, *, scale: float = 1.0) -> Any:
        """The array times the scale."""
        return x * scale

    def not_negative(x: Any, *, scale: float = 1.0) -> str | None:
        return "takes no negative scale" if scale < 0 else None

    def check(x: Any, *, scale: float = 1.0) -> None:
        if scale == 0:
            raise ValueError("toy: scale must not be 0")

    target = f"{__name__}:"
    op = declare(
        Impl("slow", target + "slow", arrays={"numpy", "cupy"}),
        Impl("fast", target + "fast", limits=not_negative),
        Impl("absent", target + "absent", needs=("no_such_module",)),
        Impl("device", target + "device", arrays={"cupy"}, needs=("no_such_module",)),
        check=check,
    )(toy)
    yield op
    del OPS["toy"]


def slow(x: Any, *, scale: float = 1.0) -> Any:
    return "slow"


def fast(x: Any, *, scale: float = 1.0) -> Any:
    return "fast"


X = np.zeros(3)


def test_the_last_listed_that_accepts_runs(toy: Any) -> None:
    assert toy(X) == "fast"
    assert toy(X, scale=-1.0) == "slow"
    assert toy.choose(X) == "fast"
    assert toy.choose(OnDevice()) == "slow"


def test_refusals_say_why(toy: Any) -> None:
    assert toy.refusal("fast", X) is None
    assert toy.refusal("fast", X, scale=-1.0) == "takes no negative scale"
    assert toy.refusal("absent", X) == "needs no_such_module, which is not installed"
    assert toy.refusal("device", X) == "takes cupy arrays, not numpy"
    assert toy.refusal("fast", OnDevice()) == "takes numpy arrays, not cupy"
    assert toy.refusal("definition", OnDevice()) == "takes numpy arrays, not cupy"


def test_a_call_that_nothing_takes_is_a_type_error(toy: Any) -> None:
    with pytest.raises(TypeError, match=r"toy: no implementation takes this call; .* not builtins"):
        toy([1.0])


def test_it_says_what_those_say_that_take_such_arrays(toy: Any) -> None:
    """Each reason once, with the fastest implementation's name; and ``explain`` says it instead of raising."""

    def takes_words(x: Any, **options: Any) -> str:
        return "takes words, not numbers"

    impls = (*toy.impls.values(), Impl("also", "x:y", arrays={"cupy"}, limits=takes_words))
    toy.impls = {one.name: dataclasses.replace(one, limits=takes_words) if one.name == "slow" else one for one in impls}
    with pytest.raises(TypeError) as error:
        toy(OnDevice())
    assert str(error.value) == (
        "toy: no implementation takes this call; device needs no_such_module, which is not installed; "
        "also takes words, not numbers"
    )
    first, *rest = toy.explain(OnDevice()).splitlines()
    assert first == "toy: nothing takes this call"
    assert any(line.split() == ["also", "takes", "words,", "not", "numbers"] for line in rest)


def test_the_check_comes_first_whatever_is_pinned(toy: Any) -> None:
    for name in ("definition", "slow", "fast"):
        with pin(toy=name), pytest.raises(ValueError, match="toy: scale must not be 0"):
            toy(X, scale=0)


def test_pin_runs_exactly_that_one_nests_and_ends(toy: Any) -> None:
    with pin(toy="slow"):
        assert toy(X) == "slow"
        with pin(toy="definition"):
            np.testing.assert_array_equal(toy(X + 1, scale=2.0), np.full(3, 2.0))
        assert toy(X) == "slow"
    assert toy(X) == "fast"


def test_pin_raises_with_the_reason_and_never_falls_back(toy: Any) -> None:
    with pin(toy="fast"), pytest.raises(ValueError, match=r"pinned to 'fast', which takes no negative scale"):
        toy(X, scale=-1.0)
    with pin(toy="absent"), pytest.raises(ValueError, match="which needs no_such_module"):
        toy(X)
    assert toy(X) == "fast", "a pin must end with its block, also when the call raised"


def test_pin_of_an_unknown_name_raises_with_the_names_there_are(toy: Any) -> None:
    with pytest.raises(KeyError, match=r"no operator is named 'convolve'; there are .*conv2d"), pin(convolve="im2col"):
        pass
    with pytest.raises(KeyError, match="toy has no implementation 'swift'; it has definition, slow, fast"), \
            pin(toy="swift"):  # fmt: skip
        pass


def test_explain_names_every_implementation(toy: Any) -> None:
    lines = toy.explain(X).splitlines()
    assert lines[0] == "toy: runs 'fast'"
    assert [line.split(maxsplit=1) for line in lines[1:]] == [
        ["definition", "would take it, but is slower"],
        ["slow", "would take it, but is slower"],
        ["fast", "runs"],
        ["absent", "needs no_such_module, which is not installed"],
        ["device", "takes cupy arrays, not numpy"],
    ]
    with pin(toy="slow"):
        lines = toy.explain(X).splitlines()
    assert lines[0] == "toy: runs 'slow' (pinned)"
    assert lines[3].split(maxsplit=1) == ["fast", "would take it, but is not pinned"]


def test_two_operators_or_two_implementations_cannot_share_a_name(toy: Any) -> None:
    def again(x: Any) -> Any:
        return x

    again.__name__ = "toy"
    with pytest.raises(AssertionError, match="two operators are named 'toy'"):
        declare(Impl("slow", "a:b"))(again)
    again.__name__ = "fresh"
    with pytest.raises(AssertionError, match="two implementations share a name"):
        declare(Impl("slow", "a:b"), Impl("slow", "a:c"))(again)
    with pytest.raises(AssertionError, match="the definition's own name"):
        declare(Impl("definition", "a:b"))(again)
    assert "fresh" not in OPS
