"""Somebody's implementation, in a process of its own: it may refuse, crash, hang, print, or change its inputs."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Protocol

import numpy as np

from ..errors import InputError, one_line
from . import protocol
from .answers import Arrays
from .formats import FORMATS

Kind = Literal["answers", "refuses", "crashes", "hangs"]
ARRAYS = ("numpy", "torch", "list")
#: Seconds to import a target and its libraries.
START = 120.0


@dataclass(frozen=True)
class Outcome:
    """What a call came to: its ``answer``, or the ``reason`` for which there is none; inputs that it ``changed``."""

    kind: Kind
    answer: Arrays | None = None
    reason: str = ""
    changed: tuple[str, ...] = ()


class Caller(Protocol):
    """What a `Target` can do: be called. Another one may run in this process."""

    name: str

    def call(self, inputs: Mapping[str, Any]) -> Outcome:
        """One call."""


class Target:
    """``with Target("torchvision.ops:nms", boxes=("boxes",)) as target: target.call(inputs)``.

    ``target`` is ``module:function``, or the path of an ONNX model.  ``arrays`` is what it takes: "numpy", "torch" or
    "list"; by default torch for what comes from torch or torchvision.  ``boxes`` and ``outputs`` are the operator's.
    ``form`` is its format of boxes, ``extra`` further keywords of every call, ``limit`` the seconds after which a call
    hangs; until the first answer it is ``first``, if that is more, since what is called first may have to be compiled.
    Raises ``InputError`` where the target cannot be loaded.
    """

    def __init__(
        self,
        target: str,
        *,
        boxes: Sequence[str] = (),
        outputs: Sequence[str] = ("answer",),
        arrays: str | None = None,
        form: str = "xyxy",
        extra: Mapping[str, Any] | None = None,
        limit: float = 10.0,
        first: float = 60.0,
    ) -> None:
        module, colon, path = target.partition(":")
        if not (module and colon and path) and not target.endswith(".onnx"):
            raise InputError(
                f"target {target!r}: expected module:function, as torchvision.ops:nms, FILE.onnx or run:PROGRAM"
            )
        arrays = arrays or ("torch" if module.split(".")[0] in ("torch", "torchvision") else "numpy")
        if arrays not in ARRAYS or form not in FORMATS:
            raise InputError(f"arrays {arrays!r} and boxes {form!r}; expected {ARRAYS} and {FORMATS}")
        self.name, self.limit, self.first, self._answered = target, limit, first, False
        self.outputs = tuple(outputs)
        self._settings = json.dumps({
            "target": target, "boxes": list(boxes), "outputs": list(outputs), "arrays": arrays, "format": form,
            "extra": dict(extra or {}),
        })  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Target:
        self._start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()
        self._said.close()

    def call(self, inputs: Mapping[str, Any]) -> Outcome:
        """One call; a target that crashed or hung is started again for the next."""
        if self._process is None:
            self._start()
        message = protocol.pack({n: np.array(v, np.int32) if isinstance(v, tuple) else v for n, v in inputs.items()})
        limit = self.limit if self._answered else max(self.limit, self.first)
        try:
            reply = self._exchange(message, limit)
        except TimeoutError:
            self._stop()
            return Outcome("hangs", reason=f"no answer within {limit:g} s")
        except _GoneError as gone:
            return Outcome("crashes", reason=str(gone))
        self._answered = True
        changed = tuple(map(str, reply.get("changed", ())))
        if "refused" in reply:
            return Outcome("refuses", reason=one_line(str(reply["refused"])), changed=changed)
        several = tuple(reply[f"answer_{name}"] for name in self.outputs) if len(self.outputs) > 1 else None
        return Outcome("answers", several or reply["answer"], changed=changed)

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __package__ + ".worker", self._settings],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        try:
            hello = self._exchange(b"", START)
        except TimeoutError:
            self._stop()
            raise InputError(f"{self.name}: not imported within {START:g} s") from None
        except _GoneError as gone:
            raise InputError(f"{self.name}: its process ended at the import: {gone}") from None
        if "unknown" in hello:
            self._stop()
            raise InputError(f"{self.name} cannot be loaded: {one_line(str(hello['unknown']))}")

    def _exchange(self, message: bytes, limit: float) -> dict[str, np.ndarray]:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        until = time.monotonic() + limit
        try:
            process.stdin.write(message)
            process.stdin.flush()
        except BrokenPipeError:
            raise _GoneError(self._ended()) from None
        head = self._bytes(protocol.LENGTH, until)
        return protocol.unpack(self._bytes(int.from_bytes(head, "little"), until))

    def _bytes(self, count: int, until: float) -> bytes:
        """So many bytes of the target's output; by ``os.read``, since a buffered read could wait forever."""
        assert self._process is not None
        assert self._process.stdout is not None
        descriptor, found = self._process.stdout.fileno(), b""
        with selectors.DefaultSelector() as ready:
            ready.register(descriptor, selectors.EVENT_READ)
            while len(found) < count:
                if not ready.select(max(until - time.monotonic(), 0)):
                    raise TimeoutError
                more = os.read(descriptor, count - len(found))
                if not more:
                    raise _GoneError(self._ended())
                found += more
        return found

    def _ended(self) -> str:
        """Why the process is gone, in words."""
        assert self._process is not None
        try:
            status = self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._stop()
            return "closed its output"
        self._stop()
        how = f"ended by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        self._said.seek(0)
        last = self._said.read().decode(errors="replace").strip().rpartition("\n")[2]
        return f"{how}{': ' + one_line(last) if last else ''}"

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        self._process.wait()
        self._process = None


class _GoneError(Exception):
    """The target's process ended."""
