"""From a ``Source`` to a cubin for one architecture, kept on disk.

    made = to_cubin(IOU, "90a")
    made.path, made.names["iou_matrix"], made.resources["iou_matrix"].registers

What is kept is found by a digest of all that it depends on: the source with its own headers, the flags, the
architecture, and the compiler with its version (NVIDIA's own headers are taken to be of that version); not of where the
files lie.  Files are written elsewhere and renamed, and a file that is damaged is made again.  No GPU and no driver is
needed.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from . import compilers
from .errors import CompileError
from .launch import Source
from .resources import Resources, of_log

#: What every kernel is compiled for in the tests: Turing, Ampere, Hopper, and Blackwell of two kinds.
ARCHITECTURES = ("75", "80", "90a", "100a", "120a")

#: Headers for kernels: ``#include "minidet_ptx.cuh"``.
INCLUDE = Path(__file__).resolve().parents[1] / "cuda_on_cpu" / "include"

_MANGLED = re.compile(r"_Z(\d+)(\w+)")
_OWN = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', re.MULTILINE)
_FORMAT = 1


@dataclass(frozen=True)
class Compiled:
    """A cubin on disk; of each kernel the linker's name and what it takes; and all that the compiler said."""

    source: Path
    path: Path
    names: Mapping[str, str]
    resources: Mapping[str, Resources]
    log: str
    by: str

    def name(self, kernel: str) -> str:
        """The linker's name of a kernel or of an instance of a template.  Raises ``KeyError``, saying what there is."""
        if kernel not in self.names:
            known = ", ".join(sorted(self.names)) or "none"
            raise KeyError(f"there is no kernel {kernel} in {self.source}; there is {known}")
        return self.names[kernel]


def flags(source: Source) -> list[str]:
    """The flags that ``source`` is compiled with, the architecture left out; the same for NVRTC and ``nvcc``.

    Nothing is left to defaults: no product is fused with a sum unless the source says so, nothing is flushed to zero,
    and division and square root are correctly rounded.
    """
    return [
        "-std=c++17",
        f"-fmad={'true' if source.fused else 'false'}",
        "-ftz=false",
        "-prec-div=true",
        "-prec-sqrt=true",
        "--ptxas-options=-v",
        *(f"-D{name}={value}" for name, value in source.defines),
    ]


def _folders(source: Source) -> list[str]:
    return [f"-I{source.path.parent}", f"-I{INCLUDE}"]


def default_cache() -> Path:
    """``XDG_CACHE_HOME`` or ``~/.cache``, and in it ``minidet/cuda``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minidet" / "cuda"


def gathered(path: Path) -> list[tuple[str, str]]:
    """The name and the text of a source and of every header of our own that it includes, each once.

    Names are relative to the folder of the source.
    """
    found: dict[Path, str] = {}

    def take(file: Path) -> None:
        if file not in found:
            found[file] = file.read_text("utf-8")
            for name in _OWN.findall(found[file]):
                for folder in (file.parent, path.parent, INCLUDE):
                    if (folder / name).is_file():
                        take((folder / name).resolve())
                        break

    take(path)
    return [(os.path.relpath(file, path.parent), text) for file, text in found.items()]


def digest(source: Source, architecture: str, instances: Sequence[str], compiler: compilers.Compiler) -> str:
    """What the cubin is found by."""
    parts = [_FORMAT, compiler.name, architecture, flags(source), tuple(instances), gathered(source.path)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def to_cubin(
    source: Source,
    architecture: str,
    *,
    instances: Sequence[str] | None = None,
    cache: Path | None = None,
    by: str | None = None,
) -> Compiled:
    """``source`` compiled for ``architecture`` ("90a"), or what is kept of an earlier time.

    ``instances`` of kernel templates: all that the source names if left out.  ``cache``: the folder for what is kept.
    ``by``: one of ``compilers.KINDS``; the first that is here if left out.
    Raises ``OSError`` for a source that cannot be read, ``CompileError`` with file and line, ``NoCompilerError``.
    """
    compiler = compilers.compiler(by)
    folder = writable(cache or default_cache())
    wanted = source.instances if instances is None else tuple(instances)
    key = digest(source, architecture, wanted, compiler)
    kept = _read(folder, key, source.path)
    if kept is None:
        made = compiler.compile(source.path, architecture, [*flags(source), *_folders(source)], wanted)
        _write(folder, key, made.cubin, _notes(source, made, compiler.name))
        kept = _read(folder, key, source.path)
    if kept is None:
        raise OSError(f"{folder}: what was written there cannot be read back; is the disk full?")
    return kept


def _notes(source: Source, made: compilers.Output, by: str) -> dict[str, Any]:
    taken = of_log(made.log)
    if not taken:
        raise CompileError(
            f"{source.path}: there is no kernel in it: no function is marked __global__, or it is a template "
            "and no instance of it is asked for",
            made.log,
        )
    names = dict(made.names)
    for entry in taken:
        if entry not in names.values():
            names[readable(entry)] = entry
    return {
        "names": names,
        "resources": {name: asdict(taken[entry]) for name, entry in names.items()},
        "log": made.log,
        "by": by,
    }


def readable(entry: str) -> str:
    """The name that stands in the source of a kernel that is no template, in no namespace; else ``entry`` itself."""
    if match := _MANGLED.match(entry):
        length = int(match[1])
        name, rest = match[2][:length], match[2][length:]
        if not rest.startswith("I"):  # no arguments of a template
            return name
    return entry


def _seal(notes: Mapping[str, Any], cubin: bytes) -> str:
    return hashlib.sha256(json.dumps(notes, sort_keys=True).encode() + cubin).hexdigest()


def _read(folder: Path, key: str, source: Path) -> Compiled | None:
    """What is kept, or ``None`` where it is not there or not whole."""
    path = folder / f"{key}.cubin"
    try:
        notes = json.loads((folder / f"{key}.json").read_text("utf-8"))
        if notes.pop("seal") != _seal(notes, path.read_bytes()):
            return None
        taken = {name: Resources(**values) for name, values in notes["resources"].items()}
        return Compiled(source, path, notes["names"], taken, notes["log"], notes["by"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write(folder: Path, key: str, cubin: bytes, notes: dict[str, Any]) -> None:
    whole = json.dumps(notes | {"seal": _seal(notes, cubin)})
    for name, data in ((f"{key}.cubin", cubin), (f"{key}.json", whole.encode())):
        handle, temporary = tempfile.mkstemp(prefix=".making-", dir=folder)
        try:
            with open(handle, "wb") as file:
                file.write(data)
            os.replace(temporary, folder / name)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise


def writable(folder: Path) -> Path:
    """``folder``, made if need be; where nothing can be written, one that lives as long as this process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    except OSError:
        pass
    return _passing()


@cache
def _passing() -> Path:
    folder = tempfile.mkdtemp(prefix="minidet-cuda-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
