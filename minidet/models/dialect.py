"""The forms of batch normalisation that go by the name of Darknet's.

They differ in where the epsilon stands and how large it is, which moves the logits of real networks by about 1e-2:

- ``alexeyab``: ``1 / sqrt(v + 1e-5)``; AlexeyAB's Darknet since 2020 (commit e910f4a8), hank-ai's, and
  pjreddie's GPU code.
- ``pjreddie-cpu``: ``1 / (sqrt(v) + 1e-6)``; pjreddie's CPU code, and AlexeyAB's before 2020.
- ``opencv``: ``1 / sqrt(v + 1e-6)``; OpenCV's DNN module.

In training, all of Darknet normalises with the *unbiased* variance of the batch, and keeps it so; the running
statistics move by 1/10 of the way in AlexeyAB's code, by 1/100 in pjreddie's.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .. import nn

#: Dialect name to the options of `nn.BatchNorm2d` that it sets.
EPSILONS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "alexeyab": {"eps": 1e-5, "epsilon": "inside", "momentum": 0.1},
        "pjreddie-cpu": {"eps": 1e-6, "epsilon": "outside", "momentum": 0.01},
        "opencv": {"eps": 1e-6, "epsilon": "inside", "momentum": 0.1},
    }
)


def batch_norm(channels: int, dialect: str = "alexeyab") -> nn.BatchNorm2d:
    """Batch normalisation over ``channels`` in a dialect; raises ``ValueError`` for one that is not named above."""
    if dialect not in EPSILONS:
        raise ValueError(f"no batch-norm dialect is named {dialect!r}; there are {', '.join(EPSILONS)}")
    return nn.BatchNorm2d(channels, variance="unbiased", running_variance="unbiased", **EPSILONS[dialect])
