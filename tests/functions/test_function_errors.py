"""Bad input gets one clear line."""

import numpy as np
import pytest

import minidet.functions as F
from minidet import Tensor

X = np.ones((2, 3, 4, 5))

BAD = {
    "axis of a sum": (lambda: F.sum(X, axis=4), "axis 4 of an array of 4 axes; use -4 to 3"),
    "axis twice": (lambda: F.sum(X, axis=(1, -3)), "names an axis twice"),
    "axis of a scalar": (lambda: F.sum(np.ones(()), axis=0), "axis 0 of a scalar"),
    "maximum of nothing": (lambda: F.max(np.ones((2, 0)), axis=1), "there are no elements"),
    "mean of nothing": (lambda: F.mean(np.ones((2, 0))), "there are no elements"),
    "logsumexp of nothing": (lambda: F.logsumexp(np.ones(0)), "there are no elements"),
    "softmax of nothing": (lambda: F.softmax(np.ones((2, 0))), "there is nothing to normalise"),
    "softmax axis": (lambda: F.log_softmax(X, axis=4), "softmax along axis 4"),
    "clip without bounds": (lambda: F.clip(X), "give at least one"),
    "condition": (lambda: F.where(np.ones(2), 1.0, 2.0), "to make it bool"),
    "concatenate a list": (lambda: F.concatenate([X, X], axis=1), "by position"),
    "stack nothing": (lambda: F.stack(axis=0), "by position"),
    "gather by floats": (lambda: F.gather(X, X, axis=0), "integers are expected"),
    "gather of another rank": (lambda: F.gather(X, np.array([0]), axis=0), "other rank"),
    "pad": (lambda: F.pad(X, widths=[(1, 1)]), "one pair of sizes >= 0 per axis"),
    "negative pad": (lambda: F.pad(np.ones(3), widths=[(-1, 0)]), "one pair of sizes >= 0 per axis"),
    "slopes": (lambda: F.prelu(X, np.ones(4)), "one per channel"),
    "gelu": (lambda: F.gelu(X, approximate="erf"), "no approximation 'erf'"),
    "linear": (lambda: F.linear(X, np.ones((2, 4))), r"\(\.\.\., K\) and \(O, K\) are expected"),
    "channels": (lambda: F.conv_transpose2d(X, np.ones((2, 1, 3, 3))), "with the same C"),
    "output padding": (
        lambda: F.conv_transpose2d(X, np.ones((3, 1, 3, 3)), stride=2, output_padding=2),
        "output_padding 2 with stride 2; 0 to 1 is expected",
    ),
    "bias": (lambda: F.conv_transpose2d(X, np.ones((3, 1, 3, 3)), np.ones(2)), r"\(1,\) is expected"),
    "no output": (lambda: F.conv_transpose2d(X, np.ones((3, 1, 1, 1)), padding=3), "leaves no output"),
    "pixels": (lambda: F.global_avg_pool2d(np.ones((1, 2, 0, 3))), "with pixels is expected"),
    "factor": (lambda: F.upsample(Tensor(X), factor=1.5), "whole factor"),
    "factor 0": (lambda: F.upsample(Tensor(X), factor=0), "whole factor"),
    "reduction": (lambda: F.mse(X, X, reduction="avg"), "'mean', 'sum' or 'none', not 'avg'"),
    "shapes of a loss": (lambda: F.mse(np.ones((3, 1)), np.ones(3)), r"shapes \(3, 1\) and \(3,\) differ"),
    "number as target": (lambda: F.bce_with_logits(np.ones(3), 1.0), "differ"),
    "beta": (lambda: F.smooth_l1(X, X, beta=-1.0), "beta -1.0"),
    "gamma": (lambda: F.focal(X, X, gamma=-1.0), "gamma -1.0"),
    "boxes": (lambda: F.iou_loss(np.ones((3, 4)), np.ones((1, 4))), r"of one shape \(\.\.\., 4\).* not \(3, 4\) and"),
    "kind of overlap": (lambda: F.iou_loss(np.ones(4), np.ones(4), kind="eiou"), "kind is one of 'iou',.* not 'eiou'"),
    "alpha": (lambda: F.iou_loss(np.ones(4), np.ones(4), alpha=0.5), "alpha is one of 'detached', 'attached', not 0.5"),
    "weight": (lambda: F.bce_with_logits(np.ones(3), np.ones(3), weight=np.ones((2, 1))), "broadcast logits"),
    "class": (lambda: F.cross_entropy(np.ones((2, 3)), np.array([0, 3])), "target 3 with 3 classes"),
    "negative class": (lambda: F.cross_entropy(np.ones((2, 3)), np.array([0, -1])), "target -1 with 3 classes"),
    "targets": (lambda: F.cross_entropy(np.ones((2, 3)), np.array([[0, 1]])), "targets"),
    "float targets": (lambda: F.cross_entropy(np.ones((2, 3)), np.ones(2)), "class numbers as integers"),
    "class weights": (lambda: F.cross_entropy(np.ones((2, 3)), np.zeros(2, int), weight=np.ones(2)), "for 3 classes"),
    "smoothing": (lambda: F.cross_entropy(np.ones((2, 3)), np.zeros(2, int), label_smoothing=2), "0 to 1"),
    "block": (lambda: F.drop_block(np.ones((2, 3)), rng=0), r"\(N, C, H, W\)"),
}


@pytest.mark.parametrize("name", BAD)
def test_one_clear_line(name):
    call, message = BAD[name]
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_losses_over_nothing():
    empty = np.ones((0, 3))
    assert F.mse(empty, empty, reduction="sum").item() == 0
    assert np.isnan(F.mse(empty, empty).item())
    ignored = F.cross_entropy(np.ones((2, 3)), np.array([-100, -100]))
    assert np.isnan(ignored.item())


def test_an_optional_input_may_be_named():
    x, w = np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3))
    bias = Tensor(np.array([5.0]), requires_grad=True)
    y = F.conv2d(x, w, bias=bias)
    assert y.item() == 14
    y.backward(np.ones((1, 1, 1, 1)))
    assert bias.grad.tolist() == [1]
