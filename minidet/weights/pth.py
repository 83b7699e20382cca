"""Read the arrays of a PyTorch file (``.pth``, ``.pt``, ``.th``) without PyTorch, and without running anything of it.

Such a file holds a pickle, which is a program for a small stack machine; the machine of Python's ``pickle`` may import
and call whatever the program says.  The one here knows numbers, words, lists, dictionaries and tensors, and can call
nothing: a name that the program wants to call is only compared with the five that make tensors.  ``pickletools`` of the
standard library splits the program into its instructions, which runs none.

Two containers: since PyTorch 1.6 a zip archive with ``data.pkl`` and a file for each storage; before, three words, the
program, and the storages one after another.
"""

from __future__ import annotations

import io
import pickletools
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError

_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES = {
    "FloatStorage": "f4", "DoubleStorage": "f8", "HalfStorage": "f2", "BFloat16Storage": "u2", "LongStorage": "i8",
    "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip
#: What a program may name: what makes an ordered dictionary, a tensor, a parameter.
_MAKERS = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
}


class _Name(str):
    """A name of something in a module, ``module name``, which is only ever compared."""


class _Storage:
    """A storage that the program mentions: its key, the type of its numbers, and how many."""

    def __init__(self, key: str, kind: str, count: int) -> None:
        self.key, self.kind, self.count = key, kind, count


