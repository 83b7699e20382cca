"""Mask R-CNN on ResNet-50 with a pyramid, minidet's and torchvision's in one run: time of an image, and peak memory.

`compared` draws one set of weights, holds the pyramid, the proposals' maps and the masks' logits of minidet against
torchvision's (nothing is timed that was not checked), and then times both in turns on one image, everything from pixels
to pasted masks.  ``python -m benchmarks.rcnn PROGRAM WEIGHTS`` runs one program once, in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .measure import Timing, in_turns, relative_error, threads
from .network import _peak as resident_peak
from .operators import DisagreementError

ROOT = Path(__file__).resolve().parents[1]
CLASSES, SIZE, AGREES = 90, (800, 1344), 1e-4
PROGRAMS = ("minidet", "torchvision")


def image() -> np.ndarray:
    """Drawn tiles with noise, (3, h, w) float32 from 0 to 1."""
    rng, (h, w) = np.random.default_rng(1), SIZE
    tiles = rng.random((3, h // 32, w // 32)).repeat(32, axis=1).repeat(32, axis=2)
    return (0.8 * tiles + 0.2 * rng.random((3, h, w))).astype(np.float32)


def theirs(weights: str | None = None) -> Any:
    """Mask R-CNN of torchvision; without ``weights``, drawn ones, with box predictions that differ from box to box."""
    import torch
    import torchvision

    detection = torchvision.models.detection
    torch.set_num_threads(threads())
    torch.manual_seed(0)
    backbone = detection.backbone_utils.resnet_fpn_backbone(
        backbone_name="resnet50", weights=None, norm_layer=torchvision.ops.FrozenBatchNorm2d, trainable_layers=5
    )
    model = detection.MaskRCNN(backbone, num_classes=1 + CLASSES).eval()
    with torch.no_grad():
        if weights:
            model.load_state_dict(torch.load(weights, weights_only=True))
            return model
        batch, _ = model.transform([torch.from_numpy(image())])
        features, heads = model.backbone(batch.tensors), model.roi_heads
        proposals, _ = model.rpn(batch, features)
        hidden = heads.box_head(heads.box_roi_pool(features, proposals, batch.image_sizes))
        for linear, spread in ((heads.box_predictor.cls_score, 3.0), (heads.box_predictor.bbox_pred, 0.5)):
            linear.weight *= spread / linear(hidden).std(0)[:, None]
            linear.bias -= linear(hidden).mean(0)
    return model


def ours(weights: str) -> Any:
    """minidet's, by plans, from torchvision's file."""
    from minidet import nn
    from minidet.models import build
    from minidet.models.rcnn.planned import PlannedRCNN
    from minidet.weights.foreign import recognised

    found = recognised(weights, "mask-rcnn-r50-fpn")
    assert found is not None
    with nn.init.skipped():
        model: Any = build("mask-rcnn-r50-fpn", classes=CLASSES)
    found.fill(model)
    return PlannedRCNN(model.eval(), weights="frozen")


def runs(program: str, model: Any) -> Callable[[], Any]:
    """One inference of the image."""
    x = image()
    if program == "minidet":
        return lambda: model([x])
    import torch

    def run() -> Any:
        with torch.inference_mode():
            return model([torch.from_numpy(x)])

    return run


def check(planned: Any, model: Any) -> float:
    """The greatest relative difference of maps and of masks' logits; ``DisagreementError`` beyond ``AGREES``."""
    import torch

    with torch.inference_mode():
        batch, _ = model.transform([torch.from_numpy(image())])
        features = model.backbone(batch.tensors)
        logits, deltas = model.rpn.head(list(features.values()))
        boxes = [torch.tensor([[10.0, 20, 300, 400], [700, 300, 900, 500], [5, 5, 40, 50]])]
        masks = model.roi_heads.mask_roi_pool(features, boxes, batch.image_sizes)
        masks = model.roi_heads.mask_predictor(model.roi_heads.mask_head(masks))
    found = planned.dense(np.ascontiguousarray(planned.model.transform([image()]).x.data))
    pairs = list(zip([one for some in found for one in some], [*features.values(), *logits, *deltas], strict=True))
    from minidet.autograd import Tensor, no_grad

    with no_grad():
        pairs.append((planned.heads.mask([Tensor(p) for p in found[0]], [boxes[0].numpy()]).data, masks))
    worst = max(relative_error(mine, wanted.numpy()) for mine, wanted in pairs)
    if not worst <= AGREES:
        raise DisagreementError(f"Mask R-CNN: minidet's maps are {worst:.1e} from torchvision's; {AGREES} is allowed")
    return worst


def peak_mb(program: str, weights: str) -> float:
    """Resident memory at its peak of a fresh process that loads the weights and runs the image."""
    command = [sys.executable, "-m", "benchmarks.rcnn", program, weights]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{program} failed in a process of its own:\n{done.stderr}")
    return float(json.loads(done.stdout.splitlines()[-1])["peak_mb"])


def compared(repeats: int) -> tuple[dict[str, Timing], dict[str, float]]:
    """The times of both programs in turns, after a check, and the peaks of their memory in MB."""
    import torch

    with tempfile.TemporaryDirectory() as folder:
        weights = str(Path(folder) / "x.pth")
        model = theirs()
        torch.save(model.state_dict(), weights)
        planned = ours(weights)
        check(planned, model)
        memory = {program: peak_mb(program, weights) for program in PROGRAMS}
        calls = {"minidet": runs("minidet", planned), "torchvision": runs("torchvision", model)}
        return in_turns(calls, repeats=repeats, longest=float("inf")), memory


if __name__ == "__main__":  # PROGRAM WEIGHTS: one image in a process of its own
    of, file = sys.argv[1:]
    runs(of, ours(file) if of == "minidet" else theirs(file))()
    print(json.dumps({"peak_mb": resident_peak() / 1e6}))
