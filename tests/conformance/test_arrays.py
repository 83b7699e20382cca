"""What a function is given, and what is taken of it: NumPy's, CuPy's and anybody's arrays, on either side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.conform_badly import Capsule
from support.strict_cupy import strict_cupy

from minidet.conformance.worker import Dlpack, call, give, take


def settings(arrays: str, device: str = "cpu", outputs: tuple[str, ...] = ("answer",)) -> dict[str, Any]:
    return {
        "arrays": arrays,
        "device": device,
        "boxes": ["boxes"],
        "format": "xywh",
        "extra": {},
        "outputs": list(outputs),
    }


BOXES = np.array([[1, 2, 4, 8]], np.float32)
REQUEST = {"boxes": BOXES, "size": np.array([3, 4], np.int32), "threshold": np.float64(0.5)}


@pytest.fixture(scope="module")
def cupy() -> Iterator[Any]:
    """The stand-in: its arrays never become NumPy's by themselves."""
    with strict_cupy() as module:
        yield module


def test_cupy_s_arrays_come_and_go(cupy: Any):
    def function(boxes: Any, size: Any, threshold: Any) -> Any:
        assert isinstance(boxes, cupy.ndarray)
        assert (size, threshold) == ((3, 4), 0.5)
        return boxes + boxes

    reply = call(function, REQUEST, settings("cupy", "cuda"))
    np.testing.assert_array_equal(reply["answer"], [[2, 4, 6, 12]])
    assert reply["changed"].size == 0


def test_what_becomes_of_cupy_s_inputs_is_seen(cupy: Any):
    def function(boxes: Any, size: Any, threshold: Any) -> Any:
        boxes += 1
        return boxes

    assert call(function, REQUEST, settings("cupy", "cuda"))["changed"].tolist() == ["boxes"]


def test_an_object_of_dlpack_has_nothing_else_and_is_the_array_itself():
    given = give(BOXES, "dlpack")
    assert isinstance(given, Dlpack)
    assert {name for name in dir(given) if not name.startswith("_")} == set()
    np.testing.assert_array_equal(np.from_dlpack(given), BOXES)
    np.testing.assert_array_equal(take(given), BOXES)
    assert given.__dlpack_device__() == (1, 0)


@pytest.mark.parametrize("answer", [BOXES, Capsule(BOXES), BOXES.tolist(), list(BOXES)])
def test_any_of_these_is_an_answer(answer: Any):
    np.testing.assert_array_equal(take(answer), BOXES)


def test_several_outputs_may_be_of_several_kinds():
    reply = call(lambda **_: (Capsule(BOXES), [1, 2]), {}, settings("numpy", outputs=("a", "b")))
    np.testing.assert_array_equal(reply["answer_a"], BOXES)
    np.testing.assert_array_equal(reply["answer_b"], [1, 2])
    reply = call(lambda **_: BOXES, {}, settings("numpy", outputs=("a", "b")))
    assert "expected a tuple of a, b" in reply["refused"]


@pytest.mark.oracle
@pytest.mark.parametrize("arrays", ["torch", "dlpack"])
def test_torch_takes_and_gives_either(arrays: str):
    torch = pytest.importorskip("torch")

    def function(boxes: Any, size: Any, threshold: Any) -> Any:
        tensor = boxes if arrays == "torch" else torch.from_dlpack(boxes)
        assert isinstance(tensor, torch.Tensor)
        return tensor * 2

    reply = call(function, REQUEST, settings(arrays))
    np.testing.assert_array_equal(reply["answer"], [[2, 4, 6, 12]])
