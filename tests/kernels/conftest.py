"""Compiled kernels are looked after before a test file imports one of their modules straight.

What is kept of a kernel is known by the stamp that it got at that import: without this, by its own file alone, so that
a change (or a planted bug) in a file that it calls would be tested by what was compiled before.
"""

from __future__ import annotations

import importlib.util

from minidet_kernels import compiling

if importlib.util.find_spec("numba") is not None:
    compiling.watch()
