"""The rungs of the convolutions that round their inputs for the tensor cores, for the tables of operators."""

from __future__ import annotations

from ..table import Impl

#: What inputs are rounded to: 8, 5 and 8 bits of exponent, and 11, 11 and 8 of precision.
#: tf32x3 makes three products of one, and loses little.
KINDS = ("tf32x3", "tf32", "f16", "bf16")


def wgmma(call: str, takes: str = "takes_wgmma", launcher: str = "cuda_wgmma") -> Impl:
    """``wgmma_bf16`` of a call, for Hopper alone.  It has never run on a GPU: it has to be asked for."""
    return Impl(
        "wgmma_bf16",
        f"{__package__}.{launcher}:{call}",
        arrays={"cupy"},
        needs=("cupy", "cuda.bindings"),
        limits=f"{__package__}.cuda_mma_limits:{takes}",
        doubts=f"{__package__}.cuda_mma_limits:never_run",
    )


def tensor_cores(call: str, takes: str) -> list[Impl]:
    """``mma_tf32x3``, ``mma_tf32``, ``mma_f16``, ``mma_bf16`` of a call, which have to be asked for by ``pin``."""
    limits = f"{__package__}.cuda_mma_limits"
    return [
        Impl(
            f"mma_{kind}",
            f"{__package__}.cuda_mma_{kind}:{call}",
            arrays={"cupy"},
            needs=("cupy",),
            limits=f"{limits}:{takes}",
            doubts=f"{limits}:rounds_to_{kind}",
        )
        for kind in KINDS
    ]
