"""Learning rates as functions of the step, counted from 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence


def warmup_cosine(step: int, *, total: int, peak: float, warmup: int = 0, floor: float = 0.0) -> float:
    """Rise linearly to ``peak`` over ``warmup`` steps (the first is ``peak / warmup``), then fall along half a cosine.

    Step ``warmup`` has ``peak`` and step ``total`` would have ``floor``; later steps keep ``floor``.
    """
    if not 0 <= warmup < total:
        raise ValueError(f"warmup must lie in [0, total), found {warmup} of {total} steps")
    if step < warmup:
        return peak * ((step + 1) / warmup)
    done = min((step - warmup) / (total - warmup), 1.0)
    return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * done))


def darknet_steps(
    step: int,
    *,
    lr: float,
    burn_in: int = 1000,
    power: float = 4,
    steps: Sequence[int] = (),
    scales: Sequence[float] = (),
) -> float:
    """Darknet's ``policy=steps``: ``lr (step / burn_in)^power`` while burning in, then ``lr`` times each scale passed.

    YOLOv3 was trained with lr 1e-3, burn_in 1000, steps 400000, 450000 and scales .1, .1 in batches of 64.
    """
    if len(steps) != len(scales):
        raise ValueError(f"steps and scales come in pairs, found {len(steps)} and {len(scales)}")
    if step < burn_in:
        return lr * (step / burn_in) ** power
    return lr * math.prod(scale for at, scale in zip(steps, scales, strict=True) if step >= at)


def constant(step: int, *, lr: float) -> float:
    """``lr``, whatever the step."""
    return lr


def step_decay(step: int, *, lr: float, every: int, factor: float = 0.1) -> float:
    """``lr`` times ``factor`` at every multiple of ``every`` steps."""
    if every < 1:
        raise ValueError(f"every must be at least 1 step, found {every}")
    return lr * factor ** (step // every)


def multi_step(step: int, *, lr: float, at: Sequence[int], factors: Sequence[float]) -> float:
    """``lr`` times each factor whose step has come; from step ``at[i]`` on, ``factors[i]`` holds."""
    if len(at) != len(factors):
        raise ValueError(f"at and factors come in pairs, found {len(at)} and {len(factors)}")
    return lr * math.prod(factor for when, factor in zip(at, factors, strict=True) if step >= when)


def cosine(step: int, *, lr: float, total: int, floor: float = 0.0) -> float:
    """Half a cosine from ``lr`` at step 0 to ``floor`` at step ``total`` and after (Loshchilov and Hutter 2017)."""
    return floor + (lr - floor) * 0.5 * (1 + math.cos(math.pi * _share(step, total)))


def linear(step: int, *, lr: float, total: int, floor: float = 0.0) -> float:
    """A straight line from ``lr`` at step 0 to ``floor`` at step ``total`` and after."""
    return lr + (floor - lr) * _share(step, total)


def warmed(step: int, *, after: Callable[[int], float], warmup: int, power: float = 1.0) -> float:
    """Rise to the rate that ``after(0)`` gives over ``warmup`` steps, then ``after(step - warmup)``.

    Step ``s`` of the warm-up has ``((s + 1) / warmup) ** power`` of it, so no step is wasted on a rate of 0 (Darknet's
    burn-in, ``darknet_steps``, begins with 0).
    """
    if warmup < 0:
        raise ValueError(f"warmup must not be negative, found {warmup}")
    if step < warmup:
        return after(0) * ((step + 1) / warmup) ** power
    return after(step - warmup)


def _share(step: int, total: int) -> float:
    if total < 1:
        raise ValueError(f"total must be at least 1 step, found {total}")
    return min(step / total, 1.0)
