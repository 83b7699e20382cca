"""The training loop: forward, loss, backward, step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..nn.module import Module
from .optim import Optimiser
from .progress import Report


def fit(
    model: Module,
    loss: Callable[[Any, Any], Tensor],
    batches: Iterable[tuple[np.ndarray, Sequence[Any]]],
    optimiser: Optimiser,
    *,
    steps: int,
    schedule: Callable[[int], float] | None = None,
    report: Report | None = None,
) -> list[float]:
    """Train for ``steps`` batches; the loss at each step, as it was before the step.

    ``batches`` yields (input array, truths), and the inputs are copied to the model's device if they are not there;
    ``loss(model(Tensor(input)), truths)`` is a scalar tensor; ``schedule(step)`` is the learning rate.  The model is
    left in training mode.  Raises ``FloatingPointError`` naming the step when the loss is not finite, before anything
    is changed by it, and ``ValueError`` when there are too few batches.
    """
    model.train()
    history: list[float] = []
    recent = 0.0
    for step, (inputs, truths) in enumerate(islice(batches, steps)):
        if schedule is not None:
            optimiser.set_lr(schedule(step))
        optimiser.zero_grad()
        value = loss(model(Tensor(model.to_device(inputs))), truths)
        history.append(value.item())
        if not np.isfinite(history[-1]):
            raise FloatingPointError(
                f"the loss is {history[-1]} at step {step}; lower the learning rate, or look with minidet.detect_nan()"
            )
        value.backward()
        optimiser.step()
        recent = history[-1] if step == 0 else 0.95 * recent + 0.05 * history[-1]
        if report is not None:
            report(step + 1, f"loss {recent:.2f}")
    if len(history) < steps:
        raise ValueError(f"the batches ended after {len(history)} of {steps} steps")
    return history
