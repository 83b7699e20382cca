"""Reads a kernel's source: takes in its own headers, finds its kernels, rewrites what a host compiler cannot take.

Two steps.  ``gather`` makes one text of a file and those that it includes by ``#include "..."``; the
``#include <...>`` lines are taken out, for they go above everything.  Then the compiler's preprocessor runs, and
``translate`` works on what is left: no comments, no conditions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .errors import CompileError

#: Headers that stand for what is always there.
_OURS = {
    "cuda.h",
    "cuda_runtime.h",
    "cuda_runtime_api.h",
    "device_launch_parameters.h",
    "device_functions.h",
    "vector_types.h",
    "vector_functions.h",
    "math_constants.h",
    "builtin_types.h",
}
#: Headers that are taken from NVIDIA's toolkit.
_NVIDIA = {"cuda_fp16.h", "cuda_fp16.hpp", "cuda_bf16.h", "cuda_bf16.hpp"}
_NOT_EMULATED = re.compile(
    r"(mma|cooperative_groups|cuda_fp8|cuda_fp4|cuda_pipeline|curand_kernel|texture_fetch_functions)\b"
    r"|(cuda|cub|thrust|cutlass|cute|cooperative_groups)/"
)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)
_ONCE = re.compile(r"^[ \t]*#[ \t]*pragma[ \t]+once\b", re.MULTILINE)


@dataclass
class Gathered:
    """One text, and the headers that it includes by ``<...>``."""

    text: str = ""
    headers: list[str] = field(default_factory=list)
    nvidia: bool = False


@dataclass(frozen=True)
class Found:
    """A kernel that stands in a source: its name, its parameters' names, and whether it is a template."""

    name: str
    parameters: tuple[str, ...]
    template: bool


def blank(text: str, *, strings: bool = False) -> str:
    """``text`` with comments, and the insides of ``strings`` if asked, replaced by spaces; lines stay in place."""
    pattern = r'//(?:\\\n|[^\n])*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''

    def spaces(match: re.Match[str]) -> str:
        found = match.group()
        if found[0] == "/":
            return re.sub(r"[^\n]", " ", found)
        return found[0] + " " * (len(found) - 2) + found[-1] if strings else found

    return re.sub(pattern, spaces, text, flags=re.DOTALL)


def gather(text: str, path: Path, folders: Sequence[Path]) -> Gathered:
    """``text`` of ``path`` with its own headers taken in; they are looked for beside it, then in ``folders``.

    Raises ``CompileError`` for a header that is not there or stands for something that is not emulated.
    """
    into = Gathered()
    into.text = _take_in(text, path, [*folders], into, once=set(), above=())
    return into


def _take_in(
    text: str, path: Path, folders: list[Path], into: Gathered, once: set[Path], above: tuple[Path, ...]
) -> str:
    text = blank(text)
    if _ONCE.search(text):
        if path in once:
            return ""
        once.add(path)
        text = _ONCE.sub("", text)
    if path in above and len(above) > 60:
        raise CompileError(f"{path} includes itself without end")

    def replaced(match: re.Match[str]) -> str:
        quote, name = match.groups()
        line = text.count("\n", 0, match.start()) + 1
        if quote == '"':
            for folder in (path.parent, *folders):
                if (folder / name).is_file():
                    inner_path = (folder / name).resolve()
                    inner = _take_in(inner_path.read_text("utf-8"), inner_path, folders, into, once, (*above, path))
                    return f'#line 1 "{inner_path}"\n{inner}\n#line {line} "{path}"\n'
        if name in _NVIDIA:
            into.nvidia = True
        elif _NOT_EMULATED.match(name):
            raise CompileError(f"{path}:{line}: <{name}> is not emulated; see docs/cuda_on_cpu.md for what is")
        elif quote == '"' and name not in _OURS:
            raise CompileError(f'{path}:{line}: there is no "{name}" beside it or in the folders given as include')
        elif name not in _OURS and name not in into.headers:
            into.headers.append(name)
        return ""

    return _INCLUDE.sub(replaced, text)


