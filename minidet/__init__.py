"""minidet: object detection from scratch, with nothing hidden."""

import minidet_kernels as _kernels  # noqa: F401  before anything that imports NumPy, see its blas.py

from . import functions  # gives Tensor its operators and methods
from .autograd import Tensor, detect_nan, differentiable, no_grad, watch
from .gradcheck import GradientError, gradcheck

__version__ = "0.1.0"

__all__ = ["GradientError", "Tensor", "detect_nan", "differentiable", "functions", "gradcheck", "no_grad", "watch"]
