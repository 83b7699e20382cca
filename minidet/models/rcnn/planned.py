"""An R-CNN by inference plans: what is dense (backbone, pyramid, proposals' maps) as one, and each head of maps as one.

Everything between them, that is the selection of boxes and RoIAlign, is the network's own.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import nn
from ...autograd import Tensor, no_grad
from ...plan import Plan
from .instances import Instances
from .model import RCNN
from .transform import Batch

#: Heads run on whole multiples of so many boxes, since a plan is prepared for each shape that it meets.
AT_ONCE = 16


class Dense(nn.Module):
    """All maps of an `RCNN`: x (N, 3, H, W) to (features, logits, deltas), a tuple and two lists, a level each."""

    def __init__(self, model: RCNN) -> None:
        self.backbone, self.head = model.backbone, model.rpn.head

    def forward(self, x: Tensor) -> tuple[Any, ...]:
        """The pyramid, and the proposals' logits and differences."""
        features = self.backbone(x)
        return (features, *self.head(features))


class _PlannedHead(nn.Module):
    """A network of each box's own maps, (K, C, h, w) to (K, ...), by a plan."""

    def __init__(self, net: nn.Module, weights: str) -> None:
        self._net, self._plan = [net], Plan(net.eval(), weights=weights)

    def forward(self, x: Tensor) -> Tensor:
        """What the network returns."""
        k = len(x)
        if k == 0:
            return self._net[0](x)
        padded = np.zeros((-(-k // AT_ONCE) * AT_ONCE, *x.shape[1:]), np.float32)
        padded[:k] = x.data
        return Tensor(self._plan(padded)[:k])


class PlannedRCNN:
    """``model`` in inference mode, prepared: ``found`` is the model's, faster.  For NumPy arrays of float32.

    ``weights``: see `minidet.plan.Plan`.
    """

    def __init__(self, model: RCNN, *, weights: str = "checked") -> None:
        self.model = model
        self.dense = Plan(Dense(model).eval(), weights=weights)
        self.heads = heads = copy.copy(model.roi_heads)
        for name in ("mask", "keypoint"):
            if hasattr(heads, f"{name}_head"):
                parts = (getattr(heads, f"{name}_{part}") for part in ("head", "predictor"))
                setattr(heads, f"{name}_head", _PlannedHead(nn.Sequential(*parts), weights))
                setattr(heads, f"{name}_predictor", nn.Identity())

    def found(
        self, images: Sequence[Any], *, score: float | None = None, threshold: float | None = None
    ) -> tuple[Batch, list[Instances]]:
        """`RCNN.found`."""
        rpn = self.model.rpn
        with no_grad():
            batch = self.model.transform(images)
            maps = self.dense(np.ascontiguousarray(batch.x.data))
            features, logits, deltas = ([Tensor(one) for one in some] for some in maps)
            proposals = rpn.propose(*rpn.rows(logits, deltas), rpn.anchors(features, batch.padded), batch.sizes)
            return batch, self.heads(features, proposals, batch, score=score, threshold=threshold)

    def __call__(self, images: Sequence[Any]) -> list[Instances]:
        """`RCNN.forward`."""
        batch, found = self.found(images)
        return self.model.transform.postprocess(found, batch, rule=self.model.paste_rule)
