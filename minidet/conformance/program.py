"""Any program as a target: C, C++, CUDA, Java, a script.  A process for each call, arrays as ``.npy`` files.

It is given a folder as its last argument, in which each input of the call stands as ``NAME.npy`` (numbers without axes
as float64, sizes as int64), and writes ``answer.npy`` there; of several outputs each as ``answer_OUTPUT.npy``.  An exit
status that is not 0 refuses the call, and what it said last on standard error is the reason.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ..errors import InputError, one_line
from .formats import FORMATS, boxes_in
from .process import end, ending, waited
from .target import Outcome

ANSWER = "answer.npy"


def arrays_of(inputs: Mapping[str, Any], boxes: Sequence[str], form: str) -> dict[str, np.ndarray]:
    """A call's inputs as a program is given them."""
    found = {}
    for name, value in inputs.items():
        if isinstance(value, tuple):
            found[name] = np.array(value, np.int64)
        elif not isinstance(value, np.ndarray):
            found[name] = np.array(value, np.float64)
        else:
            found[name] = np.ascontiguousarray(boxes_in(value, form) if name in boxes else value)
    return found


class Program:
    """``with Program("./nms --fast", boxes=("boxes",)) as target: target.call(inputs)``.

    ``command`` is split as a shell does, and not run by one.  ``boxes``, ``form`` and ``limit`` are as of `Target`.
    Raises `InputError` where there is no such program.
    """

    def __init__(
        self,
        command: str,
        *,
        boxes: Sequence[str] = (),
        outputs: Sequence[str] = ("answer",),
        form: str = "xyxy",
        limit: float = 10.0,
    ) -> None:
        try:
            self.words = shlex.split(command)
        except ValueError as error:
            raise InputError(f"run:{command}: {error}") from None
        if not self.words or shutil.which(self.words[0]) is None:
            raise InputError(f"run:{command}: no program {self.words[0] if self.words else ''!r} that can be run")
        if form not in FORMATS:
            raise InputError(f"boxes {form!r}; expected one of {', '.join(FORMATS)}")
        self.name, self.boxes, self.form, self.limit = f"run:{command}", tuple(boxes), form, limit
        self.versions: dict[str, str] = {}
        self.files = [ANSWER] if len(outputs) == 1 else [f"answer_{name}.npy" for name in outputs]

    def __enter__(self) -> Program:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """There is nothing to end: every call has its process."""

    def call(self, inputs: Mapping[str, Any]) -> Outcome:
        """One call."""
        with tempfile.TemporaryDirectory(prefix="minidet-") as folder:
            for name, value in arrays_of(inputs, self.boxes, self.form).items():
                np.save(Path(folder) / f"{name}.npy", value)
            with tempfile.TemporaryFile() as errors:
                try:
                    process = subprocess.Popen(
                        [*self.words, folder], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                        start_new_session=True,
                    )  # fmt: skip
                except OSError as error:
                    raise InputError(f"{self.name}: {error.strerror or error}") from None
                try:
                    status = waited(process, self.limit)
                except TimeoutError:
                    return Outcome("hangs", reason=f"no answer within {self.limit:g} s")
                finally:
                    end(process)  # and what it has started
                errors.seek(0)
                said = one_line(errors.read().decode(errors="replace").strip().rpartition("\n")[2])
            if status < 0:
                return Outcome("crashes", reason=f"{ending(status)}{': ' + said if said else ''}")
            if status:
                return Outcome("refuses", reason=said or ending(status))
            return self._answer(Path(folder))

    def _answer(self, folder: Path) -> Outcome:
        """What the program left in its folder."""
        found = []
        for file in self.files:
            try:
                answer = np.load(folder / file, allow_pickle=False)
            except FileNotFoundError:
                return Outcome("refuses", reason=f"wrote no {file}")
            except (ValueError, OSError, EOFError) as error:
                return Outcome("refuses", reason=f"{file} is not an array of NumPy's format: {one_line(str(error))}")
            if answer.dtype.kind not in "biuf":
                return Outcome("refuses", reason=f"{file} holds {answer.dtype}, not numbers")
            found.append(answer)
        return Outcome("answers", found[0] if len(found) == 1 else tuple(found))
