"""How idle threads wait is set while the libraries are loaded, and the environment is left as it was."""

import os
import subprocess
import sys

import pytest

VARIABLES = ("OPENBLAS_THREAD_TIMEOUT", "GOMP_SPINCOUNT", "OMP_WAIT_POLICY")

# What the libraries could see: every change of the variables, in order, and what is left at the end.
SCRIPT = """
import os
seen = []
class Watched(type(os.environ)):
    def __setitem__(self, name, value):
        if name in {names}:
            seen.append((name, value))
        super().__setitem__(name, value)
os.environ.__class__ = Watched
{first}
import numpy as np
from minidet_kernels import conv2d, pin
with pin(conv2d="numba"):
    conv2d(np.ones((1, 2, 4, 4), np.float32), np.ones((2, 1, 3, 3), np.float32), groups=2)
print(seen, {{name: os.environ.get(name) for name in {names}}})
"""


def run(first: str, **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES} | variables
    script = SCRIPT.format(names=VARIABLES, first=first)
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


NOTHING = "{'OPENBLAS_THREAD_TIMEOUT': None, 'GOMP_SPINCOUNT': None, 'OMP_WAIT_POLICY': None}"


@pytest.mark.parametrize("first", ["import minidet", "import minidet_kernels"])
def test_set_for_a_moment_and_taken_back(first):
    assert run(first) == f"[('OPENBLAS_THREAD_TIMEOUT', '4'), ('GOMP_SPINCOUNT', '10000')] {NOTHING}"


def test_too_late_for_a_numpy_that_is_loaded():
    assert run("import numpy") == f"[('GOMP_SPINCOUNT', '10000')] {NOTHING}"


def test_the_user_has_the_last_word():
    given = {"OPENBLAS_THREAD_TIMEOUT": "26", "OMP_WAIT_POLICY": "active"}
    left = {"OPENBLAS_THREAD_TIMEOUT": "26", "GOMP_SPINCOUNT": None, "OMP_WAIT_POLICY": "active"}
    assert run("import minidet", **given) == f"[] {left}"
