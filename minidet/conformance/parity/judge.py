"""Where another framework's network departs from ours: layer by layer, each judged alone, and by which convention.

Our network runs in float64 on their input.  After each layer that is matched its output is compared with theirs, and
then replaced by theirs, so that a departure does not reach the layers behind it.  A layer departs where an element is
further off than rounding in their dtype can explain (`bounds`).  Of a layer that does, the conventions of its
operators are tried (`flips`); those under which it agrees are named.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import nn
from ...autograd import Tensor, no_grad
from .dump import Recording, dump, read, record
from .flips import activations, flips
from .match import Layer, by_names, match
from .run import Given, Run

#: Of so many layers that depart the conventions are tried; the others are listed.
MOST = 16


@dataclass(frozen=True)
class Row:
    """One pair of layers.  ``error`` and ``bound`` where their quotient is greatest; NaN where shapes differ.

    ``verdict``: "agrees", "departs", or "not judged" where no bound is known.  ``closes``: what would make it agree.
    """

    layer: str
    theirs: str
    kind: str
    shape: tuple[int, ...]
    their_shape: tuple[int, ...]
    error: float
    bound: float
    verdict: str
    closes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parity:
    """All pairs in the order of our network; the names of layers, ours and theirs, that are in none."""

    rows: tuple[Row, ...]
    ours_left: tuple[str, ...]
    theirs_left: tuple[str, ...]

    @property
    def first(self) -> Row | None:
        """The first layer that departs."""
        return next((row for row in self.rows if row.verdict == "departs"), None)

    @property
    def agrees(self) -> bool:
        """Were layers compared, and none departs?"""
        return bool(self.rows) and all(row.verdict != "departs" for row in self.rows)


def parity(network: nn.Module, theirs: Recording, mapping: Mapping[str, str] | None = None) -> Parity:
    """Compare; ``mapping``, from our names to theirs, says which layer is which, otherwise `match` does.

    ``network`` takes one array; it is copied, and used in ``eval()``.  Raises ``ValueError`` where it cannot take their
    input, and `InputError` for a mapping of names that there are not.
    """
    net = copy.deepcopy(network).eval()
    layers, numbers = _calls(net, theirs.input)
    names = list(theirs.outputs)
    others = [Layer(name, theirs.kinds.get(name, ""), theirs.outputs[name].shape) for name in names]
    pairs = match(layers, others) if mapping is None else by_names(layers, others, mapping)
    wanted = {numbers[i]: (layers[i], names[j]) for i, j in pairs.items()}
    dtypes = [theirs.input.dtype, *(one.dtype for one in theirs.outputs.values())]
    run = Run(net.astype(np.float64), max(float(np.finfo(one).eps) for one in dtypes))
    rows: list[Row] = []

    def compare(
        number: int, module: nn.Module, given: Given, y: np.ndarray, bound: np.ndarray | None
    ) -> np.ndarray | None:
        if number not in wanted:
            return None
        layer, name = wanted[number]
        found = theirs.outputs[name]
        own = theirs.inputs.get(name)
        if own is not None and len(given) == 1 and _near(own, given[0][0], run.eps):
            given = ((own.astype(np.float64), np.zeros(own.shape)),)
            y, bound = run.alone(module, given)
        error, most, verdict = judged(found, y, bound)
        tried = verdict == "departs" and sum(row.verdict == "departs" for row in rows) < MOST
        closes = tuple(dict.fromkeys(_closing(run, module, given, found))) if tried else ()
        rows.append(Row(layer.name, name, layer.kind, y.shape, found.shape, error, most, verdict, closes))
        return found

    try:
        run.through(theirs.input, compare)
    except (ValueError, IndexError) as error:
        if all(row.verdict != "departs" for row in rows):  # otherwise it is their shapes that do not fit ours
            raise ValueError(f"parity: the network cannot take what they computed: {error}") from error
    finally:
        run.close()
    return Parity(
        tuple(rows),
        tuple(one.name for i, one in enumerate(layers) if i not in pairs),
        tuple(name for j, name in enumerate(names) if j not in pairs.values()),
    )


def judged(found: np.ndarray, y: np.ndarray, bound: np.ndarray | None) -> tuple[float, float, str]:
    """The error and the bound where their quotient is greatest, and the verdict."""
    if found.shape != y.shape:
        return float("nan"), float("nan"), "departs"
    error = np.abs(found.astype(np.float64) - y)
    error[(found == y) | (np.isnan(found) & np.isnan(y))] = 0
    error[np.isnan(error)] = np.inf
    if not error.size:
        return 0.0, 0.0, "agrees"
    if bound is None:
        return float(error.max()), float("nan"), "agrees" if not error.any() else "not judged"
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(error > 0, error / bound, 0)
    share[np.isnan(share)] = np.inf
    at = np.unravel_index(int(share.argmax()), share.shape)
    return float(error[at]), float(bound[at]), "departs" if share[at] > 1 else "agrees"


def _near(own: np.ndarray, given: np.ndarray, eps: float) -> bool:
    """Is it the same but for what a function between two layers rounds?"""
    return own.shape == given.shape and bool(np.all(np.abs(own - given) <= 16 * eps * np.abs(given)))


def _calls(net: nn.Module, x: np.ndarray) -> tuple[list[Layer], list[int]]:
    """Each call of a module that makes a new tensor, and its number among all calls."""
    names = {id(module): name or "network" for name, module in net.named_modules()}
    layers: list[Layer] = []
    numbers: list[int] = []
    made: dict[int, Tensor] = {}
    counts: dict[str, int] = {}
    number = 0

    def after(module: nn.Module, given: tuple[Any, ...], y: Any) -> None:
        nonlocal number
        if isinstance(y, Tensor) and id(y) not in made:
            name = names[id(module)]
            counts[name] = counts.get(name, 0) + 1
            name = name if counts[name] == 1 else f"{name}#{counts[name]}"
            made[id(y)] = y
            layers.append(Layer(name, type(module).__name__, y.shape))
            numbers.append(number)
        number += 1

    removers = [module.register_forward_hook(after) for _, module in net.named_modules()]
    dtype = next((p.data.dtype for p in net.parameters()), x.dtype)
    try:
        with no_grad(), np.errstate(all="ignore"):
            first = Tensor(x.astype(dtype))
            made[id(first)] = first
            net(first)
    finally:
        for remove in removers:
            remove()
    return layers, numbers


def _closing(run: Run, module: nn.Module, given: Given, found: np.ndarray) -> Iterator[str]:
    """The names of the changes under which the layer, or the block, agrees."""
    for at in [one for _, one in module.named_modules() if not any(True for _ in one.children())]:
        seen: list[np.ndarray] = []
        remove = at.register_forward_hook(lambda m, x, y, seen=seen: seen.append(x[0].data) if x else None)  # type: ignore[misc]
        run.alone(module, given)
        remove()
        for name, instead in flips(at, seen[0]) if seen else ():
            if _agrees(run, module, given, found, at, instead):
                yield name
    if any(True for _ in module.children()):  # a function of a block's last layer
        outputs: list[np.ndarray] = []
        removers = [
            one.register_forward_hook(lambda m, x, y: outputs.append(y.data))
            for _, one in module.named_modules()
            if one is not module
        ]
        run.alone(module, given)
        for remove in removers:
            remove()
        for name, instead in activations() if outputs else ():
            if judged(found, *_after_block(run, module, given, outputs[-1], instead))[2] == "agrees":
                yield name


def _agrees(run: Run, module: nn.Module, given: Given, found: np.ndarray, at: nn.Module, instead: nn.Module) -> bool:
    run.patched[id(at)] = instead
    vars(at)["forward"] = instead.forward
    try:
        y, bound = run.alone(module, given)
    except ValueError:  # a change that cannot be, as of padding that is larger than a window
        return False
    finally:
        del vars(at)["forward"], run.patched[id(at)]
    return judged(found, y, bound)[2] == "agrees"


def _after_block(
    run: Run, module: nn.Module, given: Given, pre: np.ndarray, instead: nn.Module
) -> tuple[np.ndarray, np.ndarray | None]:
    """Another activation of a block's last layer: the block's bound, and that of its rounding."""
    _, bound = run.alone(module, given)
    with np.errstate(all="ignore"):
        y = instead.forward(Tensor(pre)).data
    if bound is None:
        return y, None
    return y, bound + 8 * run.eps * (np.abs(pre) + np.abs(y))


__all__ = ["Parity", "Recording", "Row", "dump", "judged", "parity", "read", "record"]
