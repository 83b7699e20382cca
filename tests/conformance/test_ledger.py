"""A ledger is read and replayed strictly: what is gone, changed or expired fails; only what is known is left out."""

from __future__ import annotations

import datetime
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.own_targets import Here

from minidet.cli import main
from minidet.conformance import OPERATORS, Counterexample, Outcome, Verdict, check, profiles
from minidet.conformance.answers import identical
from minidet.conformance.ledger import add, of, read, replay, skipping, written
from minidet.errors import InputError

HERE = Path(__file__).parent
NMS = OPERATORS["nms"]
OURS = NMS.dialect(**profiles()["minidet"]["nms"])
TODAY = datetime.date(2026, 1, 1)

ENTRY = """\
[[known]]
operator = "nms"
when = ["has_ties"]
reason = "the order of equal scores is not promised"
expires = 2999-01-31
dialect = { nan_scores = "refused" }
verdict = "diverges"
[known.inputs]
boxes = { float32 = [[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]] }
scores = { float32 = [0.5, 0.5] }
threshold = 0.5
[known.answers]
answer = { int64 = [1] }
"""


def follows(**flip: str) -> Here:
    """A target of our dialect, but for these conventions."""
    return Here(lambda **inputs: NMS.reference(inputs, {**OURS, **flip}), 0)


@pytest.fixture
def ledger(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str = ENTRY) -> Path:
        path = tmp_path / "known.toml"
        path.write_text(text)
        return path

    return write


def test_an_entry_is_read(ledger: Callable[[str], Path]):
    (known,) = read(ledger(ENTRY))
    assert known.operator is NMS
    assert known.dialect == NMS.dialect(nan_scores="refused")
    assert known.inputs["boxes"].dtype == np.float32
    assert known.inputs["threshold"] == 0.5
    assert known.expires == datetime.date(2999, 1, 31)
    np.testing.assert_array_equal(known.answers, [1])


def test_what_is_as_it_was_passes_and_nothing_else(ledger: Callable[[str], Path]):
    (known,) = read(ledger(ENTRY))
    assert replay(known, follows(ties="highest")).word == "still"
    gone = replay(known, follows())
    assert (gone.word, gone.said) == ("gone", "no longer diverges: remove the entry")
    other = replay(known, Here(lambda boxes, scores, threshold: np.array([0, 1]), 3))
    assert (other.word, other.said) == ("changed", "diverges still, but answers otherwise than it did")
    calls = [0]

    def wavers(boxes: Any, scores: Any, threshold: float) -> np.ndarray:
        calls[0] += 1
        return np.array([calls[0]])

    changed = replay(known, Here(wavers, 3))
    assert (changed.word, changed.said) == ("changed", "was 'diverges', is 'nondeterministic' now")


def test_an_entry_lasts_to_the_end_of_its_day(ledger: Callable[[str], Path]):
    (known,) = read(ledger(ENTRY.replace("2999-01-31", "2026-01-01")))
    target = follows(ties="highest")
    assert replay(known, target, TODAY).word == "still"
    late = replay(known, target, TODAY + datetime.timedelta(days=1))
    assert late.word == "expired"
    assert "expired on 2026-01-01" in late.said


def test_the_search_leaves_out_what_is_known_and_finds_the_rest(ledger: Callable[[str], Path]):
    known = read(ledger(ENTRY))
    wrong = follows(ties="highest")
    verdict = check(NMS, wrong, OURS, examples=100, skip=skipping(known), variants=False)
    assert verdict.word == "conforms"
    assert verdict.left_out["known: the order of equal scores is not promised"] > 10
    both = follows(ties="highest", compare="inclusive")
    verdict = check(NMS, both, OURS, skip=skipping(known), variants=False)
    assert verdict.word == "diverges"
    assert verdict.found is not None
    assert {"compare": "inclusive"} in [dict(flip) for flip in verdict.found.flips]


