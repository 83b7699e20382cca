"""Darknet's ``.weights`` files: a small header, then float32 numbers, layer after layer, with no names.

Header: int32 major, minor, revision, then the number of images seen in training, 64-bit when
``major * 10 + minor >= 2`` and 32-bit before.  Body, little-endian float32, for each layer that has weights, in the
order of the network: a convolution's bias, (with batch norm: scale, mean, variance), weight (O, C/groups, kh, kw); a
connected layer's bias, weight (outputs, inputs), (scale, mean, variance); a local layer's bias, weight.  With batch
norm the bias is that of the normalisation.  (parser.c of pjreddie's and AlexeyAB's Darknet.)

Since nothing in the file names anything, a file of the wrong length is the only sign of a wrong network: it is refused.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from io import BufferedReader
from typing import Protocol, runtime_checkable

import numpy as np
from minidet_kernels.arrays import namespace, to_numpy

from ..autograd import Tensor
from ..errors import InputError
from ..files import replacing
from ..nn import Module
from .darknet_order import table_slots
from .slots import Slot

_START = struct.Struct("<iii")
_SEEN = {"64-bit": struct.Struct("<q"), "32-bit": struct.Struct("<i")}
_VERSIONS = {"64-bit": (0, 2, 5), "32-bit": (0, 1, 0)}


class WeightsError(InputError):
    """A weights file that does not fit; the message is one line that names the file, and the layer where it can."""


@dataclass(frozen=True)
class Header:
    """The start of a weights file: the version of the format, and the number of images seen in training."""

    major: int = 0
    minor: int = 2
    revision: int = 5
    seen: int = 0

    @property
    def form(self) -> str:
        """The width of ``seen`` in the file: ``"64-bit"`` or ``"32-bit"``."""
        return "64-bit" if self.major * 10 + self.minor >= 2 else "32-bit"

    @property
    def size(self) -> int:
        """The length of the header in bytes: 20 or 16."""
        return _START.size + _SEEN[self.form].size


@runtime_checkable
class HasSlots(Protocol):
    """A network that knows the order of its tensors in a weights file."""

    def slots(self) -> list[Slot]:
        """The layers with weights, in file order."""
        ...


def slots(model: Module) -> list[Slot]:
    """The tensors of a network in the order of its ``.weights`` file.

    A network built from a cfg knows its order; a model written in Python has a table in
    `minidet.weights.darknet_order`.  Raises `InputError` for a model that has neither.
    """
    return model.slots() if isinstance(model, HasSlots) else table_slots(model)


def count(model: Module) -> int:
    """How many float32 numbers the model's weights file holds after the header."""
    return sum(slot.floats for slot in slots(model))


def load(model: Module, path: str | os.PathLike[str], *, cutoff: int | None = None) -> Header:
    """Fill a model from a Darknet weights file, and return the file's header.

    ``cutoff`` reads the first ``cutoff`` layers that have weights and no more, for a file that holds just a backbone
    (``darknet53.conv.74`` holds 52); the other layers stay as they are.  The file must hold exactly those.
    Nothing of the model is changed when the length is wrong.  Raises `WeightsError` for a file that is missing, is
    text, has an impossible header, holds too few or too many numbers (naming the layer at which it ran short), or
    numbers that are not finite (naming the layer; then the layers before it have been filled).
    """
    wanted = slots(model)
    if cutoff is not None:
        if not 1 <= cutoff <= len(wanted):
            raise ValueError(f"cutoff={cutoff}: the model has {len(wanted)} layers with weights; give 1 to that many")
        wanted = wanted[:cutoff]
    try:
        with open(path, "rb") as file:
            header = _read_header(file, path)
            _check_length(file, path, header, wanted)
            file.seek(header.size)
            for slot in wanted:
                for what, tensor in slot.parts:
                    _fill(file, path, slot, what, tensor)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from None
    return header


