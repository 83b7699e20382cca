"""A whole run always ends, and its report is always written: as text, JSON, and one page that needs nothing else."""

from __future__ import annotations

import json
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.own_targets import Here

from minidet.cli import main
from minidet.commands import conform_report
from minidet.conformance import LAWS, OPERATORS, check, suite
from minidet.conformance.declared import Declared
from minidet.conformance.html import page
from minidet.conformance.laws.ask import asked
from minidet.conformance.literals import distance, literal
from minidet.conformance.operators import REFUSED
from minidet.conformance.report_suite import as_json, coverage, text
from minidet.conformance.snippet import Failure, snippet
from minidet.conformance.suite import Asked, Judged, judge, run
from minidet.errors import InputError

NMS = OPERATORS["nms"]
BADLY = "support.conform_badly"


HELD: dict[str, Judged] = {}


def judged(
    name: str, op: str = "nms", *, profile: str = "", budget: float = 60, extra: Any = None, **how: Any
) -> Judged:
    """Once for all tests that look at it."""
    key = f"{name} {op} {profile} {budget} {extra} {how}"
    if key not in HELD:
        declared = Declared(OPERATORS[op], f"{BADLY}:{name}", extra=extra or {}, **how)
        HELD[key] = judge(Asked(declared, profile), examples=10, budget=budget)
    return HELD[key]


@pytest.fixture(scope="module")
def right() -> Judged:
    """Of a target that has no fault, against its own conventions."""
    return judged("nms")


def test_a_right_one_conforms_and_its_conventions_are_counted(right: Judged):
    assert (right.word, right.reason, right.failures, right.passes) == ("conforms", "", [], True)
    assert right.fingerprint is not None
    known = coverage(right.fingerprint)
    assert known["compare"] == "told"
    assert known["inverted"] == "alike", "0/0 suppresses nothing, nor does what is below it"
    assert [one.word for one in right.laws if one.word not in ("holds", "suspended")] == []
    assert set(right.versions) >= {"minidet", "numpy", "python"}


def test_what_cannot_be_told_apart_or_was_not_asked_is_said():
    one = judged("of_shape", profile="minidet")
    assert one.fingerprint is not None
    known = coverage(one.fingerprint)
    assert "unknown" in known.values()
    without_nan = Asked(Declared(NMS, f"{BADLY}:nms"), without=("has_nan",))
    report = run([without_nan], examples=3)
    assert report.judged[0].fingerprint is not None
    assert coverage(report.judged[0].fingerprint)["nan_scores"] == "not asked"
    assert "nms.nan_scores not asked" in text(report)
    assert f"not tested, no target given: {len(OPERATORS) - 1} other operators" in text(report)


@pytest.mark.parametrize(
    ("name", "word", "said"),
    [
        ("of_shape", "diverges", "no known dialect answers so"),
        ("mask", "diverges", "no known dialect answers so"),
        ("refuses", "rejects", "refuses every input, the first by ValueError: <script>"),
        ("asks", "rejects", "EOFError"),
        ("no_such_function", "not tested", "cannot be loaded: AttributeError"),
    ],
)
def test_whatever_a_target_does_is_a_verdict(name: str, word: str, said: str):
    found = judged(name, profile="minidet" if name == "of_shape" else "")
    assert found.word == word
    assert said in found.reason
    assert not found.passes


def test_lists_that_are_changed_are_seen():
    assert judged("spoils_lists", arrays="list").word == "changes its input"


def test_another_shape_is_what_the_failure_says():
    found = judged("of_shape", profile="minidet")
    assert any("# distance  shape (2, 1), not (2,)" in code for code in found.failures)


def test_a_slow_one_is_judged_by_what_was_seen_in_its_time():
    found = judged("slow", budget=1.0)
    assert found.word == "not tested"
    assert found.reason.startswith("slow: ")
    assert found.seconds < 60


def test_one_that_never_returns_is_over_in_its_time():
    found = judged("sleeps", budget=0.5, limit=0.5, first=0.5)
    assert found.word == "hangs"
    assert "no answer within" in found.reason
    assert len(found.failures) == 1


def test_a_fault_of_the_suite_ends_nothing(monkeypatch: pytest.MonkeyPatch):
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("so it goes")

    monkeypatch.setattr(suite, "fingerprint", fails)
    found = judge(Asked(Declared(NMS, f"{BADLY}:nms")))
    assert found.word == "not tested"
    assert found.reason == "the suite itself failed: RuntimeError: so it goes"
    assert "Traceback" in found.failures[0]


