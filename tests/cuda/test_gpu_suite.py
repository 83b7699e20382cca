"""The tests for a GPU are themselves tested without one: skipped by name, or run on the stand-in for CuPy."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from minidet_kernels import cuda, cuda_on_cpu
from support.tree import ROOT

no_gpu = pytest.mark.skipif(not isinstance(cuda.gpu(), str), reason="there is a GPU: they run on it")


def suite(*arguments: str, **environment: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/gpu", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    return done.stdout


def count(words: str, output: str) -> int:
    return int(re.search(rf"(\d+) {words}", output)[1])  # type: ignore[index]


@no_gpu
def test_without_a_gpu_each_is_skipped_and_says_what_is_missing() -> None:
    output = suite("-rs", MINIDET_GPU="")
    assert "passed" not in output
    assert count("skipped", output) > 100
    reasons = re.findall(r"SKIPPED \[\d+\] \S+ (.*)", output)
    assert reasons
    assert all(reason.startswith("no GPU: needs ") for reason in reasons), reasons


@pytest.mark.skipif(not cuda_on_cpu.available(), reason="CUDA C on the CPU needs g++, which is not here")
def test_on_the_stand_in_they_pass() -> None:
    """Of the operators some: all of them run there in ``test_operators.py`` beside this file."""
    some = "not (test_operators or test_conforms) or iou or nms or resize or leaky_relu or adam"
    output = suite("-k", some, MINIDET_GPU="stand-in", MINIDET_GPU_EXAMPLES="1")
    assert count("passed", output) > 40
    assert "failed" not in output


@no_gpu
@pytest.mark.parametrize("what", ["tests", "all"])
def test_the_script_says_in_one_line_that_there_is_none(what: str) -> None:
    done = subprocess.run([".ci/gpu", sys.executable, what], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"no GPU here \(needs .*\): the tests on a GPU were not run\n", done.stdout)


def test_the_script_knows_its_tools(tmp_path: object) -> None:
    done = subprocess.run([".ci/gpu", sys.executable, "nothing"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "expected tests, memcheck, racecheck, initcheck" in done.stderr


SANITIZER = """#!/bin/sh
echo "$MINIDET_GPU_POOL $MINIDET_GPU_EXAMPLES $@" >> "{log}"
[ "$2" = racecheck ] && exit 3
exit 0
"""


@pytest.mark.parametrize(("tool", "status"), [("memcheck", 0), ("racecheck", 1), ("initcheck", 0)])
def test_the_script_hands_the_operators_to_the_sanitizer(tool: str, status: int, tmp_path) -> None:
    """With a program in its place that writes down how it was called, and finds something in racecheck."""
    program, log = tmp_path / "compute-sanitizer", tmp_path / "log"
    program.write_text(SANITIZER.format(log=log))
    program.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "MINIDET_GPU": "stand-in"}
    environment.pop("MINIDET_GPU_EXAMPLES", None)
    command = [".ci/gpu", sys.executable, tool, "-x"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    (line,) = log.read_text().splitlines()
    assert line.startswith(
        f"0 5 --tool {tool} --error-exitcode 3 --target-processes application-only {sys.executable} "
    )
    assert line.endswith("tests/gpu/test_operators.py -k not cupys_own and not numba_cuda -x")
