"""The suite tells every convention from its siblings and kills every mutant; what has no bug it leaves alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conformance.bugs import bugs, right
from kill_matrix.matrix import Mutant, dialect_of, matrix, mutants, search
from kill_matrix.stamp import closed, stamp
from kill_matrix.table import current, failures, page, renewed
from support.tree import ROOT

from minidet.conformance import OPERATORS
from minidet.conformance.telling import told

NAMES = sorted(OPERATORS)
CONTROLS = [(name, module) for name, modules in right().items() for module in modules]


def test_there_are_at_least_150_mutants_and_four_bugs_of_every_operator():
    every = {name: mutants(operator) for name, operator in OPERATORS.items()}
    assert sum(map(len, every.values())) >= 150
    few = {name: len(bugs().get(name, ())) for name in OPERATORS if len(bugs().get(name, ())) < 4}
    assert few == {}
    assert set(bugs()) <= set(OPERATORS)


@pytest.mark.oracle  # as it takes long
@pytest.mark.parametrize("name", NAMES)
def test_none_survives(name: str):
    found = list(matrix(OPERATORS[name]))
    assert [one.name for one in found if one.how == "SURVIVED"] == []
    assert {one.how for one in found} <= {"search", "vector", "equivalent"}
    assert [one.name for one in found if one.kind == "bug" and one.how != "search"] == []
    page_of = json.loads((ROOT / "docs" / "kill_matrix.json").read_text(encoding="utf-8"))
    assert [m["name"] for m in page_of[name]["mutants"]] == [one.name for one in found]


@pytest.mark.parametrize(("name", "module"), CONTROLS)
def test_what_has_no_bug_lives(name: str, module: str):
    operator = OPERATORS[name]
    run = right()[name][module]
    control = Mutant(operator, "right", lambda inputs, dialect: run(inputs), {})
    assert search(operator, dialect_of(operator), [control], examples=100) == {}


def made(run: Any) -> Mutant:
    return Mutant(OPERATORS["resize"], "made", run, {})


def fate(mutant: Mutant) -> str:
    return search(mutant.operator, dialect_of(mutant.operator), [mutant], examples=50).get("made", (0, "lives"))[1]


def test_a_mutant_is_killed_for_what_it_does():
    operator = OPERATORS["resize"]
    calls = [0]

    def spoils(inputs: Any, dialect: Any) -> Any:
        answer = operator.reference(inputs, dialect)
        inputs["x"] += 1
        return answer

    def wavers(inputs: Any, dialect: Any) -> Any:
        calls[0] += 1
        return operator.reference(inputs, dialect) + np.float64(calls[0] % 2)

    assert fate(made(operator.reference)) == "lives"
    assert fate(made(spoils)) == "changes its input"
    assert fate(made(wavers)) == "nondeterministic"
    assert fate(made(lambda inputs, dialect: operator.reference(inputs, dialect) + 1)) == "diverges"
    assert fate(made(lambda inputs, dialect: 1 / 0)) == "rejects"


def test_a_flip_that_changes_nothing_survives(monkeypatch: pytest.MonkeyPatch):
    """Of an operator that does not look at its convention."""
    operator = OPERATORS["max_pool2d"]
    deaf = replace(
        operator, reference=lambda inputs, dialect: operator.reference(inputs, {**dialect, "nan": "skipped"})
    )
    monkeypatch.setattr(
        "kill_matrix.matrix.bugs",
        lambda: {"max_pool2d": {"none": lambda inputs: deaf.reference(inputs, dialect_of(operator))}},
    )
    found = {one.name: one.how for one in matrix(deaf)}
    assert found["nan=skipped"] == "SURVIVED"
    assert found["none"] == "SURVIVED"
    assert found["padding_value=zero"] == "search"
    assert ("nan", "propagates", "skipped") not in {(one.convention, one.one, one.other) for one in told(deaf)}


def test_what_the_draws_leave_out_a_telling_input_kills():
    found = {one.name: one for one in matrix(OPERATORS["max_pool2d"])}
    assert found["nan=skipped"].how == "vector"
    assert found["nan=skipped"].said == "a NaN"


def test_an_old_part_is_seen_and_made_anew(monkeypatch: pytest.MonkeyPatch):
    name = "resize"
    monkeypatch.setattr("kill_matrix.table.OPERATORS", {name: OPERATORS[name]})
    fresh = renewed({})
    assert list(fresh) == [name]
    assert current(fresh) == []
    assert renewed(fresh) == fresh
    assert failures(fresh) == []
    old = {name: fresh[name] | {"stamp": "another", "mutants": []}}
    assert current(old) == [name]
    assert renewed(old) == fresh
    assert current({"gone": {}, **fresh}) == ["gone"]
    lost = {
        name: fresh[name] | {"mutants": [{"name": "x", "kind": "bug", "how": "SURVIVED"}], "untold": [["a", "b", "c"]]}
    }
    assert failures(lost) == ["resize: no input tells a b from c", "resize: x survived"]
    said = page(fresh)
    count = len(mutants(OPERATORS[name]))
    assert f"{count} mutants of 1 operators: {count} are killed by drawn inputs" in " ".join(said.split())
    assert "| `sampling=bilinear` | input" in said


def test_a_stamp_follows_what_the_matrix_is_made_of():
    modules = closed({"minidet.conformance.operators.batched_nms", "conformance.bugs.suppression_base"})
    assert {"minidet.conformance.operators.nms", "minidet.conformance.exact"} <= modules
    assert stamp(OPERATORS["nms"]) == stamp(OPERATORS["nms"]) != stamp(OPERATORS["batched_nms"])
