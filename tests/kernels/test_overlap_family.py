"""Laws and witnesses of GIoU, DIoU, CIoU and of the paired forms, for every implementation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minidet_kernels import OPS, iou_matrix, pin
from support.cases_boxes import EMPTY, WIDTHS, boxes

KINDS = ["iou", "giou", "diou", "ciou"]
kinds = pytest.mark.parametrize("kind", KINDS)
every = pytest.mark.parametrize("name", ["definition", "numba"])
nan = float("nan")


def values(name: str, operator: str, a: Any, b: Any, dtype: Any = np.float32, **options: Any) -> np.ndarray:
    with pin(**{operator: name}):
        return OPS[operator](np.array(a, dtype), np.array(b, dtype), **options)


@every
@pytest.mark.parametrize(
    ("a", "b", "options", "expected"),
    [
        ([0, 0, 4, 1], [1, 0, 5, 1], {}, [3 / 5, 3 / 5, 3 / 5 - 1 / 26, 3 / 5 - 1 / 26]),
        ([0, 0, 1, 1], [1, 1, 2, 2], {}, [0, -0.5, -0.25, -0.25]),
        ([0, 0, 1, 1], [1, 1, 2, 2], {"width": "inclusive"}, [1 / 7, 1 / 7 - 2 / 9, 1 / 7 - 1 / 9, 1 / 7 - 1 / 9]),
        ([0, 0, 2, 1], [0, 0, 1, 2], {}, [1 / 3, 1 / 12, 1 / 3 - 1 / 16, 1 - 0.762918]),
        ([0, 0, 2, 2], [0, 0, 2, 2], {}, [1, 1, 1, 1]),
        ([1, 1, 1, 1], [1, 1, 1, 1], {}, [0, 0, 0, 0]),
        ([1, 1, 1, 1], [1, 1, 1, 1], {"empty": "one"}, [1, 1, 1, 1]),
        ([1, 1, 1, 1], [1, 1, 1, 1], {"empty": "nan"}, [nan] * 4),
        ([0, 0, 0, 0], [3, 4, 3, 4], {}, [0, -1, -1, -1]),  # two points apart
        ([2, 0, 0, 2], [0, 0, 2, 2], {}, [0, 0, 0, -((1 / 4) ** 2) / (1 + 1 / 4)]),  # inverted: empty, angle 0
        ([nan, 0, 1, 1], [0, 0, 1, 1], {"empty": "one"}, [nan] * 4),
    ],
)
def test_witnesses(name, a, b, options, expected):
    for kind, value in zip(KINDS, expected, strict=True):
        np.testing.assert_allclose(values(name, f"{kind}_pairs", [a], [b], **options), [value], atol=5e-7)
        if kind != "iou":
            np.testing.assert_allclose(values(name, f"{kind}_matrix", [a], [b], **options), [[value]], atol=5e-7)


@every
@kinds
@given(data=st.data(), width=WIDTHS, empty=EMPTY, dtype=st.sampled_from([np.float32, np.float64]))
def test_symmetry_and_pairs(name, kind, data, width, empty, dtype):
    """Not a bit differs between a matrix, its transpose, and the pairs on its diagonal."""
    n = data.draw(st.integers(0, 12))
    a, b = (boxes(data.draw, n, dtype) for _ in "ab")
    options = {"width": width, "empty": empty}
    matrix = f"{kind}_matrix"
    here = "numba" if name == "numba" else "definition"
    m = values(here, matrix, a, b, dtype, **options)
    np.testing.assert_array_equal(values(here, matrix, b, a, dtype, **options), m.T)
    np.testing.assert_array_equal(values(name, f"{kind}_pairs", a, b, dtype, **options), np.diag(m))
    if kind in ("iou", "giou"):  # exchanging x and y turns the angles and reorders the sums of the others
        swap = [1, 0, 3, 2]
        np.testing.assert_array_equal(values(here, matrix, a[:, swap], b[:, swap], dtype, **options), m)


@every
@given(data=st.data())
def test_bounds(name, data):
    a, b = (boxes(data.draw, 12, np.float64, inverted=False, infinite=False) for _ in "ab")
    m = {kind: values(name, f"{kind}_pairs", a, b, np.float64) for kind in KINDS}
    for kind in KINDS[1:]:
        assert (m[kind] <= m["iou"] + 1e-12).all()
        assert (m[kind] >= -1 - 1e-12 - (kind == "ciou")).all()
    assert (m["ciou"] <= m["diou"]).all()


def test_shares_of_threads_change_nothing():
    rng = np.random.default_rng(0)
    a = np.sort(rng.uniform(0, 9, (1500, 2, 2)).astype(np.float32), axis=1).reshape(-1, 4)
    for kind in KINDS[1:]:
        np.testing.assert_array_equal(
            OPS[f"{kind}_matrix"](a, a[:900]), OPS[f"{kind}_matrix"].definition(a, a[:900]), err_msg=kind
        )


good = np.zeros((2, 4), np.float32)


@pytest.mark.parametrize("operator", [f"{k}_pairs" for k in KINDS] + [f"{k}_matrix" for k in KINDS[1:]])
def test_bad_arguments_get_one_line(operator):
    cases = [
        ((good, good.astype(float)), {}, TypeError, "a is float32 and b is float64"),
        ((good[0], good), {}, ValueError, r"a must have shape \(n, 4\)"),
        ((good, good), {"width": "x"}, ValueError, "width is one of"),
        ((good, good), {"empty": "x"}, ValueError, "empty is one of"),
    ]
    if operator.endswith("pairs"):
        cases.append(((good, good[:1]), {}, ValueError, "a has 2 boxes and b has 1"))
    for arrays, options, error, words in cases:
        with pytest.raises(error, match=f"^{operator}: .*{words}") as caught:
            OPS[operator](*arrays, **options)
        assert "\n" not in str(caught.value)


@pytest.mark.oracle
@given(seed=st.integers(0, 2**32 - 1), dtype=st.sampled_from([np.float32, np.float64]))
def test_torchvision(seed, dtype):
    """Boxes with an area; it adds 1e-7 to the diagonals of DIoU and CIoU."""
    torch = pytest.importorskip("torch")
    ops = pytest.importorskip("torchvision.ops")
    rng = np.random.default_rng(seed)
    a, b = (
        np.concatenate([c := rng.uniform(-9, 9, (n, 2)), c + rng.uniform(1, 9, (n, 2))], axis=1).astype(dtype)
        for n in (5, 7)
    )
    theirs = {"giou": ops.generalized_box_iou, "diou": ops.distance_box_iou, "ciou": ops.complete_box_iou}
    for kind, function in theirs.items():
        expected = function(torch.tensor(a), torch.tensor(b)).numpy()
        np.testing.assert_allclose(OPS[f"{kind}_matrix"](a, b), expected, atol=3e-6 if dtype == np.float32 else 1e-7)
    np.testing.assert_array_equal(OPS["iou_pairs"](a, b[:5]), np.diag(iou_matrix(a, b[:5])))
