"""Compiles a kernel's source with g++, and keeps the result on disk.

What is kept is found by a digest of everything that it depends on: the source with its headers, the runtime, the
compiler and the flags.  Files are written elsewhere and renamed; a lock keeps two processes from compiling the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from . import source, toolkit
from .errors import CompileError, NoCompilerError

HERE = Path(__file__).parent
#: Headers for kernels that both nvcc and this package compile: pass it to nvcc as ``-I``.
INCLUDE = HERE / "include"
_CPP = HERE / "cpp"

# Strict floating point, no contraction: what nvcc does with -fmad=false -prec-div=true -prec-sqrt=true -ftz=false.
# Local variables that nobody sets hold 0xFE bytes, so that reading one shows.
_COMMON = [
    "-std=c++17",
    "-fPIC",
    "-ffp-contract=off",
    "-fno-strict-aliasing",
    "-fno-gnu-unique",
    "-fmax-errors=5",
    "-w",
]
_KERNEL = ["-ftrivial-auto-var-init=pattern"]
_SANITIZE = {
    None: ["-O2", "-g1"],
    "address": [
        "-O1",
        "-g",
        "-fno-omit-frame-pointer",
        "-fsanitize=address,undefined,bounds-strict,float-cast-overflow",
        "-fno-sanitize=vptr",
        "-fno-sanitize-recover=all",
        "-fsanitize-sections=minidet_shared",
        "-DMINIDET_ASAN",
    ],
    "thread": ["-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=thread", "-DMINIDET_TSAN"],
}


@dataclass(frozen=True)
class Built:
    """A compiled source: the library, or the program that a worker runs, and the kernels in it by number."""

    path: Path
    found: tuple[source.Found, ...]
    entries: tuple[str, ...]


@dataclass(frozen=True)
class Options:
    """How a source is compiled."""

    defines: tuple[tuple[str, str], ...] = ()
    include: tuple[Path, ...] = ()
    flags: tuple[str, ...] = ()
    sanitize: str | None = None
    apart: bool = False
    compiler: str = "g++"
    cache: Path | None = None


def default_cache() -> Path:
    """``XDG_CACHE_HOME`` or ``~/.cache``, and in it ``minidet/cuda_on_cpu``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minidet" / "cuda_on_cpu"


def available(compiler: str = "g++") -> bool:
    """Whether there is a compiler."""
    return shutil.which(compiler) is not None


@cache
def _identity(compiler: str) -> str:
    if not available(compiler):
        raise NoCompilerError(
            f"CUDA C on the CPU needs a C++ compiler, and there is no {compiler} on PATH; "
            "install g++ 12 or newer (Debian, Ubuntu: apt install g++)"
        )
    done = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True)
    return f"{shutil.which(compiler)} {done.stdout.splitlines()[0]}"


