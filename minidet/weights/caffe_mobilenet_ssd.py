"""MobileNet-SSD's weights from Caffe under our names, with batch norm or with it folded into the convolutions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .foreign import Layout, State

_HEADS = ("conv11", "conv13", "conv14_2", "conv15_2", "conv16_2", "conv17_2")


def _convolutions() -> Iterator[tuple[str, str]]:
    """Caffe's layers and our blocks of a convolution with batch norm."""
    yield "conv0", "backbone.conv0"
    for number in range(1, 14):
        yield f"conv{number}/dw", f"backbone.conv{number}.depthwise"
        yield f"conv{number}", f"backbone.conv{number}.pointwise"
    for block in range(4):
        for which in (1, 2):
            yield f"conv{14 + block}_{which}", f"extras.{block}.conv{which}"


def _normed() -> Iterator[tuple[str, str]]:
    """Caffe's two layers of a batch norm, array by array."""
    for theirs, ours in _convolutions():
        for part in ("bn.running_mean", "bn.running_var", "scale.weight", "scale.bias"):
            yield f"{theirs}/{part}", f"{ours}.bn.{part.partition('.')[2]}"


#: Caffe's names of layers to ours, of the net into whose convolutions batch norm was folded.
FOLDED: Mapping[str, str] = {theirs: f"{ours}.conv" for theirs, ours in _convolutions()} | {
    f"{layer}_mbox_{theirs}": f"{ours}.{number}"
    for theirs, ours in (("loc", "locations"), ("conf", "logits"))
    for number, layer in enumerate(_HEADS)
}
#: The same with the arrays of batch norm.
NORMED: Mapping[str, str] = {**FOLDED, **dict(_normed())}


def _told(state: State, *, folded: bool) -> dict[str, Any]:
    """The classes, by a bias of the logits: each cell of the first map has three boxes."""
    bias = state.get("conv11_mbox_conf.bias")
    classes = {} if bias is None or bias.size < 6 else {"classes": bias.size // 3 - 1}
    return {"options": {"folded": True} if folded else {}, **classes}


_WHAT = "Caffe's MobileNet-SSD"
LAYOUT = Layout(_WHAT, frozenset({"ssd-mobilenet"}), NORMED, lambda state: _told(state, folded=False))
#: Its names are among those of ``LAYOUT``, so it is to be asked first.
FOLDED_LAYOUT = Layout(
    f"{_WHAT} without batch norm", frozenset({"ssd-mobilenet"}), FOLDED, lambda state: _told(state, folded=True)
)
