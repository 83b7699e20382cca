"""Convolution layers."""

from __future__ import annotations

from typing import Any

from .. import functions as F
from ..autograd import Tensor
from . import init
from .module import Module, Parameter

Size = int | tuple[int, int]


def pair(size: Size) -> tuple[int, int]:
    """(vertical, horizontal)."""
    return size if isinstance(size, tuple) else (size, size)


def _check_groups(name: str, c_in: int, c_out: int, groups: int) -> None:
    if min(c_in, c_out, groups) < 1 or c_in % groups or c_out % groups:
        raise ValueError(
            f"{name}: {c_in} and {c_out} channels in {groups} groups; both must be multiples of the groups"
        )


class Conv2d(Module):
    """Cross-correlation with filters and an optional bias: (N, c_in, H, W) -> (N, c_out, oh, ow).

    ``weight`` (c_out, c_in / groups, kh, kw) is drawn by ``init.kaiming_uniform``, ``bias`` (c_out,) starts at 0, or
    is ``None`` with ``bias=False``.  ``size``, ``stride``, ``padding`` and ``dilation`` are one number or (vertical,
    horizontal).
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        size: Size,
        *,
        stride: Size = 1,
        padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        rng: init.Rng = None,
    ) -> None:
        _check_groups("Conv2d", c_in, c_out, groups)
        self.weight = Parameter(init.kaiming_uniform((c_out, c_in // groups, *pair(size)), rng=rng))
        self.bias = Parameter(init.zeros((c_out,))) if bias else None
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups

    def forward(self, x: Any) -> Tensor:
        """The convolved maps."""
        return F.conv2d(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )


class ConvTranspose2d(Module):
    """The adjoint of ``Conv2d`` in its input: (N, c_in, h, w) -> (N, c_out, H, W).

    ``weight`` (c_in, c_out / groups, kh, kw), ``bias`` (c_out,) or ``None``; H = (h - 1) stride - 2 padding
    + dilation (kh - 1) + 1 + output_padding, with output_padding smaller than the stride.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        size: Size,
        *,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        rng: init.Rng = None,
    ) -> None:
        _check_groups("ConvTranspose2d", c_in, c_out, groups)
        self.weight = Parameter(init.kaiming_uniform((c_in, c_out // groups, *pair(size)), rng=rng))
        self.bias = Parameter(init.zeros((c_out,))) if bias else None
        self.stride, self.padding, self.output_padding = stride, padding, output_padding
        self.dilation, self.groups = dilation, groups

    def forward(self, x: Any) -> Tensor:
        """The enlarged maps."""
        return F.conv_transpose2d(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            dilation=self.dilation,
            groups=self.groups,
        )
