"""What is done with a sum besides the bias, as ``epilogue.cuh`` takes it."""

from __future__ import annotations

import numpy as np

from .fused import ACTIVATIONS

#: The kernels' ``Epilogue``, which is handed over by value.
EPILOGUE = np.dtype([("activation", np.int32), ("residual_first", np.int32), ("slope", np.float32)])
NOTHING = np.array((0, 0, 0.0), EPILOGUE)


def epilogue(activation: str = "linear", slope: float = 0.1, order: str = "activation_first") -> np.ndarray:
    """``conv2d_fused``'s words as numbers."""
    return np.array((ACTIVATIONS.index(activation), order == "residual_first", slope), EPILOGUE)
