"""The heads: small networks that look at the features of one box."""

from __future__ import annotations

from ... import functions as F
from ... import nn
from ...autograd import Tensor


class TwoMLPHead(nn.Module):
    """Two fully connected layers with ReLU: (K, C, size, size) to (K, hidden)."""

    def __init__(self, channels: int, size: int, hidden: int, *, rng: nn.init.Rng = None) -> None:
        self.fc6 = nn.Linear(channels * size * size, hidden, rng=rng)
        self.fc7 = nn.Linear(hidden, hidden, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        """What is known of each box."""
        k, c, h, w = x.shape
        return F.relu(self.fc7(F.relu(self.fc6(x.reshape(k, c * h * w)))))


class BoxPredictor(nn.Module):
    """(K, hidden) to class logits (K, 1 + classes), "nothing" first, and a box's differences for each of them."""

    def __init__(self, hidden: int, classes: int, *, rng: nn.init.Rng = None) -> None:
        self.cls_score = nn.Linear(hidden, 1 + classes, rng=rng)
        self.bbox_pred = nn.Linear(hidden, 4 * (1 + classes), rng=rng)
        for linear, std in ((self.cls_score, 0.01), (self.bbox_pred, 0.001)):
            linear.weight.data[...] = nn.init.normal(linear.weight.shape, std, rng)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (K, 1 + classes) and differences (K, 4 (1 + classes))."""
        return self.cls_score(x), self.bbox_pred(x)


class MaskHead(nn.Module):
    """Four 3 x 3 convolutions with ReLU: (K, C, 14, 14) to (K, channels, 14, 14)."""

    def __init__(self, c_in: int, channels: int, *, rng: nn.init.Rng = None) -> None:
        self.mask_fcn1 = nn.Conv2d(c_in, channels, 3, padding=1, rng=rng)
        self.mask_fcn2 = nn.Conv2d(channels, channels, 3, padding=1, rng=rng)
        self.mask_fcn3 = nn.Conv2d(channels, channels, 3, padding=1, rng=rng)
        self.mask_fcn4 = nn.Conv2d(channels, channels, 3, padding=1, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        """What is known of each place of each box."""
        for conv in (self.mask_fcn1, self.mask_fcn2, self.mask_fcn3, self.mask_fcn4):
            x = F.relu(conv(x))
        return x


class MaskPredictor(nn.Module):
    """A transposed convolution to twice the size, ReLU, 1 x 1: (K, C, 14, 14) to logits (K, 1 + classes, 28, 28)."""

    def __init__(self, channels: int, classes: int, *, rng: nn.init.Rng = None) -> None:
        self.conv5_mask = nn.ConvTranspose2d(channels, channels, 2, stride=2, rng=rng)
        # each output of it has one tap of every channel, not the four that its fan-in counts
        self.conv5_mask.weight.data *= self.conv5_mask.weight.dtype.type(2)
        self.mask_fcn_logits = nn.Conv2d(channels, 1 + classes, 1, rng=rng)
        self.mask_fcn_logits.weight.data[...] = nn.init.normal(self.mask_fcn_logits.weight.shape, 0.01, rng)

    def forward(self, x: Tensor) -> Tensor:
        """A mask for each class."""
        return self.mask_fcn_logits(F.relu(self.conv5_mask(x)))


class KeypointHead(nn.Sequential):
    """Eight 3 x 3 convolutions with ReLU: (K, C, 14, 14) to (K, channels, 14, 14)."""

    def __init__(self, c_in: int, channels: int, *, count: int = 8, rng: nn.init.Rng = None) -> None:
        layers: list[nn.Module] = []
        for c in (c_in, *(channels,) * (count - 1)):
            layers += [nn.Conv2d(c, channels, 3, padding=1, rng=rng), nn.ReLU()]
        super().__init__(*layers)


class KeypointPredictor(nn.Module):
    """A transposed convolution and bilinear doubling: (K, C, 14, 14) to logits (K, keypoints, 56, 56)."""

    def __init__(self, channels: int, keypoints: int, *, rng: nn.init.Rng = None) -> None:
        self.kps_score_lowres = nn.ConvTranspose2d(channels, keypoints, 4, stride=2, padding=1, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        """Where each point is."""
        return F.upsample(self.kps_score_lowres(x), factor=2, mode="bilinear", coordinates="half_pixel")