class _Lazy:
    """A tensor whose numbers have not been read yet."""

    def __init__(self, storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> None:
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride


_MARK = object()
_LITERALS = {
    "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "INT", "LONG", "BINFLOAT", "FLOAT", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BINSTRING",
    "SHORT_BINSTRING", "STRING",
}  # fmt: skip


class _Machine:
    """Runs one program of the pickle format, as far as it makes plain data and tensors."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def refuse(self, why: str) -> InputError:
        return InputError(f"{self.source}: {why}; nothing of the file was run")

    def run(self, instructions: Iterator[tuple[Any, Any, int | None]]) -> Any:
        """What the program leaves."""
        try:
            for code, given, _ in instructions:
                if code.name == "STOP":
                    return self.stack.pop()
                self.step(code.name, given)
        except InputError:
            raise
        except Exception as error:  # a program that is cut short or wrong fails in many ways
            raise InputError(f"{self.source}: not a readable PyTorch file: {type(error).__name__}") from None
        raise InputError(f"{self.source}: not a readable PyTorch file: it ends too early")

    def step(self, name: str, given: Any) -> None:
        """One instruction."""
        stack = self.stack
        if name in _LITERALS:
            stack.append(given)
        elif name in _ALONE:
            stack.append(_ALONE[name]())
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name in ("TUPLE", "LIST", "DICT"):
            items = self.after_mark()
            stack.append(tuple(items) if name == "TUPLE" else items if name == "LIST" else _pairs(items))
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else self.after_mark()
            stack[-1].extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = [stack.pop(-2), stack.pop()] if name == "SETITEM" else self.after_mark()
            stack[-1].update(_pairs(items))
        elif name in ("BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE"):
            self.memo[len(self.memo) if name == "MEMOIZE" else given] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(self.memo[given])
        elif name == "GLOBAL":
            stack.append(_Name(given))
        elif name == "STACK_GLOBAL":
            last = stack.pop()
            stack.append(_Name(f"{stack.pop()} {last}"))
        elif name == "BINPERSID":
            stack.append(self.storage(stack.pop()))
        elif name == "REDUCE":
            arguments = stack.pop()
            stack.append(self.make(stack.pop(), arguments))
        elif name == "BUILD":
            stack.pop()  # the attributes of an ordered dictionary: versions of modules
            if not isinstance(stack[-1], dict):
                raise self.refuse(f"it wants to build {_shown(stack[-1])}, where only tensors by name are read")
        elif name == "POP":
            stack.pop()
        elif name not in ("PROTO", "FRAME"):
            raise self.refuse(f"it has the instruction {name}, which tensors by name do not need")

    def after_mark(self) -> list[Any]:
        at = len(self.stack) - 1 - self.stack[::-1].index(_MARK)
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    def storage(self, told: Any) -> _Storage:
        kind = told[1].partition(" ")[2] if isinstance(told[1], _Name) else ""
        if told[0] != "storage" or kind not in _DTYPES:
            raise self.refuse(f"it has a storage of {_shown(told[1])}, which is not known")
        return _Storage(str(told[2]), kind, int(told[4]))

    def make(self, what: Any, arguments: tuple[Any, ...]) -> Any:
        if what not in _MAKERS or not isinstance(what, _Name):
            raise self.refuse(f"it wants to call {_shown(what)}")
        if what == "collections OrderedDict":
            return _pairs([x for pair in arguments[0] for x in pair]) if arguments else {}
        if what == "torch._utils _rebuild_parameter":
            return arguments[0]
        storage, offset, size, stride = arguments[:4]
        if not isinstance(storage, _Storage):
            raise self.refuse("it makes a tensor of something that is no storage")
        return _Lazy(storage, int(offset), tuple(map(int, size)), tuple(map(int, stride)))


def _pairs(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))


_ALONE: dict[str, Callable[[], Any]] = {
    "MARK": lambda: _MARK,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}


def _shown(what: Any) -> str:
    return what.replace(" ", ".") if isinstance(what, _Name) else f"something of type {type(what).__name__}"


def load(path: str | Path) -> dict[str, np.ndarray]:
    """The tensors of ``path`` by name, as arrays of their own; bfloat16 becomes float32.

    Of a file that holds more than one state, such as a checkpoint, that under ``state_dict`` or ``model``; everything
    that is no tensor is left out.  Raises ``InputError`` (one line, naming the file) for a missing file, for one that
    is cut short or not of this kind, and for one whose program wants to call anything, naming what.
    """
    source = str(path)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{source}: {error.strerror or error}") from None
    if data[:2] == b"PK":
        found, numbers = _zip(data, source)
    else:
        found, numbers = _words(data, source)
    for key in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    tensors = {name: t for name, t in found.items() if isinstance(t, _Lazy)} if isinstance(found, dict) else {}
    if not tensors:
        raise InputError(f"{source}: there are no tensors by name in it")
    return {str(name): _array(str(name), tensor, numbers, source) for name, tensor in tensors.items()}


def _array(name: str, tensor: _Lazy, numbers: Callable[[_Storage], np.ndarray], source: str) -> np.ndarray:
    flat = numbers(tensor.storage)
    last = tensor.offset + sum((n - 1) * s for n, s in zip(tensor.size, tensor.stride, strict=True))
    if min((*tensor.size, *tensor.stride, tensor.offset), default=0) < 0 or (
        0 not in tensor.size and last >= len(flat)
    ):
        raise InputError(f"{source}: {name} has shape {tensor.size}, and its storage only {len(flat)} numbers")
    if 0 in tensor.size:
        made = np.zeros(tensor.size, flat.dtype)
    else:
        strides = [s * flat.itemsize for s in tensor.stride]
        made = np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.size, strides).copy()
    if tensor.storage.kind == "BFloat16Storage":
        made = (made.astype(np.uint32) << 16).view(np.float32)
    return made


def _zip(data: bytes, source: str) -> tuple[Any, Callable[[_Storage], np.ndarray]]:
    """The program's result and the storages of a zip archive."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        names = archive.namelist()
        (program,) = [name for name in names if name.endswith("data.pkl")]
        folder = program[: -len("data.pkl")]
        big = f"{folder}byteorder" in names and archive.read(f"{folder}byteorder").strip() == b"big"
        text = archive.read(program)
    except (zipfile.BadZipFile, ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"{source}: not a readable PyTorch file: {error or 'no data.pkl in it'}") from None

    def numbers(storage: _Storage) -> np.ndarray:
        try:
            raw = archive.read(f"{folder}data/{storage.key}")
        except (KeyError, zipfile.BadZipFile) as error:
            raise InputError(f"{source}: the storage {storage.key} cannot be read: {error}") from None
        return _numbers(raw, storage, ">" if big else "<", source)

    return _Machine(source).run(pickletools.genops(text)), numbers


def _words(data: bytes, source: str) -> tuple[Any, Callable[[_Storage], np.ndarray]]:
    """The program's result and the storages of the form before zip archives."""
    file = io.BytesIO(data)

    def program() -> Any:
        return _Machine(source).run(pickletools.genops(file))

    if data[:1] != b"\x80" or program() != _MAGIC:
        start = "a page of a web site" if data.lstrip()[:1] == b"<" else f"the bytes {data[:4]!r}"
        raise InputError(f"{source}: not a PyTorch file: it begins with {start}")
    version, system = program(), program()
    order = "<" if not isinstance(system, dict) or system.get("little_endian", True) else ">"
    if version != 1001:
        raise InputError(f"{source}: a PyTorch file of version {version}; 1001 is known")
    found, keys = program(), program()
    widths = {s.key: np.dtype(_DTYPES[s.kind]).itemsize for s in _storages(found)}  # by the tensors of it
    spans: dict[str, slice] = {}
    place = file.tell()
    for key in map(str, keys if isinstance(keys, list) else []):
        if place + 8 > len(data):
            raise InputError(f"{source}: it is cut short: the storage {key} is missing")
        (count,) = struct.unpack(f"{order}q", data[place : place + 8])
        spans[key] = slice(place + 8, place + 8 + max(count, 0) * widths.get(key, 1))
        place = spans[key].stop

    def numbers(storage: _Storage) -> np.ndarray:
        if storage.key not in spans:
            raise InputError(f"{source}: the storage {storage.key} is missing")
        return _numbers(data[spans[storage.key]], storage, order, source)

    return found, numbers


def _storages(found: Any) -> Iterator[_Storage]:
    if isinstance(found, _Lazy):
        yield found.storage
    elif isinstance(found, dict):
        for value in found.values():
            yield from _storages(value)
    elif isinstance(found, (list, tuple)):
        for value in found:
            yield from _storages(value)


def _numbers(raw: bytes, storage: _Storage, order: str, source: str) -> np.ndarray:
    dtype = np.dtype(_DTYPES[storage.kind])
    if len(raw) != storage.count * dtype.itemsize:
        raise InputError(
            f"{source}: it is cut short: the storage {storage.key} has {len(raw)} bytes of "
            f"{storage.count * dtype.itemsize}"
        )
    return np.frombuffer(raw, dtype.newbyteorder(">" if order == ">" else "<")).astype(dtype)