def read_header(path: str | os.PathLike[str]) -> Header:
    """The header of a weights file; raises `WeightsError` as `load` does."""
    try:
        with open(path, "rb") as file:
            return _read_header(file, path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from None


def save(model: Module, path: str | os.PathLike[str], *, seen: int = 0, header: str = "64-bit") -> None:
    """Write a model as a Darknet weights file, which appears whole or not at all.

    ``header`` is the form of the header: ``"64-bit"`` (version 0.2.5) or ``"32-bit"`` (version 0.1.0, which old
    programs read), after the width of ``seen``, the number of images seen in training.
    Raises ``ValueError`` for another form or a ``seen`` that does not fit it.
    """
    if header not in _SEEN:
        raise ValueError(f"header={header!r}: expected one of {', '.join(map(repr, _SEEN))}")
    if not 0 <= seen < 2 ** (int(header[:2]) - 1):
        raise ValueError(f"seen={seen} does not fit a {header} header")
    wanted = slots(model)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(_START.pack(*_VERSIONS[header]) + _SEEN[header].pack(seen))
        for slot in wanted:
            for _, tensor in slot.parts:
                file.write(np.ascontiguousarray(to_numpy(tensor.data), dtype="<f4").data.cast("B"))


def _read_header(file: BufferedReader, path: str | os.PathLike[str]) -> Header:
    start = file.read(_START.size + 8)
    if _is_text(start):
        shown = start[:16].decode("ascii").strip()
        raise WeightsError(f"{path}: is text beginning with {shown!r} (a web page?); expected Darknet weights")
    if len(start) < _START.size:
        raise WeightsError(f"{path}: holds {len(start)} bytes; the header of Darknet weights alone has 16 or 20")
    major, minor, revision = _START.unpack_from(start)
    if min(major, minor, revision) < 0 or max(major, minor) > 1000:
        # Versions above 1000 mark transposed weights, written by Darknet for a while in 2015.
        raise WeightsError(
            f"{path}: begins with the version {major}.{minor}.{revision}; expected one such as 0.2.5, so this is not a "
            "Darknet weights file, or one of transposed weights, which are not read"
        )
    form = _SEEN[Header(major, minor).form]
    if len(start) < _START.size + form.size:
        raise WeightsError(f"{path}: holds {len(start)} bytes; its header alone has {_START.size + form.size}")
    (seen,) = form.unpack_from(start, _START.size)
    if seen < 0:
        raise WeightsError(f"{path}: says that it has seen {seen} images; expected a count, so the header is damaged")
    return Header(major, minor, revision, seen)


def _is_text(start: bytes) -> bool:
    return len(start) > 0 and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in start)


def _check_length(file: BufferedReader, path: str | os.PathLike[str], header: Header, wanted: Sequence[Slot]) -> None:
    total = sum(slot.floats for slot in wanted)
    found = file.seek(0, os.SEEK_END) - header.size
    if found == 4 * total:
        return
    if found > 4 * total:
        raise WeightsError(
            f"{path}: holds {_floats(found)}; the network has {total}, so the file belongs to another network "
            f"(the last layer that was to be filled is {wanted[-1].name})"
        )
    before = 0
    for slot in wanted:
        if found < 4 * (before + slot.floats):
            break
        before += slot.floats
    raise WeightsError(
        f"{path}: runs short at {slot.name}, which needs {slot.floats} floats where {_floats(found - 4 * before)} are "
        f"left; the network has {total}, the file {_floats(found)}"
    )


def _floats(size: int) -> str:
    return f"{size // 4} floats" + (f" and {size % 4} bytes" if size % 4 else "")


def _fill(file: BufferedReader, path: str | os.PathLike[str], slot: Slot, what: str, tensor: Tensor) -> None:
    data = tensor.data
    if isinstance(data, np.ndarray) and data.dtype == np.dtype("<f4") and data.flags.c_contiguous:
        values, direct = data, True  # straight into the tensor's memory: a network is 250 MB
    else:
        values, direct = np.empty(tensor.shape, "<f4"), False
    if file.readinto(values.reshape(-1).data.cast("B")) != 4 * tensor.size:
        raise WeightsError(f"{path}: became shorter while it was read, at {slot.name}")
    bad = values.size - int(np.count_nonzero(np.isfinite(values)))
    if bad:
        raise WeightsError(f"{path}: {slot.name} has {bad} values of {values.size} in its {what} that are not finite")
    if not direct:
        data[...] = namespace(data).asarray(values.astype(data.dtype))
