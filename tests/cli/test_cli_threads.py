"""`--threads`, `MINIDET_THREADS`, `minidet warm`, and what is said of compilations."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest
from minidet_kernels import compiling, threads, warm

import minidet
from minidet.cli import main


@pytest.fixture(autouse=True)
def as_before():
    """The number of threads is the process's; the tests after this one are to have theirs."""
    yield
    minidet.set_threads(None)


@pytest.mark.parametrize("argv", [["--threads", "1", "facts"], ["facts", "--threads", "1"]])
def test_threads_before_or_after_the_command(capsys, argv):
    assert main([*argv, "yolov3-tiny"]) == 0
    assert capsys.readouterr().err == ""
    assert minidet.get_threads() == 1


@pytest.mark.parametrize("command", [["data", "check"], ["eval", "explain", "coco", "voc2007"]])
def test_threads_after_a_command_of_two_words(capsys, command):
    assert main([*command, "--threads", "none"]) == 2
    assert "expected a number from 1" in capsys.readouterr().err


@pytest.mark.parametrize("n", ["0", "-1", "two", "1.5", "99999", ""])
def test_a_wrong_number_is_one_line(capsys, n):
    assert main(["facts", "yolov3-tiny", f"--threads={n}"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert f"expected a number from 1 to {threads.MOST}, found {n!r}" in err


def test_more_threads_than_numba_has_started_is_one_line(capsys):
    pytest.importorskip("numba")
    assert main(["facts", "yolov3-tiny", "--threads", "1000"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_wrong_variable_is_one_line():
    command = [sys.executable, "-m", "minidet", "facts", "yolov3-tiny"]
    environment = os.environ | {"MINIDET_THREADS": "all"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    said = f"MINIDET_THREADS: a number of threads from 1 to {threads.MOST} was expected, not 'all'"
    assert done.stderr == f"minidet: {said}\n"


@pytest.fixture
def compiles(monkeypatch):
    """A command that logs as a compilation does, then does its work, or fails."""
    from minidet.commands import facts
    from minidet.errors import InputError

    def run(arguments):
        compiling._say("compiling %s", "a\nkernel")
        if arguments.threads == 2:
            raise InputError("wrong")
        return 0

    monkeypatch.setattr(facts, "run", run)
    logging.getLogger(compiling.LOGGER).setLevel(logging.WARNING)
    monkeypatch.setattr(minidet, "set_threads", lambda n: None)
    return ["facts", "yolov3-tiny", "--threads"]


def test_what_is_logged_is_shown_once_and_not_after_an_error(capsys, compiles):
    assert main([*compiles, "1"]) == 0
    assert capsys.readouterr().err == "minidet: compiling a kernel\n"
    assert main([*compiles, "2"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "compiling" not in err
    assert logging.getLogger(compiling.LOGGER).handlers == []


def test_someone_who_is_looking_is_told_at_once(capsys, compiles, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert main([*compiles, "2"]) == 2
    assert capsys.readouterr().err.startswith("minidet: compiling a kernel\nminidet: ")


def test_warm(capsys, monkeypatch):
    asked = []

    def fake(dtypes, report):
        asked.append(dtypes)
        report(len(warm.compiled()), len(warm.compiled()), "nms grid")
        return 1

    monkeypatch.setattr(warm, "warm", fake)
    assert main(["warm", "--dtypes", "float32"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("1 implementations and the evaluation compiled or found in ")
    assert asked == [("float32",)]
    assert "evaluation of keypoints" in err

    def fails(dtypes, report):
        raise RuntimeError("warm: OSError: no space left")

    monkeypatch.setattr(warm, "warm", fails)
    assert main(["warm"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "minidet: warm: OSError: no space left"
