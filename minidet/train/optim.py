"""Optimisers: they change the parameters' data in place, from the gradients that ``backward`` left.

A group is a mapping with ``params`` and any of the optimiser's options, which then hold for those parameters alone::

    SGD([{"params": weights, "weight_decay": 5e-4}, {"params": rest}], lr=0.01, momentum=0.9)

A parameter whose ``grad`` is ``None`` is left as it is, its moments too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from minidet_kernels.arrays import Array, namespace

from ..autograd import Tensor
from ..nn.module import Module

#: How many numbers of a parameter to change at a time (measured).
PIECE = 1 << 16


class Optimiser:
    """The parameter groups and their options; a subclass says in ``_update`` how one parameter changes."""

    def __init__(self, params: Iterable[Tensor] | Iterable[Mapping[str, Any]], **defaults: Any) -> None:
        given = list(params)
        groups = given if given and isinstance(given[0], Mapping) else [{"params": given}]
        self.groups: list[dict[str, Any]] = []
        self._state: dict[int, dict[str, Any]] = {}
        seen: set[int] = set()
        for group in groups:
            if not isinstance(group, Mapping):
                raise TypeError("give either parameters or groups, not both; a group is a mapping with 'params'")
            unknown = group.keys() - defaults.keys() - {"params"}
            if unknown or "params" not in group:
                raise ValueError(f"a group needs 'params' and may have {sorted(defaults)}; found {sorted(group)}")
            members = list(group["params"])
            for p in members:
                if not isinstance(p, Tensor) or not p.requires_grad:
                    raise TypeError(f"not a tensor that requires a gradient: {p!r}")
                if id(p) in seen:
                    raise ValueError(f"{p!r} is given twice; its gradient would be applied twice")
                seen.add(id(p))
            self.groups.append({**defaults, **group, "params": members})
            for option, value in self.groups[-1].items():
                if isinstance(value, float | int) and value < 0:
                    raise ValueError(f"{option} must not be negative, found {value}")

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.groups:
            for p in group["params"]:
                p.grad = None

    def set_lr(self, lr: float) -> None:
        """Give every group this learning rate."""
        for group in self.groups:
            group["lr"] = lr

    def step(self) -> None:
        """Change every parameter that has a gradient, in place; the gradients are left as they are."""
        for group in self.groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p.data, p.grad, self._state.setdefault(id(p), {}), group)

    def _update(self, p: Array, g: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        raise TypeError(f"{type(self).__name__} has no update rule")


class SGD(Optimiser):
    """Stochastic gradient descent: ``v = momentum v + g + weight_decay p``, then ``p -= lr v``.

    This is torch's form (no dampening).  It is Darknet's too: there ``g`` is summed over the batch, the decay
    multiplied by the batch size and the learning rate divided by it, which comes to the same, since the learning rate
    stays outside ``v`` in both.  With ``nesterov``, ``p -= lr (g + weight_decay p + momentum v)``.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        *,
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)
        if any(g["nesterov"] and not g["momentum"] for g in self.groups):
            raise ValueError("nesterov needs a momentum above 0")

    def _update(self, p: Array, g: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        momentum, decay = group["momentum"], group["weight_decay"]
        if not momentum:
            for part, slope in _pieces(p, g):
                part -= group["lr"] * (slope + decay * part if decay else slope)
            return
        if first := "v" not in state:
            state["v"] = namespace(p).empty_like(p)
        for part, slope, v in _pieces(p, g, state["v"]):
            down = slope + decay * part if decay else slope
            if first:
                v[...] = down
            else:
                v *= momentum
                v += down
            part -= group["lr"] * (down + momentum * v if group["nesterov"] else v)


def _pieces(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Views of the same pieces of some arrays of one shape, small enough that temporary results stay in the caches.

    Of NumPy's arrays, laid out alike; others are one piece.
    """
    if all(isinstance(a, np.ndarray) and a.flags.c_contiguous for a in arrays):
        flat = [a.reshape(a.size) for a in arrays]
        for start in range(0, arrays[0].size, PIECE):
            yield tuple(a[start : start + PIECE] for a in flat)
    else:
        yield arrays


class Adam(Optimiser):
    """Adam (Kingma and Ba 2015, algorithm 1), with torch's place for epsilon.

    ``m = b1 m + (1 - b1) g``, ``v = b2 v + (1 - b2) g^2``; after ``t`` steps
    ``p -= lr m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)``.  ``weight_decay`` is added to the gradient;
    with ``decoupled`` (AdamW, Loshchilov and Hutter 2019) it shrinks the parameter by ``lr weight_decay`` instead.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled: bool = False,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, decoupled=decoupled)
        for group in self.groups:
            if not all(0 <= b < 1 for b in group["betas"]):
                raise ValueError(f"betas must lie in [0, 1), found {group['betas']}")

    def _update(self, p: Array, g: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        xp = namespace(p)
        (b1, b2), lr = group["betas"], group["lr"]
        if not state:
            state.update(t=0, m=xp.zeros_like(p), v=xp.zeros_like(p))
        if group["weight_decay"]:
            if group["decoupled"]:
                p *= 1 - lr * group["weight_decay"]
            else:
                g = g + group["weight_decay"] * p
        state["t"] += 1
        m, v, t = state["m"], state["v"], state["t"]
        m *= b1
        m += (1 - b1) * g
        v *= b2
        v += (1 - b2) * g * g
        root = xp.sqrt(v)
        root /= (1 - b2**t) ** 0.5
        root += group["eps"]
        p -= (lr / (1 - b1**t)) * m / root


class AdamW(Adam):
    """Adam with decoupled weight decay."""

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, decoupled=True)


def decay_groups(model: Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups: filters and matrices, which decay, and biases and batch-norm scales, which do not (as in Darknet)."""
    parameters = model.parameters()
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
