"""Somebody's implementation, in a process of its own: it may refuse, crash, hang, print, or change its inputs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Protocol

import numpy as np

from ..errors import InputError, one_line
from . import protocol
from .answers import Arrays
from .formats import FORMATS
from .process import GoneError, Process

Kind = Literal["answers", "refuses", "crashes", "hangs"]
ARRAYS = ("numpy", "torch", "list", "cupy", "dlpack")
DEVICES = ("cpu", "cuda")
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

    ``target`` is ``module:function``, or the path of an ONNX model.  ``arrays`` is what it takes: "numpy", "torch",
    "cupy", "list", or "dlpack", an object that has ``__dlpack__`` and nothing else; by default torch for what comes
    from torch or torchvision.  ``device`` is where they are: "cpu" or "cuda".  ``boxes`` and ``outputs`` are the
    operator's.
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
        device: str | None = None,
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
        for what, one, known in (("arrays", arrays, ARRAYS), ("boxes", form, FORMATS)):
            if one not in known:
                raise InputError(f"{what} {one!r}; expected one of {', '.join(known)}")
        device = device or ("cuda" if arrays == "cupy" else "cpu")
        if device not in DEVICES or device != {"cupy": "cuda", "numpy": "cpu", "list": "cpu"}.get(arrays, device):
            raise InputError(
                f"arrays {arrays!r} on device {device!r}: torch and dlpack are on either, cupy on cuda alone"
            )
        self.name, self.limit, self.first, self._answered = target, limit, first, False
        self.outputs = tuple(outputs)
        self._settings = json.dumps({
            "target": target, "boxes": list(boxes), "outputs": list(outputs), "arrays": arrays, "format": form,
            "device": device, "extra": dict(extra or {}),
        })  # fmt: skip
        #: Of the target's package and what it stands on, by name.
        self.versions: dict[str, str] = {}
        #: What the function takes by keyword alone.
        self.keywords: tuple[str, ...] = ()
        self._process: Process | None = None

    def __enter__(self) -> Target:
        self._start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()

    def call(self, inputs: Mapping[str, Any]) -> Outcome:
        """One call; a target that crashed or hung is started again for the next."""
        process = self._process or self._start()
        message = protocol.pack({n: np.array(v, np.int32) if isinstance(v, tuple) else v for n, v in inputs.items()})
        limit = self.limit if self._answered else max(self.limit, self.first)
        try:
            reply = process.exchange(message, limit)
        except TimeoutError:
            self._stop()
            return Outcome("hangs", reason=f"no answer within {limit:g} s")
        except GoneError as gone:
            self._stop()
            return Outcome("crashes", reason=str(gone))
        self._answered = True
        changed = tuple(map(str, reply.get("changed", ())))
        if "refused" in reply:
            return Outcome("refuses", reason=one_line(str(reply["refused"])), changed=changed)
        several = tuple(reply[f"answer_{name}"] for name in self.outputs) if len(self.outputs) > 1 else None
        return Outcome("answers", several or reply["answer"], changed=changed)

    def _start(self) -> Process:
        command = [sys.executable, "-m", __package__ + ".worker", self._settings]
        process = Process(command, os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
        self._process = process
        try:
            hello = process.exchange(b"", START)
        except TimeoutError:
            self._stop()
            raise InputError(f"{self.name}: not imported within {START:g} s") from None
        except GoneError as gone:
            self._stop()
            raise InputError(f"{self.name}: its process ended at the import: {gone}") from None
        if "unknown" in hello:
            self._stop()
            raise InputError(f"{self.name} cannot be loaded: {one_line(str(hello['unknown']))}")
        self.keywords = tuple(map(str, hello.pop("keywords")))
        self.versions = {name: str(version) for name, version in hello.items() if name != "ready"}
        return process

    def _stop(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None
