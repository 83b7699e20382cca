"""A failure as code that can be pasted and run: imports, literal arrays, the call, what was expected and what came."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .answers import Answer, Refused
from .declared import Declared
from .formats import boxes_in
from .literals import distance, literal
from .operators import Inputs
from .program import arrays_of

#: At most so many calls are shown of what takes several.
SHOWN = 4


@dataclass(frozen=True)
class Failure:
    """What is wrong (``what``), on which inputs, what was ``expected``, and what came: ``got``, or ``said`` in words.

    ``notes`` are further lines, as which conventions would explain it.  Of a law, ``calls`` are those it speaks of,
    with their answers; then ``expected`` and ``got`` are what the law makes of them.
    """

    what: str
    inputs: Inputs
    expected: Answer | None
    got: Answer | None
    said: str = ""
    notes: tuple[str, ...] = ()
    calls: tuple[tuple[Inputs, Answer], ...] = ()


def snippet(
    declared: Declared, failure: Failure, versions: Mapping[str, str], seed: int, keywords: Sequence[str] = ()
) -> str:
    """Python; the arrays are those that the target was given, in its format of boxes and its dtype."""
    lines = [f"# {declared.operator.name}: {line}" for line in failure.what.splitlines()]
    for number, (inputs, answer) in enumerate(failure.calls[:SHOWN]):
        lines += [*_call(declared, inputs, keywords, first=number == 0), f"# got       {plain(answer)}"]
    if len(failure.calls) > SHOWN:
        lines.append(f"# and {len(failure.calls) - SHOWN} calls more")
    if failure.calls:
        lines.append("# so, by the law:")
    else:
        lines += _call(declared, failure.inputs, keywords)
    if failure.got is not None:
        lines.append(f"# got       {plain(failure.got)}")
    if failure.said:
        lines.append(f"# got       {failure.said}")
    if failure.expected is not None:
        lines.append(f"# expected  {plain(failure.expected)}")
        apart = "" if failure.got is None else distance(failure.got, failure.expected, declared.operator.outputs)
        if apart:
            lines.append(f"# distance  {apart}")
    lines += [f"# {note}" for note in failure.notes]
    lines.append(f"# seed {seed}, {', '.join(f'{name} {version}' for name, version in versions.items())}")
    return "\n".join(lines)


def versions_of(target: Any) -> dict[str, str]:
    """Of minidet, NumPy and Python, and of the target's own package where it says."""
    own = sys.modules[__package__.partition(".")[0]].__version__
    found = {"minidet": own, "numpy": np.__version__, "python": platform.python_version()}
    return found | dict(getattr(target, "versions", {}))


def plain(answer: Answer) -> str:
    """An answer on one line; a very long one cut."""
    if isinstance(answer, Refused):
        return repr(answer)
    if isinstance(answer, tuple):
        return ", ".join(map(plain, answer))
    text = literal(np.asarray(answer))
    return text if len(text) < 2000 else text[:1997] + "..."


def _call(declared: Declared, inputs: Inputs, keywords: Sequence[str], *, first: bool = True) -> list[str]:
    """The code of one call, the ``first`` with its imports."""
    kind, colon, rest = declared.target.partition(":")
    if kind == "run":
        return _of_program(declared, rest, inputs, first)
    given = {n: boxes_in(v, declared.form) if n in declared.operator.boxes else v for n, v in inputs.items()}
    arrays = declared.arrays or ("torch" if kind.split(".")[0] in ("torch", "torchvision") else "numpy")
    function = bool(colon) and kind not in ("pipe", "recorded")
    libraries = [kind] if function else []
    libraries += [arrays] if function and arrays in ("torch", "cupy") else []
    lines = ["import numpy as np", *(f"import {one}" for one in dict.fromkeys(libraries))] if first else []
    lines.append("")
    lines += [f"{name} = {_given(value, arrays if function else 'numpy', declared)}" for name, value in given.items()]
    if function:
        words = [name for name in given if name not in keywords]
        words += [f"{name}={name}" for name in given if name in keywords]
        words += [f"{name}={value!r}" for name, value in declared.extra.items()]
        lines.append(f"got = {kind}.{rest}({', '.join(words)})")
    else:
        lines.append(f"# given to {declared.target}")
    return lines


def _given(value: Any, arrays: str, declared: Declared) -> str:
    if not isinstance(value, np.ndarray):
        return literal(value)
    text = literal(value)
    if arrays == "torch":
        moved = "" if declared.device in (None, "cpu") else f".to({declared.device!r})"
        return f"torch.from_numpy({text}){moved}"
    if arrays == "cupy" or (arrays == "dlpack" and declared.device == "cuda"):
        return f"cupy.asarray({text})"
    return f"{text}.tolist()" if arrays == "list" else text


def _of_program(declared: Declared, command: str, inputs: Inputs, first: bool) -> list[str]:
    lines = ["import pathlib", "import subprocess", "", "import numpy as np"] if first else []
    lines += ["", 'folder = pathlib.Path("case")', "folder.mkdir(exist_ok=True)"]
    for name, value in arrays_of(inputs, declared.operator.boxes, declared.form).items():
        lines.append(f'np.save(folder / "{name}.npy", {literal(value)})')
    lines.append(f'subprocess.run([*{shlex.split(command)!r}, "case"], check=True)')
    outputs = declared.operator.outputs
    files = ["answer"] if len(outputs) == 1 else [f"answer_{name}" for name in outputs]
    lines += [f'{name} = np.load(folder / "{name}.npy")' for name in files]
    return lines
