"""Recorded answers, and a program that stays: judged as any target is; what is wrong with them is one line."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from support import recorded_nms

from minidet.cli import main
from minidet.conformance import OPERATORS, check
from minidet.conformance.pipe import Pipe
from minidet.conformance.recorded import Recorded, check_recorded, record

NMS = OPERATORS["nms"]
SERVER = f"{sys.executable} {recorded_nms.__file__}"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with answers."""
    folder = tmp_path_factory.mktemp("recorded") / "nms"
    assert main(["conform", "record", "--op", "nms", "--out", str(folder), "--examples", "60"]) == 0
    recorded_nms.answer(folder)
    return folder


@pytest.fixture
def copy(recorded: Path, tmp_path: Path) -> Path:
    """One that may be spoilt."""
    return Path(shutil.copytree(recorded, tmp_path / "copy"))


def test_recorded_answers_have_conventions_and_conform(recorded: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["conform", "fingerprint", f"recorded:{recorded}", "--op", "nms", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert not found["unexplained"]
    assert found["conventions"]["nms.compare"] == ["strict"]
    assert found["conventions"]["nms.compare_dtype"] == ["boxes"]
    assert found["conventions"]["nms.nan_scores"] == ["refused"]
    assert main(["conform", "check", f"recorded:{recorded}", "--op", "nms", "--profile", "minidet", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "conforms"
    assert found["tried"] > len(NMS.vectors) + 20


def test_a_whole_run_takes_them_too(recorded: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["conform", "report", f"nms=recorded:{recorded}", "--profile", "minidet"]) == 0
    said = capsys.readouterr().out
    assert f"nms  recorded:{recorded} (float32) as minidet  conforms" in said
    assert "law" not in said


def test_what_is_written_is_what_the_suite_asks_in_the_format_declared(tmp_path: Path):
    record(NMS, tmp_path / "a", NMS.dialect(), examples=0, form="xywh", dtype="float64")
    target = tmp_path / "a"
    for number, vector in enumerate(NMS.vectors):
        with np.load(target / f"{number:04d}.npz") as held:
            given = vector.inputs["boxes"]
            np.testing.assert_array_equal(held["boxes"][:, :2], given[:, :2])
            np.testing.assert_array_equal(held["boxes"][:, 2:], given[:, 2:] - given[:, :2])
            np.testing.assert_array_equal(held["scores"], vector.inputs["scores"])
            assert held["threshold"] == vector.inputs["threshold"]
            assert held["boxes"].dtype == np.float64


def test_the_same_call_writes_the_same_bytes(tmp_path: Path):
    for name in "ab":
        record(NMS, tmp_path / name, NMS.dialect(), examples=20, seed=3)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "b").iterdir())
    assert all((tmp_path / "a" / one).read_bytes() == (tmp_path / "b" / one).read_bytes() for one in files)


def test_a_wrong_answer_among_them_is_found_and_explained(recorded: Path, tmp_path: Path):
    other = Path(shutil.copytree(recorded, tmp_path / "other"))
    recorded_nms.answer(other, strict=False)
    target = Recorded(other, NMS)
    dialect = NMS.dialect(inverted="empty", nan_scores="refused", compare_dtype="boxes")
    verdict = check_recorded(NMS, target, dialect)
    assert verdict.word == "conforms to a variant"
    assert verdict.found is not None
    assert [dict(one) for one in verdict.found.flips] == [{"compare": "inclusive"}]
    assert len(verdict.found.inputs["boxes"]) == 2, "the smallest is shown"
    assert check_recorded(NMS, target, {**dialect, "compare": "inclusive"}).word == "conforms"


def test_answers_that_are_missing_are_not_tested(copy: Path, capsys: pytest.CaptureFixture[str]):
    for path in sorted(copy.glob("*.answer.npy"))[10:]:
        path.unlink()
    assert main(["conform", "check", f"recorded:{copy}", "--op", "nms", "--profile", "minidet", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    left = found["tried"] - found["not_tested"]["no answer was recorded"]
    assert 10 <= left < 20 < found["tried"]


def spoil_input(folder: Path) -> None:
    (folder / "0001.npz").write_bytes((folder / "0002.npz").read_bytes())


def spoil_answer(folder: Path) -> None:
    (folder / "0000.answer.npy").write_text("junk")


def spoil_index(folder: Path) -> None:
    (folder / "index.json").write_text("{}")


def cut_index(folder: Path) -> None:
    (folder / "index.json").write_text("{")


def no_index(folder: Path) -> None:
    (folder / "index.json").unlink()


def no_answers(folder: Path) -> None:
    for path in (*folder.glob("*.answer.npy"), *folder.glob("*.refused.txt")):
        path.unlink()


def an_input_less(folder: Path) -> None:
    (folder / "0003.npz").unlink()


def of_objects(folder: Path) -> None:
    np.save(folder / "0000.answer.npy", np.array(["a"]))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_input, "0001.npz: not as it was recorded: its SHA-256 is"),
        (spoil_answer, "0000.answer.npy: no arrays of NumPy's format"),
        (of_objects, "0000.answer.npy: expected numbers for answer"),
        (spoil_index, "index.json: not an index of recorded inputs"),
        (cut_index, "index.json: not an index of recorded inputs"),
        (no_index, "index.json: No such file or directory; minidet conform record writes one"),
        (no_answers, "holds no answer; expected 0000.answer.npy beside 0000.npz"),
        (an_input_less, "0003.npz: No such file"),
    ],
)
def test_a_folder_that_is_not_as_it_was_recorded_is_one_line(
    spoil, said: str, copy: Path, capsys: pytest.CaptureFixture[str]
):
    spoil(copy)
    assert main(["conform", "check", f"recorded:{copy}", "--op", "nms"]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert err.count("\n") == 1
    assert not out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fingerprint", "--op", "iou"], "operator is 'nms', expected 'iou'"),
        (["fingerprint", "--op", "nms", "--dtype", "float64"], "dtype is 'float32', expected 'float64'"),
        (["check", "--op", "nms", "--boxes", "xywh"], "boxes is 'xyxy', expected 'xywh'"),
        (["check", "--op", "nms", "--arrays", "torch"], "are of Python functions; it has files"),
        (["laws", "--op", "nms"], "laws ask for what was not recorded"),
    ],
)
def test_what_does_not_fit_the_folder_is_one_line(
    arguments: list[str], said: str, recorded: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["conform", arguments[0], f"recorded:{recorded}", *arguments[1:]]) == 2
    assert said in capsys.readouterr().err


