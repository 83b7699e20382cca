"""Real photographs, cfgs and weights that are not part of the repository.

They are looked for in the folder that `MINIDET_DATA` names, else in `../shared/data` beside the repository. A test that
needs a file which is not there is skipped by name, unless `MINIDET_REQUIRE_DATA=1`, which makes it fail: so that a
machine that is meant to have the data cannot pass without it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def data_root() -> Path:
    """The folder the data would be in; it need not exist."""
    named = os.environ.get("MINIDET_DATA")
    return Path(named) if named else REPOSITORY.parent / "shared" / "data"


def data(path: str) -> Path:
    """The file or folder `path` of the data ("weights/yolo-fastest/..."), skipping the test when it is absent."""
    found = data_root() / path
    if not found.exists():
        message = f"real data {path!r} is not in {data_root()} (name its folder with MINIDET_DATA)"
        if os.environ.get("MINIDET_REQUIRE_DATA") == "1":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    return found