def test_an_interruption_leaves_a_report_of_what_was_judged(monkeypatch: pytest.MonkeyPatch):
    calls = [0]
    real = suite.judge

    def interrupted(*given: Any, **how: Any) -> Judged:
        calls[0] += 1
        if calls[0] == 2:
            raise KeyboardInterrupt
        return real(*given, **how)

    monkeypatch.setattr(suite, "judge", interrupted)
    found = run([Asked(Declared(NMS, f"{BADLY}:no_such"))] * 3)
    assert found.interrupted
    assert not found.passes
    assert [one.reason for one in found.judged][1:] == ["the run was interrupted"] * 2
    assert calls[0] == 2


def test_a_profile_that_is_not_followed_is_a_variant_with_its_evidence():
    found = judged("nms", profile="torchvision-cpu")
    assert found.word == "conforms to a variant"
    assert "compare_dtype=boxes" in found.reason
    assert "nan_scores=refused" in found.reason
    assert any("not as torchvision-cpu" in code for code in found.failures)


def now_this_and_now_that(**inputs: Any) -> Any:
    """Ties go by the lowest index among three boxes, and by the highest among more, as an unstable sort may do."""
    ties = "lowest" if len(inputs["scores"]) <= 3 else "highest"
    return NMS.reference(inputs, NMS.dialect(ties=ties))


def test_an_order_of_ties_that_changes_is_a_variant_and_breaks_no_law():
    target = Here(now_this_and_now_that, 0)
    verdict = check(NMS, target, NMS.dialect())
    assert verdict.word == "conforms to a variant"
    assert verdict.found is not None
    assert [dict(one) for one in verdict.found.flips] == [{"ties": "any"}]
    law = next(one for one in LAWS["nms"] if one.name == "far away")
    assert asked(law, NMS, target, NMS.dialect(ties="any"), examples=40).word == "holds"
    assert asked(law, NMS, target, NMS.dialect(), examples=200).word == "broken"


def test_an_answer_without_form_breaks_its_law():
    """Indices that are no whole numbers cannot even be looked up."""
    operator = OPERATORS["batched_nms"]
    wrong = Here(lambda **inputs: np.array([0.5]), 0)
    law = next(one for one in LAWS["batched_nms"] if one.name == "class by class")
    found = asked(law, operator, wrong, operator.dialect(), examples=5)
    assert (found.word, found.wanted) == ("broken", None)
    assert found.reason.startswith("the answer has not the form of one: ")


# Each failure is code.


def run_code(code: str) -> dict[str, Any]:
    held: dict[str, Any] = {}
    exec(code, held)
    return held


def test_a_failure_can_be_pasted_and_shows_what_it_says():
    found = judged("by_name", profile="minidet", extra={"least": 0.5})
    code = next(one for one in found.failures if "# expected" in one)
    assert "scores=scores, threshold=threshold, least=0.5)" in code
    held = run_code(code)
    got = next(line for line in code.splitlines() if line.startswith("# got")).removeprefix("# got").strip()
    expected = next(line for line in code.splitlines() if line.startswith("# expected")).removeprefix("# expected")
    np.testing.assert_array_equal(held["got"], eval(got, {"np": np}))
    wanted = eval(expected.strip(), {"np": np})
    inputs = {name: held[name] for name in ("boxes", "scores", "threshold")}
    np.testing.assert_array_equal(wanted, NMS.reference(inputs, found.dialect))
    assert "seed 0, minidet " in code
    assert f"numpy {np.__version__}" in code


@pytest.mark.parametrize(
    ("form", "shown"),
    [("xyxy", "[1.0, 2.0, 4.0, 8.0]"), ("xywh", "[1.0, 2.0, 3.0, 6.0]"), ("yxyx", "[2.0, 1.0, 8.0, 4.0]")],
)
def test_the_boxes_of_a_failure_are_in_the_target_s_format(form: str, shown: str):
    inputs = {"boxes": np.array([[1, 2, 4, 8]], np.float32), "scores": np.array([0.5], np.float32), "threshold": 0.5}
    failure = Failure("so", inputs, np.array([0]), np.array([1]))
    code = snippet(Declared(NMS, "mine.net:nms", form=form), failure, {"minidet": "1"}, 3)
    assert f"boxes = np.array([{shown}], np.float32)" in code
    assert "import mine.net\n" in code
    assert "got = mine.net.nms(boxes, scores, threshold)" in code
    assert code.endswith("# seed 3, minidet 1")


