"""A Darknet network small enough to be made in a test: one class, 48 boxes, and its weights."""

from __future__ import annotations

import warnings
from pathlib import Path

CFG = """\
[net]
width=32
height=32
channels=3

[convolutional]
batch_normalize=1
filters=8
size=3
stride=4
pad=1
activation=leaky

[convolutional]
filters=18
size=3
stride=2
pad=1
activation=linear

[yolo]
mask=0,1,2
anchors=4,4, 10,14, 23,27
classes=1
num=3
"""


def tiny(folder: Path, seed: int = 0, text: str = CFG) -> tuple[Path, Path]:
    """`tiny.cfg` and `tiny.weights`, with seeded weights, in `folder`."""
    from minidet.darknet.network import DarknetNetwork
    from minidet.weights import darknet

    cfg, weights = folder / "tiny.cfg", folder / "tiny.weights"
    cfg.write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        darknet.save(DarknetNetwork(cfg, rng=seed), weights)
    return cfg, weights
