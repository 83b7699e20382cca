"""Every case of every operator: importing this fills ``CASES`` from the ``cases_*.py`` files beside it."""

from __future__ import annotations

import importlib
from pathlib import Path

from support.cases_registry import CASES, EXACT, Case, assert_close, case

for _file in sorted(Path(__file__).parent.glob("cases_*.py")):
    importlib.import_module(f"support.{_file.stem}")

__all__ = ["CASES", "EXACT", "Case", "assert_close", "case"]
