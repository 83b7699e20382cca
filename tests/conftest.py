"""What every test run shares: the import path of the helpers, and how Hypothesis draws.

The number of threads is the environment's business: the operators are tested on arrays so small that a second thread
costs more than it gives, so ``make test`` sets ``OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1 OMP_NUM_THREADS=1`` and
lets pytest-xdist use the cores.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

# With `pytest -o pythonpath=` (the installed wheel is tested, not the tree) the helpers must still be found.
_here = str(Path(__file__).parent)
if _here not in sys.path:
    sys.path.insert(0, _here)

_common = {
    "deadline": None,  # the first call of a Numba kernel compiles it
    "max_examples": 40,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
settings.register_profile("default", **_common)
# The same examples on every machine: a failure in CI can be repeated with HYPOTHESIS_PROFILE=ci.
settings.register_profile("ci", derandomize=True, database=None, **_common)
# Planted bugs (tests/mutants): that a test fails is all that matters, not the smallest example.
_find = (Phase.explicit, Phase.generate)
settings.register_profile("mutants", derandomize=True, database=None, phases=_find, **_common)
# Many more examples, drawn anew each time: for a night, or for a suspicion.
settings.register_profile("thorough", **(_common | {"max_examples": 1000}))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default"))

# Whether a kernel was compiled before is not what tests are about; those of the notice itself look at it by themselves.
logging.getLogger("minidet").setLevel(logging.ERROR)


def pytest_configure(config: pytest.Config) -> None:
    """``make oracle-tests`` says which libraries there must be: a comparison that is skipped there is one not made."""
    missing = [name for name in os.environ.get("MINIDET_ORACLES", "").split() if not importlib.util.find_spec(name)]
    if missing:
        raise pytest.UsageError(f"the oracles' environment lacks {', '.join(missing)}: remove it, and make oracles")
