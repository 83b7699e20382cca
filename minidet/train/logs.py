"""What a run writes down as it goes: JSON lines, and events for TensorBoard."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from ..errors import InputError
from ..files import write_text


class Log(Protocol):
    """Something that takes rows of numbers by name, each of a ``kind`` ("step" or "evaluation") and a ``step``."""

    def row(self, kind: str, step: int, **values: Any) -> None:
        """Write one row."""

    def close(self) -> None:
        """Finish."""


class JsonLines:
    """A JSON object a line, in ``path``: ``{"kind": "step", "step": 12, "loss": 3.4, ...}``; no number is NaN.

    Rows of steps after ``after`` are removed first: a run that is resumed writes them again.
    """

    def __init__(self, path: Path, *, after: int = 0) -> None:
        kept = [line for row, line in _lines(path) if row["step"] <= after] if after else []
        write_text(path, "".join(f"{line}\n" for line in kept))
        self._file = open(path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115

    def row(self, kind: str, step: int, **values: Any) -> None:
        """Append one line; NaN and infinity are null."""
        try:
            self._file.write(json.dumps(_finite({"kind": kind, "step": step, **values}), allow_nan=False) + "\n")
        except OSError as error:
            raise InputError(f"{self._file.name}: cannot be written: {error.strerror or error}") from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class TensorBoard:
    """Events in a folder, written by tensorboardX; ``InputError`` where that is not installed."""

    def __init__(self, folder: Path, *, after: int = 0) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise InputError(
                "keep.tensorboard needs tensorboardX: pip install 'minidet[tensorboard]', or say false"
            ) from None
        self._writer = SummaryWriter(str(folder), purge_step=after + 1 if after else None)

    def row(self, kind: str, step: int, **values: Any) -> None:
        """A scalar for every number."""
        for name, value in values.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                self._writer.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines; a last line that was cut short is left out."""
    return [row for row, _ in _lines(path)]


def _lines(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            yield row, line


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