def test_a_folder_that_holds_something_is_left_alone(recorded: Path, capsys: pytest.CaptureFixture[str]):
    before = sorted(recorded.iterdir())
    assert main(["conform", "record", "--op", "nms", "--out", str(recorded)]) == 2
    assert "not empty" in capsys.readouterr().err
    assert sorted(recorded.iterdir()) == before


# A program that stays.


def test_a_program_that_stays_is_one_process_and_conforms():
    dialect = NMS.dialect(inverted="empty", nan_scores="refused", compare_dtype="boxes")
    with Pipe(SERVER, boxes=NMS.boxes) as target:
        first = target.call(NMS.vectors[0].cast("float32"))
        process = target._process
        assert first.kind == "answers"
        verdict = check(NMS, target, dialect, examples=40)
        assert target._process is process
    assert verdict.word == "conforms"


def test_what_it_says_instead_of_an_answer():
    inputs, refused = NMS.vectors[0].cast("float32"), NMS.vectors[-1].cast("float32")
    with Pipe(SERVER, boxes=NMS.boxes) as target:
        outcome = target.call(refused)
        assert (outcome.kind, outcome.reason) == ("refuses", "a score is NaN")
    with Pipe(f"{SERVER} misnames", boxes=NMS.boxes) as target:
        outcome = target.call(inputs)
        assert (outcome.kind, outcome.reason) == ("refuses", "its reply has no answer")
    with Pipe(f"{SERVER} prints", boxes=NMS.boxes) as target:
        outcome = target.call(inputs)
        assert outcome.kind == "crashes"
        assert "its output is no message" in outcome.reason
    with Pipe(f"{SERVER} dies", boxes=NMS.boxes) as target:
        kinds = [target.call(inputs) for _ in range(3)]
    assert [one.kind for one in kinds] == ["answers", "crashes", "answers"], "it is started again"
    assert kinds[1].reason == "exit status 1: no more"


def test_one_that_never_reads_or_never_answers_hangs(capsys: pytest.CaptureFixture[str]):
    large = {"boxes": np.zeros((200_000, 4), np.float32), "scores": np.zeros(200_000, np.float32), "threshold": 0.5}
    with Pipe("sleep 100", boxes=NMS.boxes, limit=0.5, first=0.5) as target:
        outcome = target.call(large)
        assert (outcome.kind, outcome.reason) == ("hangs", "no answer within 0.5 s")
    assert main(["conform", "check", "pipe:no-such-program", "--op", "nms"]) == 2
    assert "no program 'no-such-program'" in capsys.readouterr().err
