"""A whole training step: ours and torch's on the same weights and images; the time, and where ours goes.

A step is the forward pass of the network in training (so batch norm normalises by the batch), the loss (the sum of the
squares of the raw head maps), the gradients of all parameters, and one update by SGD with momentum and weight decay.
Before anything is timed, the loss, every gradient, and the parameters after a step are compared.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .cfgs import cfg_text
from .measure import in_turns, matrix_product, relative_error
from .network import AGREES, _size, drawn_network, network_flops
from .operators import BASELINE, DisagreementError, _row

BATCH = 4
#: Small: the loss is a sum over all outputs, and the step has to stay one that both programs can follow.
SGD = {"lr": 1e-9, "momentum": 0.9, "weight_decay": 5e-4}

#: Of the largest value in float64, and, root of the mean square over the parameters' relative errors, in float32 alone.
AGREES_IN_FLOAT64, MOST_IN_FLOAT32 = 1e-8, 0.02

Arrays = dict[str, np.ndarray]


def training_network(cfg: Path, dtype: Any) -> Any:
    """The drawn network in training; its batch norms divide by n, as torch's do, where Darknet's divide by n - 1."""
    from minidet.nn import BatchNorm2d

    net = drawn_network(cfg).train()
    for _, module in net.named_modules():
        if isinstance(module, BatchNorm2d):
            module.variance = "biased"
    return net.astype(dtype)


class Ours:
    """The network in training, by minidet."""

    def __init__(self, cfg: Path, dtype: Any = np.float32) -> None:
        from minidet.train import optim

        self.net = training_network(cfg, dtype)
        self.rule = optim.SGD(self.net.parameters(), **SGD)

    def step(self, x: np.ndarray) -> None:
        """One step; ``loss`` is the loss before it."""
        import minidet.functions as F
        from minidet import Tensor

        self.rule.zero_grad()
        loss: Any = 0.0
        for head in self.net(Tensor(x)):
            loss = F.sum(F.mul(head, head)) + loss
        loss.backward()
        self.rule.step()
        self.loss = float(loss.item())

    def gradients(self) -> Arrays:
        """By the parameters' names, as the last step left them."""
        return {name: p.grad for name, p in self.net.named_parameters() if p.grad is not None}

    def parameters(self) -> Arrays:
        """By their names."""
        return {name: p.data for name, p in self.net.named_parameters()}


class Torch:
    """The same by torch, eager, from a twin with the same weights."""

    def __init__(self, cfg: Path, dtype: Any = np.float32) -> None:
        import torch

        from .twin import training_twin

        self.tensors, self.forward = training_twin(training_network(cfg, dtype))
        self.rule = torch.optim.SGD(self.tensors.values(), **SGD)

    def step(self, x: np.ndarray) -> None:
        """One step; ``loss`` is the loss before it."""
        import torch

        self.rule.zero_grad()
        loss: Any = 0.0
        for head in self.forward(torch.from_numpy(x)):
            loss = (head * head).sum() + loss
        loss.backward()
        self.rule.step()
        self.loss = float(loss.item())

    def gradients(self) -> Arrays:
        """By the parameters' names, as the last step left them."""
        return {name: t.grad.numpy() for name, t in self.tensors.items() if t.grad is not None}

    def parameters(self) -> Arrays:
        """By their names."""
        return {name: t.detach().numpy() for name, t in self.tensors.items()}


PROGRAMS: dict[str, Callable[..., Any]] = {"minidet": Ours, "torch": Torch}