def test_all_predicates_of_an_entry_must_hold(ledger: Callable[[str], Path]):
    (known,) = read(ledger(ENTRY.replace('["has_ties"]', '["has_ties", "not more_than(2)"]')))
    more = {"boxes": np.zeros((3, 4), np.float32), "scores": np.zeros(3, np.float32), "threshold": 0.5}
    assert known.meets(known.inputs)
    assert not known.meets(more)


def test_an_entry_is_about_its_target_and_operator(ledger: Callable[[str], Path]):
    named = ENTRY.replace('operator = "nms"', 'operator = "nms"\ntarget = "mine:f"')
    known = read(ledger(named + "\n" + ENTRY))
    assert len(of(known, NMS, "mine:f")) == 2
    assert len(of(known, NMS, "mine:g")) == 1
    assert of(known, OPERATORS["iou"], "mine:f") == []


def found(target: Here, dialect: dict[str, str] = OURS) -> Verdict:
    verdict = check(NMS, target, dialect, variants=False)
    assert verdict.found is not None
    return verdict


def test_what_is_written_is_refused_until_it_has_a_reason_and_then_replays(tmp_path: Path):
    path = tmp_path / "known.toml"
    target = follows(ties="highest")
    add(path, found(target))
    add(path, found(follows(width="inclusive")))
    with pytest.raises(InputError, match="entry 1: reason is empty"):
        read(path)
    path.write_text(path.read_text().replace('reason = ""', 'reason = "so it is"'))
    first, second = read(path)
    assert "has_ties" in first.when
    assert replay(first, target).word == "still"
    assert replay(second, follows(width="inclusive")).word == "still"
    assert replay(second, target).word in ("gone", "changed")
    assert first.expires > datetime.date.today()


NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=32)


@given(st.data())
def test_whatever_is_written_is_read_again_bit_for_bit(data: st.DataObject):
    """NaN, infinities, arrays without rows, sizes, text with quotes: of any operator's inputs."""
    import tempfile

    count = data.draw(st.integers(0, 3))
    boxes = np.array(data.draw(st.lists(st.tuples(*[NUMBERS] * 4), min_size=count, max_size=count)), np.float32)
    scores = np.array(data.draw(st.lists(NUMBERS, min_size=count, max_size=count)), np.float32)
    inputs = {"boxes": boxes.reshape(-1, 4), "scores": scores, "threshold": data.draw(st.sampled_from([0.5, 1.0]))}
    answer = np.array(data.draw(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3)), np.int64)
    target = data.draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
    outcome = Outcome("answers", answer)
    one = Verdict(NMS, target, OURS, "diverges", 1, Counterexample(inputs, answer, outcome, outcome, ()))
    text = written(one)
    held = tomllib.loads(text)["known"][0]
    assert held["target"] == target
    text = text.replace('reason = ""', 'reason = "x"').replace("when = []", 'when = ["not more_than(9)"]')
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "k.toml").write_text(text, encoding="utf-8")
        (known,) = read(Path(folder) / "k.toml")
    for name, value in inputs.items():
        if isinstance(value, np.ndarray):
            assert known.inputs[name].shape == value.shape
            np.testing.assert_array_equal(known.inputs[name], value)
        else:
            assert known.inputs[name] == value
    assert known.answers is not None
    assert identical(known.answers, answer)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[[known]]", "[known]", "expected tables [[known]] and nothing else"),
        ("[[known]]", "x = 1\n[[known]]", "expected tables [[known]] and nothing else, found 'x'"),
        ('"nms"', '"colour"', "entry 1: no operator is named 'colour'"),
        ('"nms"', "3", "entry 1: operator: expected text"),
        ('["has_ties"]', '["has_colour"]', "entry 1: 'has_colour' is no predicate"),
        ('["has_ties"]', "[]", "entry 1: when: expected a list of predicates"),
        ('["has_ties"]', '["has_nan"]', "entry 1: its own input does not meet has_nan"),
        ('["has_ties"]', '["several_classes"]', "entry 1: several_classes: nms has no classes"),
        ("reason", "reasons", "entry 1: no key is named 'reasons'; there are answers, dialect"),
        ('"the order of equal scores is not promised"', '" "', "entry 1: reason is empty"),
        ("2999-01-31", '"2999-01-31"', "entry 1: expires: expected a date"),
        ("expires = 2999-01-31\n", "", "entry 1: expires is missing"),
        ('nan_scores = "refused"', 'colour = "red"', "entry 1: nms has no convention 'colour'"),
        ('nan_scores = "refused"', 'ties = "red"', "entry 1: nms.ties is one of lowest, highest"),
        ("threshold = 0.5", "", "entry 1: inputs: expected boxes, scores, threshold, found boxes, scores"),
        ("float32 = [0.5, 0.5]", "float33 = [0.5, 0.5]", "entry 1: scores: expected a number"),
        ("{ float32 = [[0.0, 0.0, 1.0, 1.0], [", "{ float32 = [[0.0, 1.0], [", "entry 1: "),
        ("expires = 2999-01-31", "expires = ", "not TOML"),
    ],
)
def test_what_is_wrong_with_a_ledger_is_one_line(
    old: str, new: str, said: str, ledger: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
):
    assert old in ENTRY
    path = ledger(ENTRY.replace(old, new, 1))
    with pytest.raises(InputError) as error:
        read(path)
    assert said in str(error.value)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.fixture
