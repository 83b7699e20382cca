"""Checkpoints: all that a run needs to go on as if it had never stopped, in one safetensors file.

Arrays are called ``model/NAME``, ``ema/NAME`` and ``optimiser/NAME.moment``; a JSON document among the file's metadata
holds the rest (the step, random states, the best score, the settings).  A SHA-256 of everything is kept with it, so a
file that was cut short, or of which a bit has changed, is not taken for a checkpoint.

A new checkpoint is written beside the old one, forced to the disk, and then takes its name: whatever happens, there is
one whole checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from minidet_kernels.arrays import Array, to_numpy

from ..errors import InputError, one_line
from ..files import replacing

#: The name of the document in the metadata, and the number of its form.
DOCUMENT, FORM = "minidet-checkpoint", 1


@dataclass(frozen=True)
class Checkpoint:
    """``arrays`` by name and a ``document`` of plain JSON values."""

    arrays: Mapping[str, Array]
    document: Mapping[str, Any]

    def part(self, prefix: str) -> dict[str, Array]:
        """The arrays whose names begin with ``prefix/``, by the rest of their names."""
        return {name[len(prefix) + 1 :]: a for name, a in self.arrays.items() if name.startswith(f"{prefix}/")}


def save(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint``, whole and on the disk, or not at all.

    Raises ``InputError``, one line naming the file and what holds it up (no space left, no permission); what was there
    before is then as it was.
    """
    arrays = {name: np.asarray(to_numpy(a), order="C") for name, a in checkpoint.arrays.items()}
    document = json.dumps({"form": FORM, **checkpoint.document}, sort_keys=True, allow_nan=False)
    metadata = {DOCUMENT: document, "sha256": _digest(arrays, document)}
    write_whole(path, encode(arrays, metadata))


def save_weights(path: str | Path, state: Mapping[str, Array], about: Mapping[str, str]) -> None:
    """Write parameters and buffers for use, as safetensors with words about them, as safely as a checkpoint."""
    arrays = {name: np.asarray(to_numpy(a), order="C") for name, a in state.items()}
    write_whole(path, encode(arrays, about))


#: Types of numbers as safetensors calls them.
_TYPES = {"float16": "F16", "float32": "F32", "float64": "F64", "bool": "BOOL"} | {
    f"{sign}int{bits}": f"{'U' if sign else 'I'}{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}


def encode(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """Arrays and words as the content of a safetensors file, the same for the same: names in order.

    The library that reads them writes metadata in a random order, so the files of two equal runs would differ.
    """
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    # Wider numbers first, so that each array begins at a multiple of its numbers' size.
    names = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    parts, end = [], 0
    for name in names:
        a = arrays[name]
        parts.append(a.astype(a.dtype.newbyteorder("<"), copy=False).tobytes())
        begin, end = end, end + len(parts[-1])
        header[name] = {"dtype": _TYPES[a.dtype.name], "shape": list(a.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join((len(text).to_bytes(8, "little"), text, *parts))


def write_whole(path: str | Path, content: bytes) -> None:
    """``content`` as the file ``path``: forced to the disk under another name, which then becomes ``path``.

    ``InputError``, one line, when it cannot be written; what was there before is then as it was.
    """
    path = Path(path)
    try:
        with replacing(path) as temporary, open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(path.parent)
    except OSError as error:
        kept = "; the one before is still there" if path.exists() else ""
        raise InputError(f"{path}: cannot be written: {error.strerror or error}{kept}") from None


def load(path: str | Path) -> Checkpoint:
    """Read what ``save`` wrote; ``InputError``, one line naming the file, for anything else or anything less."""
    from safetensors import safe_open

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no checkpoint")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # safetensors raises classes of its own
        raise InputError(f"{path}: not a whole checkpoint: {one_line(error)}") from None
    if DOCUMENT not in metadata:
        raise InputError(f"{path}: a safetensors file, but no checkpoint of minidet's")
    text = metadata[DOCUMENT]
    if metadata.get("sha256") != _digest(arrays, text):
        raise InputError(f"{path}: damaged: its contents do not match its checksum")
    document = json.loads(text)
    if document.get("form") != FORM:
        raise InputError(f"{path}: a checkpoint of form {document.get('form')}; this version reads form {FORM}")
    return Checkpoint(arrays, document)


def _digest(arrays: Mapping[str, np.ndarray], document: str) -> str:
    found = hashlib.sha256(document.encode())
    for name in sorted(arrays):
        a = arrays[name]
        found.update(f"{name} {a.dtype.str} {a.shape}\n".encode())
        found.update(np.ascontiguousarray(a).tobytes())
    return found.hexdigest()


def _sync_folder(folder: Path) -> None:
    """Force the new name to the disk too, where folders can be opened (not on Windows)."""
    with suppress(OSError, AttributeError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def random_states(generators: Mapping[str, np.random.Generator]) -> dict[str, Any]:
    """The states of generators by name, as plain JSON values."""
    return {name: _plain(g.bit_generator.state) for name, g in generators.items()}


def restore_random(generators: Mapping[str, np.random.Generator], states: Mapping[str, Any]) -> None:
    """Put generators into the states that ``random_states`` gave."""
    for name, g in generators.items():
        g.bit_generator.state = states[name]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
