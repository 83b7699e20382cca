"""The table of operators has readers outside of the package: the benchmarks, and the generated pages."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from minidet_kernels import OPS
from support.tree import ROOT

sys.path.insert(0, str(ROOT))  # the benchmarks and the generator of pages are no part of the package

from benchmarks.operators import MARGIN, wrong_order
from benchmarks.sizes import SIZES
from docs.tables import PAGES, stale

every_operator = pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))


@every_operator
def test_it_has_sizes_to_be_timed_at_which_its_definition_takes(op):
    assert SIZES[op.name]
    for label, size in SIZES[op.name].items():
        args, options = size.draw(np.random.default_rng(0))
        op.check(*args, **options)
        assert op.choose(*args, **options) in op.impls, f"{label}: nothing but the definition takes it"


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
