"""Data sets in files: VOC XML, and others.  A reader makes a ``Dataset`` of what it finds, a writer takes one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from minidet.errors import InputError

from ..dataset import Dataset
from ..policy import Policy
from . import voc


def read_dataset(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    split: str | None = None,
    policy: Policy | None = None,
    names: Sequence[str] | None = None,
) -> Dataset:
    """The data set at ``path``."""
    root = Path(path)
    if format not in (None, "voc") or not root.is_dir():
        raise InputError(f"{path}: no data set")
    return voc.read(root, split=split, policy=policy or Policy(), names=names)