def _targets_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


@pytest.mark.usefixtures("_targets_are_found")
def test_the_commands_write_it_replay_it_and_fail_when_it_is_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "known.toml"
    words = ["--op", "nms", "--examples", "30", "--profile", "minidet", "--without", "has_nan", "--without",
             "meets_threshold"]  # fmt: skip
    assert main(["conform", "check", "targets:nms", *words, "--write-ledger", str(path)]) == 1
    assert main(["conform", "check", "targets:nms", *words, "--ledger", str(path)]) == 2
    assert "entry 1: reason is empty" in capsys.readouterr().err
    assert main(["conform", "check", "targets:nms", *words, "--write-ledger", str(tmp_path / "no" / "k.toml")]) == 2
    out, err = capsys.readouterr()
    assert out.startswith("targets:nms conforms to a variant as nms"), "what was found is said all the same"
    assert "No such file or directory" in err
    path.write_text(path.read_text().replace('reason = ""', 'reason = "ties"').replace(read_when(path), '["has_ties"]'))
    assert main(["conform", "check", "targets:nms", *words, "--ledger", str(path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["verdict"] == "conforms"
    assert [one["word"] for one in said["ledger"]] == ["still"]
    assert said["not_tested"]["known: ties"] > 0
    assert said["not_tested"]["meets_threshold"] > 0
    path.write_text(path.read_text().replace('target = "targets:nms"', ""))
    assert main(["conform", "check", "minidet_kernels.suppression:nms", *words, "--ledger", str(path)]) == 1
    assert "no longer diverges: remove the entry (ties)" in capsys.readouterr().out


def read_when(path: Path) -> str:
    return next(line for line in path.read_text().splitlines() if line.startswith("when")).partition(" = ")[2]


@pytest.mark.usefixtures("_targets_are_found")
def test_a_domain_that_holds_nothing_is_one_line(capsys: pytest.CaptureFixture[str]):
    words = ["--op", "nms", "--examples", "20", "--profile", "minidet"]
    assert main(["conform", "check", "targets:nms", *words, "--without", "not more_than(99)"]) == 2
    assert "nothing was tested, every input is left out" in capsys.readouterr().err
    assert main(["conform", "check", "targets:nms", *words, "--without", "colour"]) == 2
    assert "'colour' is no predicate" in capsys.readouterr().err
    assert main(["conform", "check", "targets:nms", *words, "--ledger", "no-such-file.toml"]) == 2
    assert "no-such-file.toml: No such file" in capsys.readouterr().err
