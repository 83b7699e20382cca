"""What the evaluation compiles is compiled ahead: no compiled function of it is left without a signature."""

from __future__ import annotations

import subprocess
import sys

from minidet.metrics import warming

LEFT = """
import sys
from minidet.metrics import warming
list(warming.warm())
modules = [m for n, m in sys.modules.items() if n.startswith(("minidet.metrics.", "minidet_kernels.masks."))]
found = {f"{m.__name__}.{n}": v for m in modules for n, v in vars(m).items()
         if hasattr(v, "py_func") and v.py_func.__module__ == m.__name__}
called = {name for value in found.values() for name in value.py_func.__code__.co_names}
assert len(found) > 20, found
for name, value in found.items():
    if not value.signatures and name.rpartition(".")[2] not in called and not name.endswith(OTHERS):
        print("not compiled:", name)
"""
#: The operator ``mask_iou`` is compiled with the others of the table; strings are written fast by a benchmark alone.
OTHERS = (
    "strings._write",
    "columns._pieces",
    "columns._spread",
    "columns._fill",
    "numba_cpu._spans",
    "numba_cpu._fill",
)


def test_every_compiled_function_of_the_evaluation_is_called():
    script = f"OTHERS = {OTHERS!r}\n{LEFT}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_it_says_what_it_did():
    assert [name.rpartition(" ")[2] for name in warming.warm()] == list(warming.KINDS)
