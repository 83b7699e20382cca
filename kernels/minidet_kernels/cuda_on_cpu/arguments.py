"""Checks what a kernel is called with against its parameters, as the compiler describes them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


class Described(ctypes.Structure):
    """One parameter, as ``runtime.hpp`` lays it out."""

    _fields_ = (
        ("kind", ctypes.c_char),
        ("pointer", ctypes.c_ubyte),
        ("constant", ctypes.c_ubyte),
        ("lanes", ctypes.c_ubyte),
        ("size", ctypes.c_uint),
        ("align", ctypes.c_uint),
    )


@dataclass(frozen=True)
class Parameter:
    """A kernel's parameter.

    ``kind``: f i u b (bool) h (half) w (bfloat16) v (void) s (struct) p (pointer); of a pointer, what it points to.
    ``lanes``: 4 for ``float4``.  ``size``: bytes of one lane.  ``align``: bytes, of the whole.
    """

    name: str
    kind: str
    pointer: bool
    constant: bool
    lanes: int
    size: int
    align: int

    @staticmethod
    def of(name: str, described: Described) -> Parameter:
        """From the compiler's description."""
        d = described
        return Parameter(name, d.kind.decode(), bool(d.pointer), bool(d.constant), d.lanes, d.size, d.align)

    @property
    def dtype(self) -> str:
        """The NumPy type of one lane; ``""`` where any will do."""
        kinds = {"f": f"float{8 * self.size}", "i": f"int{8 * self.size}", "u": f"uint{8 * self.size}", "b": "bool"}
        return (kinds | {"h": "float16", "w": "bfloat16"}).get(self.kind, "")

    def __str__(self) -> str:
        kind = self.dtype or {"v": "void", "s": f"a struct of {self.size} bytes", "p": "a pointer"}[self.kind]
        kind += f" x {self.lanes}" if self.lanes > 1 else ""
        return ("const " if self.constant and self.pointer else "") + kind + ("*" if self.pointer else "")


@dataclass
class Checked:
    """Arguments that fit: for each the bytes of a scalar, or the number of its array (-1: null), and the arrays."""

    values: list[bytes | int]
    arrays: list[np.ndarray[Any, Any]]


def _fits(parameter: Parameter, dtype: np.dtype[Any]) -> bool:
    if parameter.kind == "v":
        return True
    if parameter.kind == "w":
        return dtype.name in ("bfloat16", "uint16")
    if parameter.kind == "s":
        return dtype.itemsize == parameter.size
    return dtype.name == parameter.dtype and dtype.isnative


def _check_array(where: str, parameter: Parameter, array: np.ndarray[Any, Any]) -> None:
    if not _fits(parameter, array.dtype):
        raise TypeError(f"{where} is {parameter}: pass an array of {parameter.dtype or parameter}, not {array.dtype}")
    if not array.flags.c_contiguous:
        raise ValueError(f"{where} is not contiguous: pass np.ascontiguousarray(...)")
    if not array.flags.writeable and not parameter.constant:
        raise ValueError(f"{where} is {parameter}, which the kernel may write, but the array is read-only")
    whole = parameter.size * parameter.lanes
    if array.nbytes % whole:
        raise ValueError(f"{where} is {parameter}: {array.nbytes} bytes are no whole number of {whole}")
    if array.size and array.ctypes.data % parameter.align:
        raise ValueError(f"{where} is {parameter}, aligned to {parameter.align} bytes, but the array begins in between")


def _scalar(where: str, parameter: Parameter, value: Any) -> bytes:
    if not isinstance(value, np.generic) and not (isinstance(value, np.ndarray) and value.size == 1):
        kind = parameter.dtype or "void"
        raise TypeError(f"{where} is {parameter}: pass np.{kind}(...), not {type(value).__name__}")
    dtype = value.dtype
    if parameter.kind in "sp" or parameter.lanes > 1:
        if dtype.itemsize != parameter.size * parameter.lanes and value.nbytes != parameter.size * parameter.lanes:
            raise TypeError(f"{where} is {parameter}: pass a structured scalar of as many bytes, not {dtype}")
    elif not _fits(parameter, dtype):
        raise TypeError(f"{where} is {parameter}: pass np.{parameter.dtype}(...), not np.{dtype.name}")
    return value.tobytes()


def check(kernel: str, parameters: Sequence[Parameter], arguments: Sequence[Any]) -> Checked:
    """``arguments`` as they are handed over.

    Arrays stand for pointers, ``None`` for the null pointer, NumPy scalars for values, structured scalars for structs.

    Raises ``TypeError`` for a wrong number or type, ``ValueError`` for an array that is not contiguous, not aligned,
    read-only, or overlaps another in part.
    """
    if len(arguments) != len(parameters):
        raise TypeError(f"{kernel} takes {len(parameters)} arguments, {len(arguments)} were given")
    checked = Checked([], [])
    for number, (parameter, value) in enumerate(zip(parameters, arguments, strict=True)):
        where = f"{kernel}: argument {number}" + (f" ({parameter.name})" if parameter.name else "")
        if not parameter.pointer:
            checked.values.append(_scalar(where, parameter, value))
        elif value is None:
            checked.values.append(-1)
        elif isinstance(value, np.ndarray):
            _check_array(where, parameter, value)
            checked.values.append(_place(where, checked.arrays, value))
        else:
            raise TypeError(f"{where} is {parameter}: pass a NumPy array (or None), not {type(value).__name__}")
    return checked


def _place(where: str, arrays: list[np.ndarray[Any, Any]], array: np.ndarray[Any, Any]) -> int:
    begin, stop = array.ctypes.data, array.ctypes.data + array.nbytes
    for number, other in enumerate(arrays):
        first, last = other.ctypes.data, other.ctypes.data + other.nbytes
        if array.nbytes and (begin, stop) == (first, last):
            return number
        if array.nbytes and other.nbytes and begin < last and first < stop:
            raise ValueError(f"{where} overlaps another argument in part: pass the whole array and an offset")
    arrays.append(array)
    return len(arrays) - 1
