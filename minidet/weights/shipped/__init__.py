"""Trained weights that come with the package, by name: ``load("blood-cells")``.

``shipped.json`` beside this file says of each what it is of, the exact command, seed and data that made it, the score
and how that is measured, and the file's SHA-256; its fields are those of `Shipped`.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ...errors import InputError

if TYPE_CHECKING:
    from ...models.blocks import Detector

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Shipped:
    """One file of weights.

    name      by which it goes.
    file      in the package's folder, safetensors; filters in float16 (`minidet.weights.pack`).
    what      a sentence: what it finds.
    model     of ``minidet.models.NAMES``.
    options   further options of that model's class, such as ``anchors``.
    size      (height, width) of the network's input.
    classes   the names of its classes, indexed by label.
    nms       the threshold of suppression that the score was measured with.
    train     the commands that made it, in order.
    evaluate  the command that measures the score.
    seed      of the run.
    data      what it learned from, and what it was measured on.
    score     figures by name: AP at IoU .5, by class, over .5 to .95.
    run       where and how long: machine, threads, minutes, versions, commit.
    sha256    of the file.
    """

    name: str
    file: str
    what: str
    model: str
    options: Mapping[str, Any]
    size: tuple[int, int]
    classes: tuple[str, ...]
    nms: float
    train: tuple[str, ...]
    evaluate: str
    seed: int
    data: Mapping[str, str]
    score: Mapping[str, float]
    run: Mapping[str, Any]
    sha256: str

    @property
    def path(self) -> Path:
        """Where the file is."""
        return HERE / self.file


@cache
def registry() -> Mapping[str, Shipped]:
    """All weights that are shipped, by name."""
    document = json.loads((HERE / "shipped.json").read_text(encoding="utf-8"))
    found: dict[str, Shipped] = {}
    for name, entry in document.items():
        values = {f.name: entry[f.name] for f in fields(Shipped) if f.name != "name"}
        for key in ("size", "classes", "train"):
            values[key] = tuple(values[key])
        found[name] = Shipped(name=name, **values)
    return MappingProxyType(found)


def shipped(name: str) -> Shipped:
    """The weights of that name; raises `InputError` for one that there is not."""
    known = registry()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"no weights are named {name!r}; there are {', '.join(known)}{hint}")
    return known[name]


def checked(entry: Shipped) -> Path:
    """The file of an entry; raises `InputError` when it is missing or is not the file that the entry describes."""
    path = entry.path
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; install the package anew")
    if hashlib.sha256(path.read_bytes()).hexdigest() != entry.sha256:
        raise InputError(f"{path}: not the file that was shipped; install the package anew")
    return path


def load(name: str) -> Detector:
    """The network with these weights, in inference mode, float32; ``shipped(name).classes`` names its classes.

    Raises `InputError` for an unknown name and for a damaged file.
    """
    from ... import nn
    from ...models import build
    from .. import safetensors

    entry = shipped(name)
    with nn.init.skipped():
        model: Any = build(entry.model, classes=len(entry.classes), size=entry.size, **entry.options)
    safetensors.load(checked(entry), model)
    model.eval()
    detector: Detector = model
    return detector
