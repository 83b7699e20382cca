"""Arrays of 2^31 elements or more: every CUDA implementation refuses them in words, or counts in 64 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minidet_kernels import OPS
from minidet_kernels.cuda import runs_on, too_large
from minidet_kernels.table import _asked

PAIRS = [(op, impl) for op in OPS.values() for impl in op.impls.values() if impl.needs == ("cupy",)]
COUNTED = {"leaky_relu", "silu", "mish", "leaky_relu_grad", "silu_grad", "mish_grad", "sgd_update", "adam_update"}


def of(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    """An array of this shape that takes no memory."""
    return np.broadcast_to(np.zeros((), dtype), shape)


MAP, SMALL, BOXES, FEW = of(64, 64, 1024, 512), of(64, 64, 4, 4), of(2**29, 4), of(9, 4)
WHOLE, ROIS, ALL = of(64, 64, 1024, 512, dtype=np.int64), of(70000, 5), of(70000, 64, 32, 32)
THREE, ONE = of(64, 64, 3, 3), of(64, 64, 1, 1)
SCORES, CLASSES = of(2**29), of(2**29, dtype=np.int64)
CONVOLUTION = {"padding": 1}

#: A call of each operator with more than an int counts: what is read, what is written, or both.
HUGE: dict[str, list[tuple[tuple[Any, ...], dict[str, Any]]]] = {
    "conv2d": [((MAP, THREE), CONVOLUTION), ((of(64, 1, 1024, 1024), of(64, 1, 1, 1)), {})],
    "conv2d_fused": [((MAP, THREE), CONVOLUTION), ((of(64, 1, 1024, 1024), of(64, 1, 1, 1)), {})],
    "conv2d_grad_x": [((MAP, THREE), {"shape": MAP.shape, **CONVOLUTION})],
    "conv2d_grad_w": [((MAP, MAP), {"shape": THREE.shape, **CONVOLUTION})],
    "iou_matrix": [((BOXES, FEW), {}), ((FEW, BOXES), {})],
    "crowd_iou_matrix": [((BOXES, FEW, of(9, dtype=bool)), {}), ((FEW, BOXES, of(2**29, dtype=bool)), {})],
    "match": [((BOXES, FEW), {}), ((FEW, BOXES), {})],
    **{f"{name}_matrix": [((BOXES, FEW), {}), ((FEW, BOXES), {})] for name in ("giou", "diou", "ciou")},
    **{f"{name}_pairs": [((BOXES, BOXES), {})] for name in ("iou", "giou", "diou", "ciou")},
    **{f"batch_norm{name}_train": [((MAP, of(64), of(64)), {})] for name in ("", "_act")},
    "batch_norm_grad": [((MAP, MAP, of(64), of(64), of(64)), {})],
    "batch_norm_act_grad": [((MAP, MAP, of(64), of(64), of(64), of(64)), {"activation": "mish"})],
    "max_pool2d": [((MAP,), {"size": 5, "stride": 1, "padding": 2})],
    "max_pool2d_grad_x": [((MAP, WHOLE), {"shape": MAP.shape}), ((SMALL, WHOLE[:, :, :4, :4]), {"shape": MAP.shape})],
    "avg_pool2d": [((MAP,), {"size": 3, "stride": 1, "padding": 1})],
    "avg_pool2d_grad_x": [((MAP,), {"shape": MAP.shape, "size": 3, "stride": 1, "padding": 1})],
    "crop_and_resize": [
        ((MAP, ROIS[:9, :4], of(9, dtype=np.int64)), {"size": (7, 7)}),
        ((SMALL, ROIS[:, :4], of(70000, dtype=np.int64)), {"size": (32, 32)}),
    ],
    "crop_and_resize_grad_x": [((ALL, ROIS[:, :4], of(70000, dtype=np.int64)), {"shape": (1, 64, 8, 8)})],
    "crop_and_resize_grad_boxes": [((ALL, SMALL, ROIS[:, :4], of(70000, dtype=np.int64)), {})],
    "roi_align": [((MAP, ROIS[:9]), {"output_size": (7, 7)}), ((SMALL, ROIS), {"output_size": (32, 32)})],
    "roi_align_grad_x": [
        ((ALL, ROIS), {"shape": SMALL.shape}),
        ((ALL, ROIS, SMALL), {"shape": SMALL.shape, "mode": "max"}),
    ],
    "roi_pool": [((MAP, ROIS[:9]), {"output_size": (7, 7)}), ((SMALL, ROIS), {"output_size": (32, 32)})],
    "roi_pool_grad_x": [((ALL, of(*ALL.shape, dtype=np.int64), ROIS), {"shape": SMALL.shape})],
    "resize": [((MAP,), {"size": (8, 8), "mode": mode}) for mode in ("nearest", "bilinear")],
    "resize_grad_x": [((MAP,), {"shape": SMALL.shape, "mode": mode}) for mode in ("nearest", "bilinear")],
    "nms": [((BOXES, SCORES), {"threshold": 0.5})],
    **{name: [((BOXES, SCORES), {"threshold": 0.5})] for name in ("batched_nms", "diou_nms", "fast_nms")},
    **{name: [((BOXES, SCORES), {})] for name in ("soft_nms", "matrix_nms")},
    "matrix_nms_of": [((of(2**16, 2**16), SCORES[: 2**16]), {})],
}


def test_every_operator_is_here() -> None:
    assert {op.name for op, _ in PAIRS} == set(HUGE) | COUNTED


@pytest.mark.parametrize(("op", "impl"), PAIRS, ids=[f"{op.name}-{impl.name}" for op, impl in PAIRS])
def test_too_many_elements_are_refused_in_words(op: Any, impl: Any) -> None:
    if op.name in COUNTED:
        return
    whys = [str(_asked(impl.limits, *args, **options)) for args, options in HUGE[op.name]]
    assert all(why != "None" and "\n" not in why for why in whys), whys
    assert any("2^31" in why or "takes" in why for why in whys), whys


def test_a_block_past_the_last_element_is_counted_too() -> None:
    assert too_large(x=2**31 - 2**24) is None
    assert "2^31" in str(too_large(y=3, x=2**31 - 2**24 + 1))


@pytest.mark.parametrize("name", sorted(COUNTED))
def test_the_others_count_in_64_bits(name: str, cupy: Any) -> None:
    x, found = cupy.asarray(np.ones(5, np.float32)), []
    options = {
        "leaky_relu": {"slope": 0.1},
        "leaky_relu_grad": {"slope": 0.1},
        "sgd_update": {"lr": 0.1},
        "adam_update": {"lr": 0.1, "step": 1},
    }.get(name, {})
    count = {"adam_update": 4}.get(name, 2 if "_" in name.removeprefix("leaky_") and name != "leaky_relu" else 1)
    with runs_on(lambda source, kernel, grid, block, args, shared: found.append(args)):
        OPS[name].using("cuda")(*[x] * count, **options)
    (args,) = found
    assert args[-1].dtype == np.int64
    assert args[-1] == 5
