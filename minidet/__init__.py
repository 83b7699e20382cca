"""minidet: object detection from scratch, with nothing hidden."""

from minidet_kernels.threads import get_threads, set_threads  # before anything that imports NumPy, see its blas.py

from . import functions  # gives Tensor its operators and methods
from .autograd import Tensor, detect_nan, differentiable, no_grad, watch
from .gradcheck import GradientError, gradcheck

__version__ = "0.1.0"

__all__ = [
    "GradientError",
    "Tensor",
    "detect_nan",
    "differentiable",
    "functions",
    "get_threads",
    "gradcheck",
    "no_grad",
    "set_threads",
    "watch",
]
