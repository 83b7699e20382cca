"""What is found out about the relatives of IoU, and their losses, in torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from minidet.conformance import OPERATORS, Fingerprint, Target, check, fingerprint, profiles

pytestmark = pytest.mark.oracle
HERE = Path(__file__).parent
PROFILE = profiles()["torchvision-cpu"]


@pytest.fixture(autouse=True)
def _wrappers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


def found(path: str, name: str, *, dtype: str = "float32", **options: Any) -> Fingerprint:
    """Its conventions; it conforms to them in all that is drawn."""
    operator = OPERATORS[name]
    with Target(path, boxes=operator.boxes, outputs=operator.outputs, **options) as target:
        one = fingerprint(operator, target, dtype=dtype)
        dialect = operator.dialect(**{n: values[0] for n, values in one.values.items() if values})
        assert check(operator, target, dialect, dtype=dtype, examples=100).word == "conforms"
    assert not one.unexplained
    return one


@pytest.mark.parametrize(
    ("function", "name", "dtype"),
    [
        ("generalized_box_iou", "giou", "float32"),
        ("generalized_box_iou", "giou", "float64"),
        ("distance_box_iou", "diou", "float32"),
        ("distance_box_iou", "diou", "float64"),
        ("complete_box_iou", "ciou", "float32"),
    ],
)
def test_the_matrices(function: str, name: str, dtype: str):
    """Points give NaN; what is added to the diagonal is not added to an area."""
    one = found(f"torchvision.ops:{function}", name, dtype=dtype)
    assert "torchvision-cpu" in one.profiles()
    alike = {"giou": {"empty_hull"}}.get(name, set())  # hidden by the NaN of the IoU
    assert {c: v for c, v in one.values.items() if c not in alike} == {
        c: (v,) for c, v in PROFILE[name].items() if c not in alike
    }


@pytest.mark.parametrize("kind", ["generalized", "distance", "complete"])
def test_the_losses_add_an_epsilon_that_the_matrices_do_not(kind: str):
    name = f"{kind[0]}iou_loss"
    one = found("overlap_targets:loss", name, arrays="torch", extra={"kind": kind})
    assert "torchvision-cpu" in one.profiles()
    assert one.values["empty"] == one.values["empty_hull"] == ("add_1e-7",)
    assert one.values["coinciding"] == ("half",)
    assert one.values["clamped"] == ("zero",)
    if kind == "complete":
        assert one.values["alpha_grad"] == ("detached",)
        assert one.values["angle"] == ("quotient",)


def test_torch_clamp_has_no_gradient_at_its_bound():
    """In torch 2.14; up to 2.13 it had 1 there."""
    with Target("overlap_targets:with_clamp", boxes=("pred", "target"), outputs=("loss", "gradient"),
                arrays="torch") as target:  # fmt: skip
        one = fingerprint(OPERATORS["giou_loss"], target)
    assert one.values["clamped"] == ("zero",)
    assert one.values["empty"] == ("nan",)
