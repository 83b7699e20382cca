"""A program that stays, as a target: it reads messages from standard input and writes replies to standard output.

Starting a program for each call is slow where it loads a GPU's driver, or a JVM; this one is started once.  The
messages are those of ``protocol``: a length of 8 bytes, little-endian, and so many bytes of ``.npz``, uncompressed.  A
request holds the inputs of a call as `Program` writes them; the reply holds ``answer``, or ``answer_OUTPUT`` for each
of several outputs, or ``refused``, a text (or its bytes, uint8).  At the end of its input the program should end.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from ..errors import InputError, one_line
from . import protocol
from .formats import FORMATS
from .process import GoneError, Process
from .program import arrays_of
from .target import Outcome


class Pipe:
    """``with Pipe("./nms --serve", boxes=("boxes",)) as target: target.call(inputs)``; the arguments of `Program`.

    Until the first answer the limit is ``first``, if that is more.
    """

    def __init__(
        self,
        command: str,
        *,
        boxes: Sequence[str] = (),
        outputs: Sequence[str] = ("answer",),
        form: str = "xyxy",
        limit: float = 10.0,
        first: float = 60.0,
    ) -> None:
        try:
            self.words = shlex.split(command)
        except ValueError as error:
            raise InputError(f"pipe:{command}: {error}") from None
        if not self.words or shutil.which(self.words[0]) is None:
            raise InputError(f"pipe:{command}: no program {self.words[0] if self.words else ''!r} that can be run")
        if form not in FORMATS:
            raise InputError(f"boxes {form!r}; expected one of {', '.join(FORMATS)}")
        self.name, self.boxes, self.form, self.limit, self.first = f"pipe:{command}", tuple(boxes), form, limit, first
        self.names = ["answer"] if len(outputs) == 1 else [f"answer_{name}" for name in outputs]
        self.versions: dict[str, str] = {}
        self._process: Process | None = None
        self._answered = False

    def __enter__(self) -> Pipe:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()

    def call(self, inputs: Mapping[str, Any]) -> Outcome:
        """One call; a program that crashed or hung is started again for the next."""
        if self._process is None:
            try:
                self._process = Process(self.words)
            except OSError as error:
                raise InputError(f"{self.name}: {error.strerror or error}") from None
        limit = self.limit if self._answered else max(self.limit, self.first)
        try:
            reply = self._process.exchange(protocol.pack(arrays_of(inputs, self.boxes, self.form)), limit)
        except TimeoutError:
            self._stop()
            return Outcome("hangs", reason=f"no answer within {limit:g} s")
        except GoneError as gone:
            self._stop()
            return Outcome("crashes", reason=str(gone))
        self._answered = True
        return self._outcome(reply)

    def _outcome(self, reply: Mapping[str, np.ndarray]) -> Outcome:
        if "refused" in reply:
            said = reply["refused"]
            text = said.astype(np.uint8).tobytes().decode(errors="replace") if said.dtype.kind in "iu" else str(said)
            return Outcome("refuses", reason=one_line(text))
        for name in self.names:
            if name not in reply:
                return Outcome("refuses", reason=f"its reply has no {name}")
            if reply[name].dtype.kind not in "biuf":
                return Outcome("refuses", reason=f"{name} is {reply[name].dtype}, not numbers")
        found = tuple(reply[name] for name in self.names)
        return Outcome("answers", found if len(found) > 1 else found[0])

    def _stop(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None
