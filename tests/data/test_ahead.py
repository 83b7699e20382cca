"""Results that are computed ahead come in order, whoever computes them, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tree import ROOT

from minidet.data.ahead import Ahead


def slow_square(n: int) -> int:
    time.sleep(0.001 * (n % 3))  # later ones are often done first
    return n * n


def workers() -> int:
    return sum(thread.name.startswith("minidet-ahead") for thread in threading.enumerate())


@given(n=st.integers(0, 12), hands=st.integers(0, 3), depth=st.none() | st.integers(1, 5))
def test_results_come_in_order(n: int, hands: int, depth: int | None) -> None:
    with Ahead(slow_square, range(n), workers=hands, depth=depth) as found:
        assert list(found) == [i * i for i in range(n)]
        assert list(found) == []
    assert workers() == 0


def test_no_more_is_asked_for_than_the_depth() -> None:
    asked: list[int] = []

    def arguments() -> Iterator[int]:
        for i in count():
            asked.append(i)
            yield i

    with Ahead(slow_square, arguments(), workers=2, depth=3) as found:
        assert next(found) == 0
        assert len(asked) == 3
        assert list(islice(found, 4)) == [1, 4, 9, 16]
        assert len(asked) == 7
    assert workers() == 0


@pytest.mark.parametrize("hands", [0, 2])
def test_an_error_comes_where_its_result_would(hands: int) -> None:
    def task(n: int) -> int:
        if n == 3:
            raise KeyError("three")
        return n

    found = Ahead(task, count(), workers=hands)
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="three"):
        next(found)
    assert workers() == 0
    with pytest.raises(StopIteration):
        next(found)


def test_one_that_is_forgotten_ends_its_workers() -> None:
    found = Ahead(slow_square, count(), workers=2)
    next(found)
    assert workers() > 0
    del found
    deadline = time.monotonic() + 10
    while workers() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert workers() == 0


def test_what_makes_no_sense() -> None:
    for options in ({"workers": -1}, {"kind": "magic"}, {"depth": 0}):
        with pytest.raises(ValueError, match="workers from 0, a kind of threads, processes"):
            Ahead(slow_square, range(3), **options)


KILLED = """
import itertools, os, sys, time
from minidet.data.ahead import Ahead

def task(n):
    return os.getpid()

if __name__ == "__main__":
    found = Ahead(task, itertools.count(), workers=1, kind="processes", depth=2)
    print(next(found), flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no signal 9 here")
def test_processes_end_with_a_parent_that_was_killed(tmp_path) -> None:
    script = tmp_path / "script.py"
    script.write_text(KILLED)
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'kernels'}"}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=env) as parent:
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail(f"process {child} outlived its parent")