def test_a_failure_of_a_program_writes_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zero.py").write_text(
        "import sys, numpy\nboxes = numpy.load(sys.argv[1] + '/boxes.npy')\n"
        "numpy.save(sys.argv[1] + '/answer.npy', boxes[:, 2].astype(int))\n"
    )
    inputs = {"boxes": np.array([[1, 2, 4, 8]], np.float32), "scores": np.array([0.5], np.float32), "threshold": 0.5}
    failure = Failure("so", inputs, np.array([0]), np.array([3]))
    code = snippet(Declared(NMS, f"run:{sys.executable} zero.py", form="xywh"), failure, {}, 0)
    assert run_code(code)["answer"].tolist() == [3]


def test_how_far_is_told_in_units_in_the_last_place():
    found = judged("overlaps", op="iou", profile="minidet")
    assert found.word == "diverges"
    assert any("units in the last place, at [" in code for code in found.failures)


ONE = np.float32(1)


@pytest.mark.parametrize(
    ("found", "expected", "said"),
    [
        (np.array([ONE, np.nextafter(ONE, ONE * 2)]), np.array([1.0, 1.0]), "1 of 2 elements differ, by up to 1 units"),
        (np.array([2.0]), np.array([2.0]), ""),
        (np.array([np.nan]), np.array([np.nan]), ""),
        (np.array([np.nan]), np.array([1.0]), "1 of 1 elements differ, at [0] nan for 1.0"),
        (np.array([1]), np.array([1.0]), "int64, not float64"),
        (np.array([1, 2]), np.array([1, 3]), "1 of 2 elements differ"),
        (np.zeros((0, 4)), np.zeros(0), "shape (0, 4), not (0,)"),
        ((ONE,), (ONE, ONE), "1 arrays, not 2"),
        (REFUSED, np.array([1]), ""),
    ],
)
def test_distances(found: Any, expected: Any, said: str):
    if said:
        assert said in distance(found, expected)
    else:
        assert distance(found, expected) == ""


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 4), np.float32),
        np.array([np.nan, -np.inf, np.inf, -0.0], np.float64),
        np.array(3),
        np.array([[True, False]]),
        np.arange(100.0).reshape(50, 2).astype(np.float32),
        np.array([[1, 2]] * 3 + [[3, 4]] * 40, np.int64),
        np.array([[1, 2]] * 40, np.int64),
        np.array([0.1, 1 / 3], np.float16),
    ],
)
def test_a_literal_is_the_array(array: np.ndarray):
    again = eval(literal(array), {"np": np})
    assert again.dtype == array.dtype
    assert again.shape == array.shape
    np.testing.assert_array_equal(again, array)
    assert len(literal(array)) < 3000


# The page, and the files.


