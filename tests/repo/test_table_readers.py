"""The table of operators has many readers: every operator must have what each of them needs."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import support.cases  # noqa: F401 - registers the cases
from minidet_kernels import OPS
from support.cases_registry import CASES
from support.tree import ROOT

sys.path.insert(0, str(ROOT))  # the benchmarks and the generator of pages are no part of the package

from benchmarks.operators import MARGIN, wrong_order
from benchmarks.sizes import SIZES
from docs.tables import PAGES, stale

IMPLS = [(op, impl) for op in OPS.values() for impl in op.impls.values()]
every_operator = pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))


def test_the_rooms_are_there():
    assert {"conv2d", "conv2d_grad_x", "conv2d_grad_w", "iou_matrix", "nms", "batched_nms", "resize"} <= set(OPS)


@every_operator
def test_it_has_cases(op):
    assert op.name in CASES


@every_operator
def test_it_has_a_docstring_with_its_errors_or_shapes(op):
    assert len(op.__doc__.split()) > 10


@every_operator
def test_it_has_sizes_to_be_timed_at_which_its_definition_takes(op):
    assert SIZES[op.name]
    for label, size in SIZES[op.name].items():
        args, options = size.draw(np.random.default_rng(0))
        op.check(*args, **options)
        assert op.choose(*args, **options) in op.impls, f"{label}: nothing but the definition takes it"


@every_operator
def test_it_has_a_faster_implementation_and_a_page(op):
    assert op.impls
    room = op.__module__.split(".")[1]
    page = ROOT / "docs" / "operators" / f"{room}.md"
    assert op.name in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(("op", "impl"), IMPLS, ids=[f"{op.name}-{impl.name}" for op, impl in IMPLS])
def test_every_target_exists_even_where_it_cannot_run(op, impl):
    module, _, name = impl.target.partition(":")
    package, _, leaf = module.rpartition(".")
    spec = importlib.util.find_spec(package)
    source = Path(spec.submodule_search_locations[0], f"{leaf}.py").read_text(encoding="utf-8")
    assert name in {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}


def test_nothing_is_timed_that_is_no_operator():
    assert set(SIZES) <= set(OPS)


@pytest.mark.parametrize("page", PAGES)
def test_generated_pages_say_what_the_code_says(page):
    assert page not in stale(), "run: python -m docs.tables"


def _result(**ms: float) -> dict:
    return {"operator": "nms", "candidates": [{"name": name, "ms": t} for name, t in ms.items()]}


def test_a_wrong_order_is_reported_beyond_the_margin_of_noise():
    names = ["definition", *OPS["nms"].impls]
    right = dict(zip(names, range(len(names), 0, -1), strict=True))
    assert wrong_order([_result(**right)]) == []
    noisy = right | {names[-1]: right[names[-2]] * (MARGIN - 0.01)}
    assert wrong_order([_result(**noisy)]) == []
    wrong = right | {names[-1]: right[names[-2]] * (MARGIN + 0.05)}
    assert len(wrong_order([_result(**wrong)])) == 1
