"""Imported before anything here that Numba compiles, since a plan comes by no operator's table.

Numba's threads are started so that they sleep when idle, and compilations that take long are spoken of.
"""

from __future__ import annotations

from ...compiling import watch
from ...threads import apply

apply()
watch()
