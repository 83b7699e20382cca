"""Messages between the suite and a target's process: a length of 8 bytes (little-endian), then that much of ``.npz``.

A request holds a call's inputs, by name, in the order of the call.  A reply holds ``answer`` and ``changed`` (names of
inputs that the call changed), or ``refused`` (text), what the target raised.  Nothing is pickled.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

LENGTH = 8


def pack(values: Mapping[str, Any]) -> bytes:
    """A message; strings and numbers are arrays without axes."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in values.items()}
    np.savez(buffer, **arrays)
    body = buffer.getvalue()
    return len(body).to_bytes(LENGTH, "little") + body


def unpack(body: bytes) -> dict[str, np.ndarray]:
    """What a message holds, in its order; raises ``ValueError`` for what is not one."""
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"a message of {len(body)} bytes is not an .npz: {error}") from error


def read(stream: BinaryIO) -> dict[str, np.ndarray] | None:
    """The next message, or None at the end of the stream."""
    head = stream.read(LENGTH)
    if len(head) < LENGTH:
        return None
    return unpack(stream.read(int.from_bytes(head, "little")))