def check(programs: dict[str, Any], exact: dict[str, Any], x: np.ndarray) -> dict[str, float]:
    """The error of each program's gradients; raises ``DisagreementError`` unless they are right.

    In float64 (``exact``) all must agree: loss, every gradient, and every parameter after the step.  In float32 no two
    do: where an activation lies within a rounding of its corner, or two elements of a pooling window within a rounding
    of each other, the gradient takes one way in one program and another way in the other, and a fraction of a percent
    of it is different, in any program.  So there the loss must agree, and our gradients must be about as close to those
    in float64 as torch's are.
    """
    for program in exact.values():
        program.step(x.astype(np.float64))
    ours = exact["minidet"]
    for name, program in exact.items():
        for what in ("gradients", "parameters"):
            mine, theirs = getattr(ours, what)(), getattr(program, what)()
            if mine.keys() != theirs.keys():
                raise DisagreementError(f"training step: {what} of other names than {name}'s")
            for key in mine:
                if not (error := relative_error(mine[key], theirs[key])) <= AGREES_IN_FLOAT64:
                    raise DisagreementError(f"training step: {what} of {key} differ from {name}'s by {error:.1e}")
    right = ours.gradients()
    loss = ours.loss
    errors = {}
    for name, program in programs.items():
        program.step(x)
        if not (error := abs(program.loss - loss) / loss) <= AGREES:
            raise DisagreementError(f"training step by {name}: the loss is off by {error:.1e}, above {AGREES:.0e}")
        found = program.gradients()
        off = [np.linalg.norm(found[key] - right[key]) / np.linalg.norm(right[key]) for key in right]
        errors[name] = float(np.sqrt(np.mean(np.square(off))))
    most = 2 * errors.get("torch", MOST_IN_FLOAT32 / 2) + AGREES
    if not errors["minidet"] <= most:
        raise DisagreementError(f"training step: the gradients are off by {errors['minidet']:.1e}, above {most:.1e}")
    return errors


def run_step(name: str, *, size: str, against: Sequence[str], repeats: int) -> dict[str, Any]:
    """Check, then time, one training step of a network in all programs; as plain data, like an operator's result."""
    height, width = _size(size)
    with tempfile.TemporaryDirectory() as folder:
        cfg = Path(folder, f"{name}.cfg")
        cfg.write_text(cfg_text(name, (height, width)), encoding="utf-8")
        made = {key: make for key, make in PROGRAMS.items() if key in ("minidet", *against)}
        programs = {key: make(cfg) for key, make in made.items()}
        exact = {key: make(cfg, np.float64) for key, make in made.items()}
    x = np.random.default_rng(1).random((BATCH, 3, height, width), dtype=np.float32)
    errors = check(programs, exact, x)
    del exact
    # Forward, and the gradients by the filters and by the inputs (but not by the images): two per multiply-add of each.
    ours = programs["minidet"].net
    flops = 3 * BATCH * network_flops(ours, (height, width)) - BATCH * first_layer_flops(ours, (height, width))
    gemm, gemm_flops = matrix_product()
    calls = {key: lambda program=program: program.step(x) for key, program in programs.items()}
    timings = in_turns(calls | {BASELINE: gemm}, repeats=repeats, longest=40.0)
    gemm_rate = gemm_flops / timings.pop(BASELINE).median
    return {
        "operator": f"{name}-step",
        "size": f"{height} x {width}, batch {BATCH}",
        "runs": "minidet",
        "refused": {},
        "gemm_gflops": gemm_rate / 1e9,
        "candidates": [_row(p, t, errors[p], flops, gemm_rate, timings["minidet"]) for p, t in timings.items()],
        "profile": profile(lambda: programs["minidet"].step(x)),
    }


def first_layer_flops(net: Any, size: tuple[int, int]) -> float:
    """Those of the first convolution, whose input needs no gradient."""
    layer, shape = net.layers[0], net.shapes(size)[0]
    return float(2 * layer.conv.weight.size * shape[1] * shape[2])


def profile(call: Callable[[], Any]) -> dict[str, float]:
    """The seconds of one call in each differentiable function, forward and backward, and in the optimiser."""
    from unittest import mock

    import minidet.autograd as autograd
    from minidet.train.optim import Optimiser

    seconds: dict[str, float] = {}
    mark = [time.perf_counter()]

    def lap(key: str) -> None:
        now = time.perf_counter()
        seconds[key] = seconds.get(key, 0.0) + now - mark[0]
        mark[0] = now

    carry, step = autograd._carry_back, Optimiser.step

    def carry_back(name: str, vjp: Any, g: Any, parent: Any) -> Any:
        lap("adding up gradients")
        result = carry(name, vjp, g, parent)
        which = " of the parameters" if isinstance(parent, autograd.Tensor) else " of the input"
        lap(f"{name}, gradient{which}")
        return result

    def update(rule: Any) -> None:
        lap("adding up gradients")
        step(rule)
        lap("optimiser")

    with (
        mock.patch.object(autograd, "_carry_back", carry_back),
        mock.patch.object(Optimiser, "step", update),
        autograd.watch(lambda name, inputs, output: lap(name)),
    ):
        mark[0] = time.perf_counter()
        call()
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))
