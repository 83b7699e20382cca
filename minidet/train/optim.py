"""Optimisers: they change the parameters' data in place, from the gradients that ``backward`` left.

A group is a mapping with ``params`` and any of the optimiser's options, which then hold for those parameters alone::

    SGD([{"params": weights, "weight_decay": 5e-4}, {"params": rest}], lr=0.01, momentum=0.9)

``lr_factor`` of a group multiplies the learning rates that ``set_lr`` gives.  A parameter whose ``grad`` is ``None``
is left as it is, its moments too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from minidet_kernels.arrays import Array, namespace
from minidet_kernels.updates import adam_update, sgd_update

from ..autograd import Tensor
from ..nn.module import Module


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
            unknown = group.keys() - defaults.keys() - {"params", "lr_factor"}
            if unknown or "params" not in group:
                may = sorted([*defaults, "lr_factor"])
                raise ValueError(f"a group needs 'params' and may have {may}; found {sorted(group)}")
            members = list(group["params"])
            for p in members:
                if not isinstance(p, Tensor) or not p.requires_grad:
                    raise TypeError(f"not a tensor that requires a gradient: {p!r}")
                if id(p) in seen:
                    raise ValueError(f"{p!r} is given twice; its gradient would be applied twice")
                seen.add(id(p))
            self.groups.append({"lr_factor": 1.0, **defaults, **group, "params": members})
            for option, value in self.groups[-1].items():
                if isinstance(value, float | int) and value < 0:
                    raise ValueError(f"{option} must not be negative, found {value}")

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.groups:
            for p in group["params"]:
                p.grad = None

    def set_lr(self, lr: float) -> None:
        """Give every group this learning rate, times its ``lr_factor``."""
        for group in self.groups:
            group["lr"] = lr * group["lr_factor"]

    def step(self) -> None:
        """Change every parameter that has a gradient, in place; the gradients are left as they are."""
        for group in self.groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p.data, p.grad, self._state.setdefault(id(p), {}), group)

    def state(self, names: Mapping[str, Tensor]) -> dict[str, Array]:
        """What is remembered of each parameter, as arrays called ``NAME.what``; not copies.

        ``names`` are the parameters by name (``dict(model.named_parameters())``).  Options are not part of it.
        """
        return {
            f"{name}.{what}": value if hasattr(value, "dtype") else np.asarray([value])
            for name, p in names.items()
            for what, value in self._state.get(id(p), {}).items()
        }

    def load_state(self, names: Mapping[str, Tensor], state: Mapping[str, Array]) -> None:
        """Go on from what ``state`` gave, which is copied; ``KeyError`` for an entry of no parameter in ``names``."""
        found: dict[int, dict[str, Any]] = {}
        for entry, value in state.items():
            name, _, what = entry.rpartition(".")
            if name not in names:
                raise KeyError(f"{entry} belongs to no parameter here")
            p = names[name]
            counted = value.dtype.kind in "iu"  # steps; moments are floating
            kept = int(np.asarray(value).item()) if counted else namespace(p.data).array(value)
            found.setdefault(id(p), {})[what] = kept
        self._state = found

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
        options = {name: group[name] for name in ("lr", "momentum", "nesterov", "weight_decay")}
        if not group["momentum"]:
            sgd_update(p, g, **options, in_place=True)
            return
        if first := "v" not in state:
            state["v"] = namespace(p).empty_like(p)
        sgd_update(p, g, state["v"], **options, first=first, in_place=True)


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
        if not state:
            state.update(t=0, m=namespace(p).zeros_like(p), v=namespace(p).zeros_like(p))
        state["t"] += 1
        options = {name: group[name] for name in ("lr", "betas", "eps", "weight_decay", "decoupled")}
        adam_update(p, g, state["m"], state["v"], **options, step=state["t"], in_place=True)


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


def named_groups(
    model: Module,
    *,
    weight_decay: float = 0.0,
    no_decay: Sequence[str] = (),
    lr_factors: Mapping[str, float] | None = None,
) -> list[dict[str, Any]]:
    """Groups by the parameters' names; patterns are as of file names, ``backbone.*`` (case counts).

    Parameters of one axis or none, and those that a pattern of ``no_decay`` fits, do not decay.  ``lr_factors`` gives
    the learning rate of what its pattern fits relative to that of all, the first pattern that fits; 0 keeps those
    parameters out of the groups, so that they stay as they are.  A pattern that fits nothing is a ``ValueError``.
    """
    factors = dict(lr_factors or {})
    unused = {*no_decay, *factors}
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, p in model.named_parameters():
        spared = [pattern for pattern in no_decay if fnmatchcase(name, pattern)]
        chosen = [pattern for pattern in factors if fnmatchcase(name, pattern)]
        unused -= {*spared, *chosen}
        factor = factors[chosen[0]] if chosen else 1.0
        if factor:
            groups.setdefault((0.0 if spared or p.ndim <= 1 else weight_decay, factor), []).append(p)
    if unused:
        raise ValueError(f"no parameter's name fits {', '.join(sorted(unused))}")
    return [{"params": ps, "weight_decay": decay, "lr_factor": factor} for (decay, factor), ps in groups.items()]
