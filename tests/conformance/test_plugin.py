"""Three lines make the suite tests of somebody else's pytest; the plugin alone brings nothing along."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support.tree import ROOT

from minidet.conformance.testing import conformance
from minidet.errors import InputError

MINE = f"""
import sys

sys.path.insert(0, {str(ROOT / "tests")!r})

from support.recorded_nms import nms as right


def nms(boxes, scores, threshold):
    return right(boxes, scores, threshold)


def inclusive(boxes, scores, threshold):
    return right(boxes, scores, threshold, strict=False)


def one_less(boxes, scores, threshold):
    kept = right(boxes, scores, threshold)
    return kept[: 2 if len(boxes) > 2 else None]
"""

TESTS = """
from minidet.conformance.testing import conformance
import mine

test_right = conformance("nms", mine.nms, profile="minidet", examples=10, ledger="known.toml")
test_inclusive = conformance("nms", mine.inclusive, profile="minidet", examples=150)
test_nowhere = conformance("nms", "nowhere:f")

def test_by_the_fixture(conforms):
    conforms("nms", mine.one_less, profile="minidet")
"""

KNOWN = """\
[[known]]
operator = "nms"
when = ["more_than(900)"]
reason = "never looked at"
expires = 2999-01-31
verdict = "diverges"
[known.inputs]
boxes = { float32 = [ROWS] }
scores = { float32 = [SCORES] }
threshold = 0.5
"""


def run(place: Path, *arguments: str) -> tuple[int, str]:
    """The exit status and the output of pytest in a process of its own, with nothing else of ours."""
    options = ["-p", "pytest_minidet", "-p", "no:cacheprovider", "--rootdir", str(place), *arguments]
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels"), str(place)])
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")} | {"PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", *options],
        cwd=place, capture_output=True, text=True, timeout=600, check=False, env=env,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of somebody else's."""
    place = tmp_path_factory.mktemp("theirs")
    (place / "mine.py").write_text(MINE)
    (place / "test_mine.py").write_text(TESTS)
    rows, scores = ["[0.0, 0.0, 1.0, 1.0]"] * 901, ["0.5"] * 901
    (place / "known.toml").write_text(KNOWN.replace("ROWS", ", ".join(rows)).replace("SCORES", ", ".join(scores)))
    return place


@pytest.fixture(scope="module")
def said(place: Path) -> str:
    """What pytest says of it."""
    status, said = run(place, "--conform-examples", "25", "--conform-seed", "7", "test_mine.py")
    assert status == 1, said
    return said


def test_three_lines_are_a_test_for_each_thing_that_is_asked(said: str):
    for step in ("fingerprint", "search", "law transpose", "law many far away"):
        assert f"test_right[{step}] PASSED" in said


def test_a_failure_is_code_that_runs_and_nothing_of_pytest_s(place: Path, said: str):
    assert "test_inclusive[fingerprint] FAILED" in said
    assert "test_inclusive[law transpose] PASSED" in said
    assert "conforms to a variant: of minidet: compare=inclusive" in said
    assert "# would agree under nms.compare=inclusive" in said
    assert "testing.py" not in said
    code = re.search(r"^import numpy as np\nimport mine\n.*?^got = mine.inclusive\([^\n]*", said, re.M | re.S)
    assert code is not None
    shown = subprocess.run(
        [sys.executable, "-c", code[0] + "\nprint(got.tolist())"],
        cwd=place, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(place)},
    )  # fmt: skip
    assert shown.stdout.startswith("[0")


def test_known_divergences_have_tests_of_their_own(said: str):
    assert "test_right[known 1] FAILED" in said
    assert "gone: ledger, known.toml: entry 1: no longer diverges: remove the entry" in said


def test_what_cannot_be_loaded_fails_once_and_skips_the_rest(said: str):
    assert "test_nowhere[fingerprint] FAILED" in said
    assert "test_nowhere[search] SKIPPED" in said
    assert "not tested: nowhere:f cannot be loaded: ModuleNotFoundError" in said


def test_the_fixture_fails_with_all_that_is_wrong(said: str):
    assert "test_by_the_fixture FAILED" in said
    assert "breaks the law 'far away'" in said
    assert "got = mine.one_less(boxes, scores, threshold)" in said
    assert "# seed 7, minidet " in said


NOTHING = """
import sys

def test_nothing_is_there():
    held = {name.partition(".")[0] for name in sys.modules}
    assert "pytest_minidet" in held
    assert not {"minidet", "minidet_kernels", "numpy", "numba", "rich"} & held
"""


def test_the_plugin_alone_imports_nothing_of_ours(tmp_path: Path):
    (tmp_path / "test_nothing.py").write_text(NOTHING)
    status, said = run(tmp_path, "test_nothing.py")
    assert status == 0, said


def test_it_is_registered_where_the_package_is_installed():
    held = tomllib.loads((ROOT / "pyproject.toml").read_text())
    name = "pytest_minidet"
    assert held["project"]["entry-points"]["pytest11"] == {name: name}
    assert f"{name}.py" in held["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ('conformance("colour", "a:b")', "no operator is named 'colour'"),
        ('conformance("nms", "a:b", profile="nobody")', "for nms there are"),
        ('conformance("nms", "a:b", without=["colour"])', "'colour' is no predicate"),
        ('conformance("nms", "a:b", ledger="none.toml")', "none.toml: No such file"),
        ('conformance("nms", lambda *_: 0)', "cannot be imported by a name"),
        ('conformance("nms", "a:b", boxes="xy")', "boxes 'xy'; expected one of"),
    ],
)
def test_what_is_asked_wrongly_is_an_error_of_the_file(call: str, said: str):
    with pytest.raises(InputError) as error:
        eval(call, {"conformance": conformance})
    assert said in str(error.value)
