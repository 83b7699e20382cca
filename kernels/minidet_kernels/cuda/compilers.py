"""The compilers of CUDA C that may be at hand: NVRTC through cuda-bindings, NVRTC through CuPy, and ``nvcc``.

None of them needs a GPU or a driver.  Each turns a source into a cubin for one architecture, says what its kernels
take (``--ptxas-options=-v``), and knows the names that instances of templates have for the linker.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from .errors import CompileError, NoCompilerError

NONE = (
    "there is neither NVRTC nor nvcc, so CUDA kernels cannot be compiled; install NVRTC "
    '(pip install cuda-bindings "cuda-toolkit[nvrtc,cudart]") or the CUDA toolkit, with nvcc on PATH or CUDA_HOME set'
)


class Output(NamedTuple):
    """A cubin, all that the compiler said, and the linker's name of every instance of a template."""

    cubin: bytes
    log: str
    names: dict[str, str]


class Compiler(Protocol):
    """A way to compile."""

    @property
    def name(self) -> str:
        """Whose it is, and its version: part of the digest of what is kept."""

    def compile(self, path: Path, architecture: str, flags: Sequence[str], instances: Sequence[str]) -> Output:
        """Compile ``path`` for ``architecture`` ("90a").  Raises ``CompileError``, ``NoCompilerError``."""


#: What nvcc takes from the host's <cmath> and NVRTC has not.
_LACKS = ("-DINFINITY=__int_as_float(0x7f800000)", "-DNAN=__int_as_float(0x7fffffff)")


class _Nvrtc(ABC):
    """What both ways to NVRTC have in common; ``flags`` are NVRTC's own, and headers are looked for with pathfinder."""

    name: str
    knows: Sequence[int] = ()

    def compile(self, path: Path, architecture: str, flags: Sequence[str], instances: Sequence[str]) -> Output:
        number = int(re.sub(r"\D", "", architecture))
        if self.knows and number not in self.knows:
            raise NoCompilerError(_unknown(self.name, architecture, [str(n) for n in self.knows]))
        text = path.read_text("utf-8")
        options = [f"-arch=sm_{architecture}", *flags, *_LACKS, *(f"-I{folder}" for folder in headers())]
        return self.run(text, str(path), options, instances)

    @abstractmethod
    def run(self, text: str, name: str, options: Sequence[str], instances: Sequence[str]) -> Output:
        """Compile ``text``, which errors call ``name``."""


class Bindings(_Nvrtc):
    """NVRTC through ``cuda-bindings``."""

    def __init__(self) -> None:
        from cuda.bindings import nvrtc

        self._nvrtc: Any = nvrtc
        major, minor = self._must(nvrtc.nvrtcVersion())
        self.name = f"NVRTC {major}.{minor} by cuda-bindings"
        self.knows = tuple(self._must(nvrtc.nvrtcGetSupportedArchs())[0])

    def _must(self, result: Any) -> Any:
        error, *values = result
        if error != self._nvrtc.nvrtcResult.NVRTC_SUCCESS:
            raise RuntimeError(f"{error.name}")
        return values

    def _text(self, size: Any, get: Any, program: Any) -> bytes:
        buffer = b" " * self._must(size(program))[0]
        self._must(get(program, buffer))
        return buffer

    def run(self, text: str, name: str, options: Sequence[str], instances: Sequence[str]) -> Output:
        nvrtc, must = self._nvrtc, self._must
        (program,) = must(nvrtc.nvrtcCreateProgram(text.encode(), name.encode(), 0, [], []))
        try:
            for instance in instances:
                must(nvrtc.nvrtcAddNameExpression(program, instance.encode()))
            given = [option.encode() for option in options]
            (error,) = nvrtc.nvrtcCompileProgram(program, len(given), given)
            log = self._text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program)
            said = log.rstrip(b"\0").decode(errors="replace")
            if error != nvrtc.nvrtcResult.NVRTC_SUCCESS:
                raise complaint(name, options[0], said or error.name)
            names = {i: must(nvrtc.nvrtcGetLoweredName(program, i.encode()))[0].decode() for i in instances}
            return Output(self._text(nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, program), said, names)
        finally:
            nvrtc.nvrtcDestroyProgram(program)


class CuPys(_Nvrtc):
    """NVRTC through CuPy's own binding of it, which is not documented but has been the same for years."""

    def __init__(self) -> None:
        import cupy  # noqa: F401  finds the library
        from cupy_backends.cuda.libs import nvrtc

        self._nvrtc: Any = nvrtc
        major, minor = nvrtc.getVersion()
        self.name = f"NVRTC {major}.{minor} by CuPy"
        if hasattr(nvrtc, "getSupportedArchs"):
            self.knows = tuple(nvrtc.getSupportedArchs())

    def run(self, text: str, name: str, options: Sequence[str], instances: Sequence[str]) -> Output:
        nvrtc = self._nvrtc
        program = nvrtc.createProgram(text, name, [], [])
        try:
            for instance in instances:
                nvrtc.addNameExpression(program, instance)
            try:
                nvrtc.compileProgram(program, list(options))
            except nvrtc.NVRTCError as error:
                raise complaint(name, options[0], nvrtc.getProgramLog(program) or str(error)) from None
            names = {instance: nvrtc.getLoweredName(program, instance) for instance in instances}
            return Output(nvrtc.getCUBIN(program), nvrtc.getProgramLog(program), names)
        finally:
            nvrtc.destroyProgram(program)


