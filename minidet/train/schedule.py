"""Learning rates as functions of the step, counted from 0."""

from __future__ import annotations

import math
from collections.abc import Sequence


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