@cache
def _ours() -> str:
    """A digest of the runtime and its headers."""
    digest = hashlib.sha256()
    for path in sorted(_CPP.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


@contextmanager
def _locked(folder: Path, key: str) -> Iterator[None]:
    """One process at a time compiles what ``key`` names."""
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{key}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            with suppress(OSError):
                os.unlink(lock.name)


def _run(command: Sequence[str], what: str, shown: Mapping[str, str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        text = done.stderr.strip() or f"{command[0]} ended with status {done.returncode}"
        for hidden, name in shown.items():
            text = text.replace(hidden, name)
        raise CompileError(f"{what} does not compile:\n{text}")
    return done.stdout


def _make(folder: Path, name: str, command: Sequence[str], what: str) -> Path:
    """Run ``command`` with ``-o`` a temporary file, which becomes ``folder / name``."""
    handle, temporary = tempfile.mkstemp(prefix=".building-", dir=folder)
    os.close(handle)
    try:
        _run([*command, "-o", temporary], what, {})
        os.chmod(temporary, 0o755)
        os.replace(temporary, folder / name)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    return folder / name


def _runtime(folder: Path, options: Options) -> Path:
    flags = [f for f in _SANITIZE[options.sanitize] if f.startswith("-D")] + ["-O2", *_COMMON]
    if options.apart:
        flags.append("-DMINIDET_WORKER")
    if "-DMINIDET_UCONTEXT" in options.flags:
        flags.append("-DMINIDET_UCONTEXT")
    key = "runtime-" + hashlib.sha256(repr([_ours(), _identity(options.compiler), flags]).encode()).hexdigest()[:24]
    path = folder / f"{key}.o"
    if path.exists():
        return path
    with _locked(folder, key):
        if path.exists():
            return path
        command = [options.compiler, *flags, "-c", str(_CPP / "runtime.cpp")]
        return _make(folder, path.name, command, "the runtime of CUDA C on the CPU")


def build(text: str, path: Path, instances: Sequence[str], options: Options) -> Built:
    """Compile ``text``, which stands in ``path``, with the ``instances`` of its kernel templates.

    Raises ``CompileError`` for a source that does not compile, ``NoCompilerError`` without a compiler.
    """
    identity = _identity(options.compiler)
    gathered = source.gather(text, path, [*options.include, INCLUDE])
    nvidia = toolkit.need_headers(str(path)) if gathered.nvidia else None
    everything: list[object] = [
        _ours(),
        identity,
        gathered.text,
        gathered.headers,
        str(nvidia),
        list(instances),
        str(path),
    ]
    everything += [options.defines, options.flags, options.sanitize, options.apart, _COMMON, _KERNEL, _SANITIZE]
    key = hashlib.sha256(repr(everything).encode()).hexdigest()[:24]
    folder = options.cache or default_cache()
    result, notes = folder / (key + (".bin" if options.apart else ".so")), folder / f"{key}.json"
    if not (notes.exists() and result.exists()):
        with _locked(folder, key):
            if not (notes.exists() and result.exists()):
                _build(gathered, path, instances, options, nvidia, folder, result.name, notes)
    kept = json.loads(notes.read_text("utf-8"))
    found = tuple(source.Found(f["name"], tuple(f["parameters"]), f["template"]) for f in kept["found"])
    return Built(result, found, tuple(kept["entries"]))


def _build(
    gathered: source.Gathered,
    path: Path,
    instances: Sequence[str],
    options: Options,
    nvidia: Path | None,
    folder: Path,
    name: str,
    notes: Path,
) -> None:
    defines = [f"-D{key}={value}" for key, value in options.defines]
    with tempfile.TemporaryDirectory(prefix="cuda-on-cpu-") as scratch:
        before = Path(scratch) / "before.cpp"
        before.write_text(f'#line 1 "{path}"\n{gathered.text}\n', "utf-8")
        mark = ["-DMINIDET_CUDA_ON_CPU=1", *defines]
        command = [options.compiler, "-std=c++17", "-E", *mark, str(before)]
        text, found = source.translate(_run(command, str(path), {str(before): str(path)}))
        wanted = [kernel.name for kernel in found if not kernel.template]
        known = {kernel.name for kernel in found}
        for instance in instances:
            base = re.split(r"[<\s]", instance, maxsplit=1)[0].split("::")[-1]
            if base not in known:
                raise CompileError(f"{path} has no kernel {base}; it has {', '.join(sorted(known)) or 'none'}")
        wanted += [instance for instance in instances if instance not in wanted]
        if not wanted and not found:
            raise CompileError(f"{path} has no kernel: no function is marked __global__ (with these defines)")
        lines = [f"#if __has_include(<{header}>)\n#include <{header}>\n#endif" for header in gathered.headers]
        lines += ['#include "device.hpp"', "namespace {", text, "}", '#line 1 "(the table of kernels)"']
        table = ", ".join(f"minidet_cuda::entry(&{kernel})" for kernel in wanted) or "{}"
        lines.append(f'extern "C" const minidet_cuda::Entry minidet_entries[] = {{{table}}};')
        lines.append(f'extern "C" const unsigned minidet_entry_count = {len(wanted)};')
        unit = Path(scratch) / "kernel.cpp"
        unit.write_text("\n".join(lines) + "\n", "utf-8")
        flags = [*_COMMON, *_KERNEL, *_SANITIZE[options.sanitize], f"-I{_CPP}", *options.flags]
        if nvidia:
            flags += ["-DMINIDET_NVIDIA_HEADERS", "-isystem", str(nvidia)]
        flags += ["-DMINIDET_WORKER"] if options.apart else ["-shared", "-Wl,-Bsymbolic"]
        runtime = _runtime(folder, options)
        _make(folder, name, [options.compiler, *flags, str(unit), str(runtime), "-pthread"], str(path))
        handle, temporary = tempfile.mkstemp(prefix=".notes-", dir=folder)
        with open(handle, "w", encoding="utf-8") as file:
            json.dump({"found": [vars(kernel) for kernel in found], "entries": wanted}, file)
        os.replace(temporary, notes)