class Reader(HTMLParser):
    """Everything that a page asks for, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.said: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [(tag, value or "") for name, value in attrs if name in ("href", "src", "srcset", "data")]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_needs_nothing_else_and_shows_markup_as_text(right: Judged):
    evil = "<img src=x onerror=alert(1)>\"'&"
    finding = suite.Finding("search", "rejects", evil, evil)
    bad = Judged(Asked(Declared(NMS, evil)), "rejects", evil, findings=(finding,))
    report = suite.Report((right, bad), ("iou",), 0, 30, {"minidet": evil}, 1.0)
    html = page(report)
    reader = read(html)
    assert "url(" not in html
    assert "@import" not in html
    assert not {"script", "link", "img", "iframe", "object", "svg"} & set(reader.tags)
    assert reader.links == []
    assert "".join(reader.said).count(evil) >= 4
    assert "nms.compare" in reader.said
    assert "strict" in reader.said
    assert any("Not tested, as no target was given: iou." in said for said in reader.said)
    json.dumps(as_json(report))


def test_the_command_writes_both_files_whatever_the_targets_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    targets = tmp_path / "targets.toml"
    targets.write_text(f"""
        without = ["has_fractions"]
        [[nms]]
        target = "{BADLY}:nms"
        [[nms]]
        target = "{BADLY}:refuses"
        boxes = "xywh"
        [iou]
        target = "no_such_module:f"
    """)
    files = ["--html", str(tmp_path / "r.html"), "--json", str(tmp_path / "r.json")]
    assert main(["conform", "report", str(targets), *files, "--examples", "20"]) == 1
    out = capsys.readouterr().out
    assert f"nms  {BADLY}:nms (float32)  conforms" in out
    assert "not tested: no_such_module:f cannot be loaded" in out
    found = json.loads((tmp_path / "r.json").read_text())
    assert [one["verdict"] for one in found["targets"]] == ["conforms", "rejects", "not tested"]
    assert found["targets"][1]["boxes"] == "xywh"
    assert found["targets"][0]["without"] == ["has_fractions"]
    assert found["not_tested"]["roi_align"] == "no target given"
    assert "conforms" in read((tmp_path / "r.html").read_text()).said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.html", "r.json", "targets.toml"]


def test_several_targets_by_arguments(capsys: pytest.CaptureFixture[str]):
    assert main(["conform", "report", f"nms={BADLY}:nms", "--examples", "10", "--profile", "minidet"]) == 0
    assert "as minidet  conforms" in capsys.readouterr().out


def test_what_is_done_is_shown_to_who_is_looking(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(conform_report.sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    one = Asked(Declared(NMS, f"{BADLY}:nms"))
    with conform_report.looking([one, Asked(Declared(NMS, "other:f"))]) as say:
        say(one, "search")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[colour]\ntarget = 'a:b'", "no operator is named 'colour'"),
        ("[nms]\ntarget = 3", "[nms]: target: expected text"),
        ("[nms]\nboxes = 'xyxy'", "[nms]: target is missing"),
        ("[nms]\ntarget = 'a:b'\nbox = 'xyxy'", "[nms]: no key is named 'box'; there are target, arrays"),
        ("[nms]\ntarget = 'a:b'\nprofile = 'nobody'", "[nms]: --profile nobody: for nms there are"),
        ("[nms]\ntarget = 'a:b'\nwithout = ['colour']", "[nms]: 'colour' is no predicate"),
        ("[nms]\ntarget = 'a:b'\nwithout = 'has_nan'", "[nms]: without: expected a list"),
        ("[nms]\ntarget = 'a:b'\nlimit = 'long'", "[nms]: limit: expected seconds"),
        ("[nms]\ntarget = 'a:b'\nledger = 'none.toml'", "none.toml: No such file"),
        ("", "names no target"),
        ("[nms", "not TOML"),
    ],
)
def test_what_is_wrong_with_a_file_of_targets_is_one_line(
    content: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "targets.toml"
    path.write_text(content)
    assert main(["conform", "report", str(path), "--html", str(tmp_path / "r.html")]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert err.count("\n") == 1
    assert not out
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nms"], "'nms': expected a file of targets, FILE.toml, or OP=TARGET"),
        (["colour=a:b"], "no operator is named 'colour'"),
        (["none.toml"], "none.toml: No such file"),
        (["nms=a:b", "--examples", "0"], "expected at least 1"),
        (["nms=a:b", "--budget", "0"], "expected seconds above 0"),
        (["nms=a:b", "--html", "no/such/folder/r.html"], "expected a file in a folder that is there"),
        (["nms=a:b", "--without", "colour"], "'colour' is no predicate"),
    ],
)
def test_wrong_arguments_are_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    assert main(["conform", "report", *arguments]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert err.count("\n") == 1
    assert not out


# Arrays of other libraries.


def test_arrays_through_dlpack():
    assert judged("through_dlpack", arrays="dlpack").word == "conforms"
    assert judged("spoils_dlpack", arrays="dlpack").word == "changes its input"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"arrays": "numpy", "device": "cuda"}, "'numpy' on device 'cuda'"),
        ({"arrays": "cupy", "device": "cpu"}, "'cupy' on device 'cpu'"),
        ({"arrays": "lists"}, "expected one of numpy, torch, list, cupy, dlpack"),
        ({"form": "xy"}, "boxes 'xy'; expected one of"),
        ({"dtype": "int8"}, "dtype 'int8'; expected one of"),
    ],
)
def test_what_no_target_takes_is_one_line(how: dict[str, Any], said: str):
    with pytest.raises(InputError) as error:
        Declared(NMS, "a:b", **how).made()
    assert said in str(error.value)