_DYNAMIC = re.compile(
    r"\bextern\b(?P<marks>(?:\s+|\bvolatile\b|\b__shared__\b|\b(?:__align__|alignas)\s*\((?:[^()]|\([^()]*\))*\))+)"
    r"(?P<type>[A-Za-z_][\w:<>, \t]*?)\s+(?P<marks2>(?:__align__\s*\((?:[^()]|\([^()]*\))*\)\s*)?)"
    r"(?P<name>[A-Za-z_]\w*)\s*\[\s*\]\s*;"
)
_MARKER = re.compile(r'^#(?:line)?[ \t]+(\d+)[ \t]+"([^"]*)".*$', re.MULTILINE)


def translate(text: str) -> tuple[str, list[Found]]:
    """Preprocessed ``text`` as the host compiler takes it, and the kernels in it."""
    text = _MARKER.sub(lambda m: "" if m[2].startswith("<") else f'#line {m[1]} "{m[2]}"', text)
    scopes = _function_depths(blank(text, strings=True))

    def dynamic(match: re.Match[str]) -> str:
        if "__shared__" not in match["marks"]:
            return match.group()
        kind, name = match["type"], match["name"]
        lines = "\n" * match.group().count("\n")
        if scopes[match.start()]:
            return f"MINIDET_DYNAMIC_SHARED({kind}, {name});{lines}"
        here = list(_MARKER.finditer(text, 0, match.start()))[-1:]
        number = int(here[0][1]) + text.count("\n", here[0].end(), match.end()) - 1 if here else 1
        file = here[0][2] if here else "kernel.cu"
        cast = f"(reinterpret_cast<{kind}*>(minidet_cuda::self().block->shared))"
        return f'\n#define {name} {cast}\n#line {number} "{file}"\n'

    text = _DYNAMIC.sub(dynamic, text)
    return text, kernels(text)


def _function_depths(text: str) -> list[bool]:
    """For every character whether it stands in a function (braces of namespaces and ``extern "C"`` do not count)."""
    inside: list[bool] = []
    stack: list[bool] = []
    begin = 0
    for at, character in enumerate(text):
        if character == "{":
            head = re.sub(r"^\s*#.*$", "", text[begin:at], flags=re.MULTILINE).split()
            plain = bool(head) and ((head[0] in ("namespace", "inline") and "namespace" in head) or head[0] == "extern")
            stack.append(not plain or (len(head) > 2 and head[0] == "extern"))
        elif character == "}" and stack:
            stack.pop()
        if character in "{};":
            begin = at + 1
        inside.append(any(stack))
    return inside


_TOKEN = re.compile(r"\s*([A-Za-z_]\w*|\*|&|::)\s*")
_ATTRIBUTES = {"__launch_bounds__", "__maxnreg__", "__cluster_dims__", "__attribute__", "__block_size__"}


def kernels(text: str) -> list[Found]:
    """The ``__global__`` functions in a preprocessed text, in order, each once."""
    plain = blank(text, strings=True)
    found: dict[str, Found] = {}
    for match in re.finditer(r"\b__global__\b", plain):
        at, name = match.end(), ""
        while token := _TOKEN.match(plain, at):
            at = token.end()
            if plain[at : at + 1] == "(":
                if token[1] not in _ATTRIBUTES:
                    name = token[1]
                    break
                at = closing(plain, at) + 1
        if not name:
            continue
        begin = max(plain.rfind(c, 0, match.start()) for c in ";{}") + 1
        head = plain[begin : match.start()]
        parameters = tuple(
            _last_name(p) for p in split(plain[at + 1 : closing(plain, at)]) if p.strip() not in ("", "void")
        )
        found.setdefault(name, Found(name, parameters, bool(re.search(r"\btemplate\b", head))))
    return list(found.values())


def closing(text: str, at: int) -> int:
    """Where the parenthesis that opens at ``at`` closes."""
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if depth == 0:
            return i
    return len(text)


def split(text: str) -> list[str]:
    """``text`` cut at the commas that stand in no bracket of any kind."""
    parts, depth, begin = [], 0, 0
    for i, character in enumerate(text):
        depth += (character in "([{<") - (character in ")]}>")
        if character == "," and depth == 0:
            parts.append(text[begin:i])
            begin = i + 1
    return [*parts, text[begin:]]


def _last_name(parameter: str) -> str:
    names = re.findall(r"[A-Za-z_]\w*", re.sub(r"\[.*?\]|=.*", "", parameter, flags=re.DOTALL))
    return names[-1] if len(names) > 1 else ""
