"""Golden vectors: the same bytes again, every kind of case, right answers alone pass, and a changed byte is seen."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance.bugs import bugs
from minidet_kernels import OPS
from support.own_targets import TABLE, implementations, target

import minidet.functions as F
from minidet import Tensor
from minidet.cli import main
from minidet.conformance import OPERATORS, Outcome, Target, profiles
from minidet.conformance.golden import Golden, digest, generate, load, replay, write
from minidet.conformance.golden.build import Solved
from minidet.conformance.golden.cases import EDGES, numbers
from minidet.conformance.operators import Refused
from minidet.errors import InputError

HERE = Path(__file__).parent
#: Each takes a second or more: in `make test-oracles`.
SLOW = tuple(name for name in OPERATORS if "nms" in name or "loss" in name)
QUICK = tuple(name for name in OPERATORS if name not in SLOW)
each = pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.oracle) for name in SLOW)])


@pytest.fixture(scope="module")
def golden() -> Callable[[str], Golden]:
    made: dict[str, Golden] = {}

    def of(name: str) -> Golden:
        if name not in made:
            made[name] = generate(name)
        return made[name]

    return of


class Calls:
    """A target in this process: copies in, an answer or a refusal out."""

    name = "calls"

    def __init__(self, function: Callable[[Mapping[str, Any]], Any]) -> None:
        self.function = function

    def call(self, inputs: Mapping[str, Any]) -> Outcome:
        try:
            answer = self.function({n: v.copy() if isinstance(v, np.ndarray) else v for n, v in inputs.items()})
        except (ValueError, TypeError, IndexError) as error:
            return Outcome("refuses", reason=str(error))
        return Outcome("refuses") if isinstance(answer, Refused) else Outcome("answers", answer)


def own(name: str, rung: str = "") -> Calls:
    one = target(name, rung)

    def run(inputs: Mapping[str, Any]) -> Any:
        if any(isinstance(v, np.ndarray) and v.dtype == np.float16 for v in inputs.values()):
            raise TypeError("ours take float32 and float64")
        if name in TABLE and (check := OPS[TABLE[name][0]].check) is not None:  # a rung by itself does not look
            given = list(inputs.items())
            check(*(v for _, v in given[: TABLE[name][1]]), **dict(given[TABLE[name][1] :]))
        return one.call(inputs).answer

    return Calls(run)


def wrong(found: Golden, one: Calls, profile: str = "minidet") -> list[str]:
    dialect = found.operator.dialect(**profiles()[profile][found.operator.name])
    return [done.case.case.name for done in replay(found, one, dialect) if not done.passes]


def case_of(found: Golden, name: str) -> Solved:
    return next(one for one in found.cases if one.case.name == name)


@each
def test_the_definitions_are_those_that_the_hashes_are_of(name: str, golden: Callable[[str], Golden]):
    """Where this fails a definition has changed; is that meant, then: python -m minidet.conformance.golden.hashes."""
    kept = tomllib.loads((files("minidet.conformance") / "data" / "golden.toml").read_text(encoding="utf-8"))
    assert digest(golden(name)) == kept["sha256"][name]


@each
def test_every_implementation_of_ours_is_right(name: str, golden: Callable[[str], Golden]):
    for rung in [rung for operator, rung in implementations() if operator == name]:
        assert wrong(golden(name), own(name, rung)) == [], rung


@each
def test_every_value_of_every_convention_has_answers(name: str, golden: Callable[[str], Golden]):
    found = golden(name)
    dialects = [one for case in found.cases for right in case.answers for one in right.dialects]
    seen = {name: {one[name] for one in dialects if name in one} for name in found.operator.conventions}
    for convention, base in found.base.items():
        every = {value.name for value in found.operator.conventions[convention].values}
        assert seen[convention] | {base} == every
    names = list(found.operator.vectors[0].inputs)
    for one in found.cases:
        assert list(one.inputs) == [*names, *(["upstream"] if one.gradient else [])]
        assert one.answers
        for right in one.answers:
            assert right.dialects
            assert all(not np.isnan(w).any() for w in right.within)


def test_the_reference_is_right_in_every_profile_and_wrong_in_another_dialect(golden: Callable[[str], Golden]):
    found = golden("iou")
    for profile in [p for p, of in profiles().items() if "iou" in of]:
        dialect = found.operator.dialect(**profiles()[profile]["iou"])
        reference = Calls(lambda inputs, dialect=dialect: found.operator.reference(inputs, dialect))
        assert wrong(found, reference, profile) == []
    other = found.operator.dialect(**{**found.base, "width": "inclusive"})
    flipped = Calls(lambda inputs: found.operator.reference(inputs, other))
    done = [one for one in replay(found, flipped, found.base) if one.word == "wrong"]
    done = [one for one in done if one.case.case.kind != "block edge"]  # of these few dialects are kept
    assert len(done) >= 5
    assert all(any(d.get("width") == "inclusive" for d in one.follows) for one in done)


@pytest.fixture(scope="module")
def nms(golden: Callable[[str], Golden]) -> Golden:
    return golden("nms")


def test_blocks_ties_boundaries_and_overflow_are_there(nms: Golden, golden: Callable[[str], Golden]):
    kinds = {one.case.kind for one in nms.cases}
    assert kinds == {"telling", "degenerate", "tie", "boundary", "block edge", "overflow"}
    counts = [len(one.inputs["boxes"]) for one in nms.cases if one.case.kind == "block edge"]
    assert counts == list(EDGES) == [63, 64, 65, 511, 512, 513]
    widths = [one.inputs["x"].shape[-1] for one in golden("max_pool2d").cases if one.case.kind == "block edge"]
    assert widths == list(EDGES)
    half = case_of(nms, "areas beyond float16").inputs["boxes"]
    assert half.dtype == np.float16
    assert float(half[0, 2]) ** 2 > float(np.finfo(np.float16).max)


def test_equal_scores_have_every_legal_answer(nms: Golden):
    tied = case_of(nms, "three of one score, in a chain")
    (open_,) = [right for right in tied.answers if {"ties": "any"} in right.dialects]
    assert sorted(map(list, [open_.answer, *(other for _, other in open_.also)])) == [[0, 2], [1], [2, 0]]
    assert {why for why, _ in open_.also} == {"unspecified"}
    settled = next(right for right in tied.answers if {} in right.dialects)
    assert settled.also == []


def test_what_rounding_decides_has_both_answers(nms: Golden):
    near = case_of(nms, "coordinates of tenths, overlap of 1/2")
    ours = next(right for right in near.answers if {} in right.dialects)
    assert {(why, *other) for why, other in ours.also} in ({("undecided", 0)}, {("undecided", 0, 1)})
    met = case_of(nms, "overlap of 1/2 at threshold 1/2")
    assert all(right.also == [] for right in met.answers)


def test_bugs_fail_on_them(nms: Golden):
    few = Golden(nms.operator, nms.base, [one for one in nms.cases if len(one.inputs["boxes"]) <= 65])
    with np.errstate(all="ignore"):
        found = {what: wrong(few, Calls(run)) for what, run in bugs()["nms"].items()}
    assert "63 boxes in a row" in found["boxes of another block are not compared"]
    assert found["a box that was dropped drops others (A-B-C)"]
    caught = [what for what, cases in found.items() if cases]
    assert len(caught) >= len(found) - 3  # what changes its input or wavers is seen by other means


@pytest.mark.parametrize(("name", "run"), [
    ("max_pool2d", lambda x, size, stride, padding: F.max_pool2d(x, size=size, stride=stride, padding=padding)),
    ("resize", lambda x, size: F.resize(x, size=size)),
    ("roi_align", lambda x, rois, **how: F.roi_align(x, rois, **how)),
])  # fmt: skip
def test_gradients_are_those_of_our_functions(name: str, run: Callable[..., Any], golden: Callable[[str], Golden]):
    asked = [one for one in golden(name).cases if one.gradient]
    assert [one.gradient for one in asked][:1] == ["x"]
    for one in asked:
        given = dict(one.inputs)
        above = given.pop("upstream")
        x = Tensor(given.pop("x").astype(np.float64), requires_grad=True)
        answer = run(x, **given)
        answer.backward(above.astype(np.float64))
        right = next(right for right in one.answers if {} in right.dialects)
        legal = [right.answer, *(other for _, other in right.also)]
        assert any(np.abs(x.grad - other).max() <= 1e-9 for other in legal), one.case.name
        assert np.abs(np.asarray(right.answer)).max() > 0


def test_the_same_definition_gives_the_same_bytes_and_reads_back(tmp_path: Path, golden: Callable[[str], Golden]):
    first, second = (write(tmp_path / name, ["max_pool2d", "resize"]) for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    held = load(tmp_path / "a")
    assert list(held) == ["max_pool2d", "resize"]
    assert digest(held["resize"]) == digest(golden("resize"))
    assert wrong(held["max_pool2d"], own("max_pool2d")) == []
    with np.load(tmp_path / "a" / "resize.npz") as plain:  # and by NumPy alone
        page = json.loads((tmp_path / "a" / "resize.json").read_text())
        name = page["cases"][0]["answers"][0]["arrays"][0]["array"]
        np.testing.assert_array_equal(plain[name], held["resize"].cases[0].answers[0].answer)
    assert page["definition"] == "minidet.conformance.operators.resize.reference"


def spoilt(folder: Path) -> Iterator[tuple[Callable[[], Any], str]]:
    def flip(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    yield lambda: flip(folder / "resize.npz"), r"resize\.npz: not the file that was written"
    yield lambda: flip(folder / "resize.json"), r"resize\.json: not the file that was written"
    yield lambda: (folder / "resize.npz").unlink(), r"resize\.npz: No such file"
    yield lambda: (folder / "index.json").unlink(), r"index\.json: No such file"
    yield lambda: (folder / "index.json").write_text("{"), r"index\.json: no JSON"
    yield lambda: (folder / "index.json").write_text("[]"), r"index\.json: no JSON object"
    yield lambda: (folder / "index.json").write_text('{"format": 9}'), r"format 9; this version reads 1"


@pytest.mark.parametrize("at", range(7))
def test_what_was_changed_is_refused_by_name(at: int, tmp_path: Path):
    write(tmp_path, ["resize"])
    change, message = list(spoilt(tmp_path))[at]
    change()
    with pytest.raises(InputError, match=message):
        load(tmp_path)


def test_numbers_come_from_a_formula():
    assert numbers(6, 100) == numbers(6, 100)
    assert numbers(4, 9, seed=1) != numbers(4, 9, seed=2)
    assert set(numbers(200, 3)) == {0, 1, 2, 3}


def test_the_commands_write_and_replay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.syspath_prepend(str(HERE))
    folder = str(tmp_path / "golden")
    assert main(["conform", "vectors", "--out", folder, "--op", "iou"]) == 0
    assert "iou.npz" in capsys.readouterr().out
    asked = ["conform", "replay", "--op", "iou", "--vectors", folder]
    assert main([*asked, "minidet_kernels.overlap:iou_matrix", "--profile", "minidet"]) == 0
    said = capsys.readouterr().out
    assert " right" in said
    assert "wrong" not in said
    assert main([*asked, "minidet_kernels.overlap:giou_matrix", "--profile", "minidet", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["counts"]["wrong"] >= 3
    assert main(["conform", "replay", "x:y", "--op", "nms", "--vectors", folder]) == 2
    assert "no vectors of nms; there are iou" in capsys.readouterr().err


def test_a_target_in_its_own_process_is_replayed(golden: Callable[[str], Golden]):
    with Target("minidet_kernels.pooling:max_pool2d") as one:
        found = golden("max_pool2d")
        assert all(done.passes for done in replay(found, one, found.base))
