"""One number of threads for Numba's loops and NumPy's matrix products, seen in fresh processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from minidet_kernels import blas, threads

SEEN = """
import warnings; warnings.simplefilter("error")
{first}
import minidet
{then}
import numpy as np
from minidet_kernels import blas
found = blas.openblas()
before = minidet.get_threads()
minidet_nms = __import__("minidet_kernels").nms
minidet_nms(np.zeros((2, 4), np.float32), np.zeros(2, np.float32), threshold=0.5)
import os, numba
print(before, minidet.get_threads(), numba.get_num_threads(), found[0]() if found else None,
      os.environ.get("OPENBLAS_NUM_THREADS"), os.environ.get("OPENBLAS_THREAD_TIMEOUT"))
"""

OURS = ("MINIDET_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
CORES = threads.processors()


def run(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in OURS} | variables
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)


def seen(first: str = "", then: str = "", **variables: str) -> list[str]:
    """What get_threads says before and after the first call, what Numba uses, what OpenBLAS uses; two variables."""
    done = run(SEEN.format(first=first, then=then), **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


if blas.openblas() is None:
    pytest.skip("NumPy here has another BLAS", allow_module_level=True)


@pytest.mark.parametrize("n", ["1", "3"])
@pytest.mark.parametrize("first", ["", "import numpy"])
def test_the_variable_governs_both(n, first):
    assert seen(first, MINIDET_THREADS=n) == [n, n, n, n, "None", "None"]


def test_the_function_governs_both_and_the_last_word_is_its():
    assert seen(then="minidet.set_threads(1)") == ["1", "1", "1", "1", "None", "None"]
    assert seen(then="minidet.set_threads(3)", MINIDET_THREADS="1") == ["3", "3", "3", "3", "None", "None"]
    back = "minidet.set_threads(3); minidet.set_threads(None)"
    assert seen(then=back, MINIDET_THREADS="1") == ["1", "1", "1", "1", "None", "None"]


def test_without_a_choice_the_libraries_keep_theirs():
    cores = str(CORES)
    assert seen() == [cores, cores, cores, cores, "None", "None"]
    own = {"NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "2"}
    assert seen(**own) == ["1", "1", "1", "2", "2", "None"]
    assert seen(MINIDET_THREADS="3", **own) == ["3", "3", "3", "3", "2", "None"]


def test_after_a_change_of_more_threads_numba_still_compiles():
    """Numba reads its variable again whenever it compiles, and fails if it then says another number."""
    more = "import numba; numba.njit(lambda x: x + 1)(1); minidet.set_threads(1); numba.njit(lambda x: x + 2)(1)"
    script = SEEN.format(first="", then="") + more
    assert run(script, MINIDET_THREADS=str(CORES + 1)).returncode == 0


IN_THREADS = """
import minidet, numpy as np, numba, threading
from minidet_kernels import nms
def used():
    nms(np.zeros((2, 4), np.float32), np.zeros(2, np.float32), threshold=0.5)
    found.append(numba.get_num_threads())
for n in (1, 2, 1):
    found = []
    minidet.set_threads(n)
    for thread in [threading.Thread(target=used) for _ in range(2)]:
        thread.start(); thread.join()
    used()
    print(*found)
"""


def test_it_holds_in_every_thread():
    done = run(IN_THREADS, MINIDET_THREADS="2")
    assert done.stdout.split("\n")[:3] == ["1 1 1", "2 2 2", "1 1 1"], done.stderr


@pytest.mark.parametrize(
    ("n", "error", "words"),
    [
        (0, ValueError, "from 1 to 1024"),
        (-1, ValueError, "not -1"),
        (5000, ValueError, "not 5000"),
        (1.5, TypeError, "whole number"),
        ("2", TypeError, "not '2'"),
    ],
)
def test_refused(n, error, words):
    with pytest.raises(error, match=words):
        threads.set_threads(n)


def test_more_than_numba_has_started_is_refused():
    done = run("import numba, minidet; minidet.set_threads(900)")
    assert done.returncode == 1
    assert "MINIDET_THREADS=900" in done.stderr


@pytest.mark.parametrize("text", ["0", "many", "1.5", "-2"])
def test_a_variable_of_nonsense_is_said_at_the_first_use(text):
    done = run("import minidet; print('imported'); minidet.get_threads()", MINIDET_THREADS=text)
    assert (done.stdout, done.returncode) == ("imported\n", 1)
    assert f"MINIDET_THREADS: a number of threads from 1 to 1024 was expected, not {text!r}" in done.stderr


def test_another_blas_is_said(monkeypatch):
    monkeypatch.setattr(blas, "openblas", lambda: None)
    with pytest.warns(UserWarning, match="another library than OpenBLAS"):
        threads.set_threads(1)
    threads.set_threads(None)  # nothing is wanted, so there is nothing to say


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, threads.MOST),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, threads.MOST),
        ({"cpu.max": "nonsense"}, threads.MOST),
        ({"cpu.max": "1 0"}, threads.MOST),
        ({}, threads.MOST),
    ],
)
def test_the_share_of_a_control_group(tmp_path: Path, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert threads._share(tmp_path) == expected


def test_a_share_of_less_than_the_processors_is_the_number(monkeypatch):
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    monkeypatch.delenv("MINIDET_THREADS", raising=False)
    for found in (threads._enforced, threads.processors, threads._given):
        found.cache_clear()
    monkeypatch.setattr(threads, "_affinity", lambda: 64)
    monkeypatch.setattr(threads, "_share", lambda: 3)
    try:
        assert threads._wanted() == 3
    finally:
        for found in (threads._enforced, threads.processors, threads._given):
            found.cache_clear()
