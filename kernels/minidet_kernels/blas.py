"""NumPy, loaded so that the idle threads of its OpenBLAS go to sleep at once.

By default they spin for a while in case another matrix product comes.  A network alternates between products and
compiled loops that want the cores themselves: on two cores YOLOv3 took 1.4 times as long.  OpenBLAS reads how long to
spin from the environment, once, when NumPy is loaded; the variable is set for that moment and taken back.

Without effect where NumPy was imported before, where the user has set the variable, and for another BLAS library.
"""

from __future__ import annotations

import os
import sys

TIMEOUT = "OPENBLAS_THREAD_TIMEOUT"  # the binary logarithm of a number of cycles; 4 is the least

if "numpy" not in sys.modules and TIMEOUT not in os.environ:
    os.environ[TIMEOUT] = "4"
    try:
        import numpy  # noqa: F401
    finally:
        del os.environ[TIMEOUT]
