"""The rungs of strict float32 CUDA kernels above the tiles in shared memory, for the tables of operators."""

from __future__ import annotations

from ..table import Impl


def _impl(name: str, call: str, module: str, limits: str, doubts: str | None) -> Impl:
    """Functions are of the launcher's module, unless they name another."""
    here = f"{__package__}.{module}:"
    rules = {rule: f if f is None or ":" in f else here + f for rule, f in (("limits", limits), ("doubts", doubts))}
    return Impl(name, here + call, arrays={"cupy"}, needs=("cupy",), **rules)


def float32(call: str) -> list[Impl]:
    """Of ``conv2d``, ``conv2d_fused``, ``conv2d_grad_x`` or ``conv2d_grad_w``, slowest first (by count)."""
    after = call.removeprefix("conv2d").replace("_fused", "")  # what the limits' names end in
    limits = f"{__package__}.cuda_limits"
    few, taps = f"{limits}:few_filters{after}", f"{limits}:takes_taps{after}"
    if call == "conv2d_grad_w":
        return [
            _impl("registers", call, "cuda_grad_w", f"{limits}:takes_grad_w", few),
            _impl("depthwise_cuda", call, "cuda_depthwise", "limits_grad_w", "many_filters_grad_w"),
        ]
    rungs = [_impl("registers", call, "cuda_registers", taps, few)]
    if call != "conv2d_grad_x":
        rungs.append(_impl("stem", call, "cuda_stem", "limits", few))
    rungs.append(_impl("pointwise_cuda", call, "cuda_pointwise", f"limits{after}", few))
    if call == "conv2d":
        rungs.append(_impl("winograd_cuda_f2", "conv2d_f2", "cuda_winograd", "limits", "loses_f2"))
    name = "conv2d_f4" if call == "conv2d" else call
    rungs.append(_impl("winograd_cuda_f4", name, "cuda_winograd", f"limits{after}", f"loses{after}_f4"))
    many = "many_filters" if call != "conv2d_grad_x" else None
    rungs.append(_impl("depthwise_cuda", call, "cuda_depthwise", f"limits{after}", many))
    return rungs
