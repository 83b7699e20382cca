"""VGG-16 as SSD uses it: thirteen convolutions by their names, the fully connected layers made into convolutions.

Simonyan and Zisserman, "Very Deep Convolutional Networks" (2014), configuration D; fc6 and fc7 as in Liu et al. 2016,
section 3: fc6 has 3 x 3 filters with dilation 6, pool5 is 3 x 3 with stride 1.
"""

from __future__ import annotations

from .. import functions as F
from .. import nn
from ..autograd import Tensor
from .blocks import channels


class VGG16(nn.Module):
    """Images (N, 3, h, w) to two maps: conv4_3 (N, 512 width, h/8, w/8) and fc7 (N, 1024 width, h/16, w/16).

    Sides are rounded up by pool3 (ceil: 75 becomes 38) and down by the other pools.
    """

    def __init__(self, *, width: float = 1.0, rng: nn.init.Rng = None) -> None:
        c1, c2, c3, c4, c6 = channels(width, 64, 128, 256, 512, 1024)
        self.out_channels = c4, c6

        def conv(c_in: int, c_out: int) -> nn.Conv2d:
            return nn.Conv2d(c_in, c_out, 3, padding=1, rng=rng)

        self.conv1_1, self.conv1_2 = conv(3, c1), conv(c1, c1)
        self.conv2_1, self.conv2_2 = conv(c1, c2), conv(c2, c2)
        self.conv3_1, self.conv3_2, self.conv3_3 = conv(c2, c3), conv(c3, c3), conv(c3, c3)
        self.conv4_1, self.conv4_2, self.conv4_3 = conv(c3, c4), conv(c4, c4), conv(c4, c4)
        self.conv5_1, self.conv5_2, self.conv5_3 = conv(c4, c4), conv(c4, c4), conv(c4, c4)
        self.fc6 = nn.Conv2d(c4, c6, 3, padding=6, dilation=6, rng=rng)
        self.fc7 = nn.Conv2d(c6, c6, 1, rng=rng)
        self.pool, self.pool3 = nn.MaxPool2d(2), nn.MaxPool2d(2, convention="caffe")
        self.pool5 = nn.MaxPool2d(3, 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """conv4_3 and fc7, both after their ReLU."""

        def through(x: Tensor, *convs: nn.Conv2d) -> Tensor:
            for conv in convs:
                x = F.relu(conv(x))
            return x

        x = self.pool(through(x, self.conv1_1, self.conv1_2))
        x = self.pool(through(x, self.conv2_1, self.conv2_2))
        x = self.pool3(through(x, self.conv3_1, self.conv3_2, self.conv3_3))
        conv4_3 = through(x, self.conv4_1, self.conv4_2, self.conv4_3)
        x = through(self.pool(conv4_3), self.conv5_1, self.conv5_2, self.conv5_3)
        return conv4_3, through(self.pool5(x), self.fc6, self.fc7)