class Nvcc:
    """NVIDIA's compiler for the command line, in two steps: to PTX, which tells the names of instances; to a cubin."""

    def __init__(self) -> None:
        from ..cuda_on_cpu import toolkit

        path = toolkit.nvcc()
        if path is None:
            raise FileNotFoundError("nvcc")
        self._path = path
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
        version = re.search(r"V(\d+\.\d+\.\d+)", said)
        self.name = f"nvcc {version[1] if version else said.strip()}"

    def compile(self, path: Path, architecture: str, flags: Sequence[str], instances: Sequence[str]) -> Output:
        with tempfile.TemporaryDirectory(prefix="minidet-cuda-") as scratch:
            unit, ptx, cubin = (Path(scratch) / f"unit.{ending}" for ending in ("cu", "ptx", "cubin"))
            # The address of an instance makes it; where PTX stores the address it says the instance's name.
            lines = [f'#include "{path}"']
            for i, name in enumerate(instances):
                lines += [
                    f'#line 1 "{_INSTANCE}{name}"',
                    f'extern "C" __device__ void* minidet_name_{i} = (void*)({name});',
                ]
            unit.write_text("\n".join(lines) + "\n", "utf-8")
            ptxas = [f for f in flags if f.startswith("--ptxas-options")]
            front = [f for f in flags if not f.startswith("--ptxas-options")]
            arch = f"-arch=sm_{architecture}"
            said = self._run(path, [arch, *front, "-ptx", "-o", str(ptx), str(unit)])
            text = ptx.read_text("utf-8")
            pattern = r"^\.global .*\bminidet_name_(\d+) = (\w+);\n"
            names = {instances[int(m[1])]: m[2] for m in re.finditer(pattern, text, re.MULTILINE)}
            ptx.write_text(re.sub(pattern, "", text, flags=re.MULTILINE), "utf-8")
            said += self._run(path, [arch, *ptxas, "-cubin", "-o", str(cubin), str(ptx)])
            return Output(cubin.read_bytes(), said, names)

    def _run(self, path: Path, arguments: Sequence[str]) -> str:
        done = subprocess.run([self._path, *arguments], capture_output=True, text=True)
        said = done.stdout + done.stderr
        if done.returncode == 0:
            return said
        if "Unsupported gpu architecture" in said:
            codes = subprocess.run([self._path, "--list-gpu-code"], capture_output=True, text=True).stdout.split()
            raise NoCompilerError(_unknown(self.name, arguments[0][9:], [code[3:] for code in codes]))
        raise complaint(str(path), arguments[0], said or f"status {done.returncode}")


_KINDS = (("cuda-bindings", Bindings), ("cupy", CuPys), ("nvcc", Nvcc))
KINDS = tuple(name for name, _ in _KINDS)


@cache
def _made(kind: str) -> Compiler | str:
    try:
        return dict(_KINDS)[kind]()  # type: ignore[return-value]
    except Exception as error:  # not installed, or installed without its library: whatever it raises, it is not here
        return f"{type(error).__name__}: {error}"


def compiler(kind: str | None = None) -> Compiler:
    """The first compiler that is here, or that of ``kind`` (of ``KINDS``).  Raises ``NoCompilerError``."""
    for name in KINDS if kind is None else (kind,):
        made = _made(name)
        if not isinstance(made, str):
            return made
    raise NoCompilerError(NONE if kind is None else f"there is no compiler by {kind}: {_made(kind)}")


def missing() -> str | None:
    """Why nothing can be compiled here, or ``None``."""
    try:
        compiler()
    except NoCompilerError as error:
        return str(error)
    return None


@cache
def headers() -> tuple[Path, ...]:
    """Folders with ``cuda_fp16.h``: those that pathfinder knows, else the toolkit's, else those that CuPy brings."""
    found: list[Path] = []
    try:
        from cuda import pathfinder

        find = getattr(pathfinder, "find_nvidia_header_directory", None)
        if find is not None and (folder := find("cudart")):
            found.append(Path(folder))
    except Exception:  # pathfinder has many ways to say no
        pass
    if not found:
        from ..cuda_on_cpu import toolkit

        if folder := toolkit.headers():
            found.append(folder)
    return tuple(found)


def _unknown(name: str, architecture: str, known: Sequence[str]) -> str:
    return f"{name} does not compile for sm_{architecture}, only for {', '.join(known)}; another version of it may"


_INSTANCE = "the instance "
_AT = re.compile(r"^(?P<file>\S.*?)\((?P<line>\d+)\): (?:catastrophic |fatal )?error: (?P<what>.+)$", re.MULTILINE)
_ANY = re.compile(r"^.*\b(?:error|fatal)\b\s*:?\s*(?P<what>.+)$", re.MULTILINE | re.IGNORECASE)


def complaint(path: str, arch: str, log: str) -> CompileError:
    """The first complaint of a log in one line: ``k.cu:12: identifier "x" is undefined (sm_90a, and 2 more)``."""
    target = arch.removeprefix("-arch=")
    every = list(_AT.finditer(log))
    if every:
        file, line, what = every[0]["file"], every[0]["line"], every[0]["what"].strip()
        if file == "__nv_name_map" and (asked := re.search(r"#pragma nv_mangled_name (.+)", log)):
            file = _INSTANCE + asked[1].strip()
        at = f"{path}: {file}" if file.startswith(_INSTANCE) else f"{file}:{line}"
        more = f", and {len(every) - 1} more" if len(every) > 1 else ""
        hint = "; is NVIDIA's cuda-toolkit[cudart] installed?" if "cannot open source file" in what else ""
        return CompileError(f"{at}: {what}{hint} ({target}{more})", log)
    found = _ANY.search(log)
    said = " ".join((found["what"] if found else log).split())
    return CompileError(f"{path}: {said} ({target})", log)
