"""Weights that another program wrote: which one did, by the names in them, and what network they are of.

`recognised` reads a file and finds its `Layout`; that says how the network is to be built (`Foreign.told`), and fills
it (`Foreign.fill`).  A file whose names are ours is nobody's here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from minidet_kernels.arrays import Array

from ..errors import InputError
from ..nn import Module
from . import safetensors
from .renaming import renamed, some

State = Mapping[str, Array]


@dataclass(frozen=True)
class Layout:
    """How a program names the weights of a network.

    ``program`` goes into messages; ``models`` are the names of ours that have such a network; ``table`` turns their
    names into ours (`minidet.weights.renaming`), without what ends on one of ``ignored``.  ``told`` says of a state
    what the network is: ``classes``, ``options`` of the model's class, ``names`` of its classes; each may be left out.
    """

    program: str
    models: frozenset[str]
    table: Mapping[str, str]
    told: Callable[[State], Mapping[str, Any]] = field(default=lambda state: {})
    ignored: tuple[str, ...] = ()

    def knows(self, state: State) -> int:
        """How many entries of a state have names of this layout."""
        return sum(name in self.table or name.rpartition(".")[0] in self.table for name in state)


@dataclass(frozen=True)
class Foreign:
    """A state of another program that was read from ``source``, and its layout."""

    state: State
    layout: Layout
    source: str

    def told(self) -> dict[str, Any]:
        """What it says of its network."""
        return dict(self.layout.told(self.state))

    def fill(self, model: Module) -> None:
        """Put every number into ``model``.  Raises ``InputError`` that lists, by their names, what does not fit."""
        table, ignored, wanted = self.layout.table, self.layout.ignored, model.state_dict()
        model.load_state_dict(renamed(self.state, table, source=self.source, ignored=ignored, wanted=wanted))


#: The ending of a file to what reads it as arrays by name, as ``module:function``.
READERS: Mapping[str, str] = MappingProxyType(
    {
        ".pth": "pth:load",
        ".pt": "pth:load",
        ".th": "pth:load",
        ".safetensors": "safetensors:load",
        ".npz": "npz:load",
        ".caffemodel": "caffe:load",
        ".onnx": "onnx:load",
    }
)

#: The layouts, as ``module:NAME``.
LAYOUTS = (
    "torchvision_ssd:LAYOUT",
    "caffe_mobilenet_ssd:FOLDED_LAYOUT",
    "caffe_mobilenet_ssd:LAYOUT",
    "torchvision_rcnn:LAYOUT",
    "ultraface:RFB_LAYOUT",
    "ultraface:SLIM_LAYOUT",
    "ultraface:RFB_CAFFE_LAYOUT",
    "ultraface:SLIM_CAFFE_LAYOUT",
)


def _found(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(f".{module}", __package__), name)


def recognised(path: str, model: str) -> Foreign | None:
    """The weights at ``path`` with the layout that most of their names are of; None for a file of our own.

    ``model`` is the name of the network that they shall go into.  Raises ``InputError``, one line, for a file that
    cannot be read, for one of another network, and for names that nobody uses, if no file of ours is called so.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in READERS or (suffix == ".safetensors" and "model" in safetensors.metadata(path)):
        return None
    state: State = _found(READERS[suffix])(path)
    layouts: list[Layout] = [_found(where) for where in LAYOUTS]
    best = max(layouts, key=lambda layout: (layout.knows(state), model in layout.models))
    if 2 * best.knows(state) <= len(state):
        if suffix == ".safetensors":
            return None
        programs = "; ".join(f"{one.program} ({', '.join(sorted(one.models))})" for one in layouts)
        raise InputError(
            f"{path}: names such as {some(state, 3)} are of no network that is known; known are {programs}"
        )
    if model not in best.models:
        raise InputError(f"{path}: weights of {best.program}; give --model {sorted(best.models)[0]}")
    return Foreign(state, best, path)
