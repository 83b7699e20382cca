"""What is found out about layers of torch, torchvision, ONNX, OpenCV and Pillow."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minidet.conformance import OPERATORS, Fingerprint, Outcome, Target, Verdict, check, fingerprint, laws, profiles

pytestmark = pytest.mark.oracle
HERE = Path(__file__).parent
TORCH, HERE_TOO = "torch.nn.functional:", "layers_targets:"


@pytest.fixture(autouse=True)
def _wrappers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


class Within:
    """A target in this process, where each library is imported once; of torch's own functions, with its tensors."""

    def __init__(self, name: str, path: str, **extra: Any) -> None:
        module, _, function = path.partition(":")
        self.name, self.outputs, self.extra = path, len(OPERATORS[name].outputs), extra
        self.function = getattr(importlib.import_module(module), function)
        self.tensors = module.startswith("torch")

    def call(self, inputs: Mapping[str, Any]) -> Outcome:
        given = [v.copy() if isinstance(v, np.ndarray) else v for v in inputs.values()]
        if self.tensors:
            import torch

            given = [torch.from_numpy(v) if isinstance(v, np.ndarray) else v for v in given]
        try:
            answer = self.function(*given, **self.extra)
        except Exception as error:
            return Outcome("refuses", reason=f"{type(error).__name__}: {error}")
        several = tuple(np.asarray(one) for one in (answer if isinstance(answer, tuple) else (answer,)))
        return Outcome("answers", several if self.outputs > 1 else several[0])


def found(name: str, path: str, dtype: str = "float32", **extra: Any) -> Fingerprint:
    return fingerprint(OPERATORS[name], Within(name, path, **extra), dtype=dtype)


def searched(name: str, path: str, dialect: Mapping[str, str], **extra: Any) -> Verdict:
    operator = OPERATORS[name]
    return check(operator, Within(name, path, **extra), operator.dialect(**dialect), examples=120)


def follows(one: Fingerprint, **values: str) -> None:
    assert not one.unexplained
    assert {name: one.values[name] for name in values} == {name: (value,) for name, value in values.items()}


def is_said_by(profile: str, name: str, path: str, **extra: Any) -> None:
    """All that the profile says is inferred, and nothing departs from it."""
    dialect = dict(profiles()[profile][name])
    follows(found(name, path, **extra), **{k: v for k, v in dialect.items() if k != "short"})
    assert searched(name, path, dialect, **extra).word == "conforms"


@pytest.mark.parametrize(
    ("name", "path", "extra"),
    [
        ("conv2d", TORCH + "conv2d", {}),
        ("conv2d_grad_x", HERE_TOO + "torch_conv2d_grad_x", {}),
        ("conv2d_grad_w", HERE_TOO + "torch_conv2d_grad_w", {}),
        ("conv_transpose2d", TORCH + "conv_transpose2d", {}),
        ("batch_norm", TORCH + "batch_norm", {}),
        ("batch_norm_train", HERE_TOO + "torch_batch_norm_train", {}),
        ("leaky_relu", TORCH + "leaky_relu", {}),
        ("leaky_relu_grad", HERE_TOO + "torch_gradient", {"function": "leaky_relu"}),
        ("relu_grad", HERE_TOO + "torch_gradient", {"function": "relu"}),
        ("relu_grad", HERE_TOO + "torch_gradient", {"function": "clamp"}),
        ("mish", TORCH + "mish", {}),
        ("mish_grad", HERE_TOO + "torch_gradient", {"function": "mish"}),
        ("silu", TORCH + "silu", {}),
        ("silu_grad", HERE_TOO + "torch_gradient", {"function": "silu"}),
        ("gelu", TORCH + "gelu", {}),
        ("softplus", TORCH + "softplus", {}),
    ],
)
def test_torch(name: str, path: str, extra: dict[str, Any]):
    is_said_by("torch", name, path, **extra)


def test_torch_in_a_process_of_its_own():
    operator = OPERATORS["conv2d"]
    with Target(TORCH + "conv2d") as target:
        follows(fingerprint(operator, target), padding="symmetric", kernel="as_is")


def test_torch_by_other_conventions():
    follows(found("batch_norm", TORCH + "batch_norm", eps=1e-3), epsilon="inside_1e-3")
    follows(found("gelu", TORCH + "gelu", approximate="tanh"), form="tanh", tail="lost", infinity="nan_below")
    follows(found("relu_grad", HERE_TOO + "torch_gradient", function="maximum"), at_zero="half")
    for name, values in (("mish", {"tail": "lost"}), ("silu", {"tail": "lost"}), ("softplus", {"form": "naive"})):
        follows(found(name, HERE_TOO + "torch_naive", function=name), **values)


def test_torchvision_and_onnxruntime_round_the_bins_of_roi_pool():
    is_said_by("torchvision-cpu", "roi_pool", "torchvision.ops:roi_pool")
    is_said_by("onnxruntime", "roi_pool", HERE_TOO + "onnx_max_roi_pool")


@pytest.mark.parametrize("by", ["ort", "ref"])
def test_onnx_pads_by_itself(by: str):
    for auto in ("SAME_UPPER", "SAME_LOWER"):
        one = found("conv2d", HERE_TOO + "onnx_conv2d", by=by, auto_pad=auto)
        follows(one, padding=auto.lower(), kernel="as_is")
    follows(found("conv2d", HERE_TOO + "onnx_conv2d", by=by), padding="symmetric", kernel="as_is")


def test_onnxruntime_refuses_dilation_where_it_pads_by_itself():
    verdict = searched("conv2d", HERE_TOO + "onnx_conv2d", {"padding": "same_upper"}, auto_pad="SAME_UPPER")
    assert verdict.word == "rejects"
    assert verdict.found is not None
    assert verdict.found.inputs["dilation"] == 2
    assert "Dilation not supported" in verdict.found.outcome.reason


@pytest.mark.parametrize("auto", ["SAME_UPPER", "SAME_LOWER"])
def test_onnxruntime_does_not_lengthen_a_short_canvas(auto: str):
    path, values = HERE_TOO + "onnx_conv_transpose2d", {"cropping": auto.lower(), "short": "left"}
    follows(found("conv_transpose2d", path, auto_pad=auto), **values)
    assert searched("conv_transpose2d", path, values, auto_pad=auto).word == "conforms"
    is_said_by("onnxruntime", "conv_transpose2d", path)


def test_onnx_reference_adds_the_first_group_s_bias_to_every_group():
    verdict = searched("conv_transpose2d", HERE_TOO + "onnx_conv_transpose2d", {}, by="ref")
    assert verdict.word == "diverges"
    assert verdict.found is not None
    assert verdict.found.flips == ()
    assert verdict.found.inputs["groups"] > 1
    assert len(set(verdict.found.inputs["bias"].tolist())) == 2


@pytest.mark.parametrize("by", ["ort", "ref"])
def test_onnx_keeps_the_biased_variance(by: str):
    is_said_by("onnxruntime", "batch_norm_train", HERE_TOO + "onnx_batch_norm_train", by=by)
    is_said_by("onnxruntime", "batch_norm", HERE_TOO + "onnx_batch_norm", by=by)


@pytest.mark.parametrize("by", ["ort", "ref"])
def test_onnx_activations(by: str):
    for name, kind in (("leaky_relu", "LeakyRelu"), ("mish", "Mish"), ("gelu", "Gelu"), ("softplus", "Softplus")):
        is_said_by("onnxruntime", name, HERE_TOO + "onnx_pointwise", kind=kind, by=by)
    one = found("gelu", HERE_TOO + "onnx_pointwise", kind="Gelu", by=by, approximate="tanh")
    follows(one, form="tanh", tail="lost", infinity="nan_below")


ONNX_RESIZE: list[tuple[str, dict[str, Any]]] = [
    ("nearest_prefer_floor", {}),
    ("nearest_floor", {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}),
    ("bilinear", {"mode": "linear"}),
    ("bilinear_align_corners", {"mode": "linear", "coordinate_transformation_mode": "align_corners"}),
    ("bilinear_asymmetric", {"mode": "linear", "coordinate_transformation_mode": "asymmetric"}),
    ("bilinear_pytorch_half_pixel", {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"}),
    ("bilinear_antialias_border", {"mode": "linear", "antialias": 1}),
    ("bicubic", {"mode": "cubic"}),
]


@pytest.mark.parametrize(("sampling", "extra"), ONNX_RESIZE)
def test_onnx_resize(sampling: str, extra: dict[str, Any]):
    for by in ("ort", "ref"):
        follows(found("resize", HERE_TOO + "onnx_resize", by=by, **extra), sampling=sampling)
    assert searched("resize", HERE_TOO + "onnx_resize", {"sampling": sampling}, **extra).word == "conforms"


@pytest.mark.parametrize(
    ("sampling", "path", "mode"),
    [
        ("area_overlap", "opencv_resize", "AREA"),
        ("bicubic", "opencv_resize", "CUBIC"),
        ("bilinear", "opencv_resize", "LINEAR"),
        ("nearest_floor", "opencv_resize", "NEAREST"),
        ("box_antialias", "pillow_resize", "BOX"),
        ("bilinear_antialias", "pillow_resize", "BILINEAR"),
        ("bicubic_antialias", "pillow_resize", "BICUBIC"),
    ],
)
def test_opencv_and_pillow_resize(sampling: str, path: str, mode: str):
    follows(found("resize", HERE_TOO + path, mode=mode), sampling=sampling)
    assert searched("resize", HERE_TOO + path, {"sampling": sampling}, mode=mode).word == "conforms"


@pytest.mark.parametrize(("path", "mode"), [("opencv_resize", "NEAREST_EXACT"), ("pillow_resize", "NEAREST")])
def test_the_nearest_element_is_another_where_two_are_as_near(path: str, mode: str):
    """OpenCV computes places in fixed point, Pillow adds up steps: what is nearest is decided by their rounding."""
    verdict = searched("resize", HERE_TOO + path, {"sampling": "nearest_exact"}, mode=mode)
    assert verdict.word == "diverges"


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_torch_repeats_the_first_row_of_a_column_that_it_smooths(mode: str):
    """An answer of one column: every row is the first.  Found by the search, and as a law that is broken."""
    operator, path = OPERATORS["resize"], TORCH + "interpolate"
    dialect, extra = operator.dialect(sampling=f"{mode}_antialias"), {"mode": mode, "antialias": True}
    follows(found("resize", path, **extra), sampling=f"{mode}_antialias")
    verdict = searched("resize", path, dialect, **extra)
    assert verdict.word == "diverges"
    assert verdict.found is not None
    assert verdict.found.flips == ()
    (_, _, rows, columns) = verdict.found.outcome.answer.shape  # type: ignore[union-attr]
    assert (rows, columns) == (3, 1) or rows == 2
    asked = laws(operator, Within("resize", path, **extra), dialect)
    broken = {one.law.name for one in asked if one.word == "broken"}
    assert broken == {"transpose"}


def test_torch_area_is_of_bins():
    follows(found("resize", TORCH + "interpolate", mode="area"), sampling="area_bins")
    assert searched("resize", TORCH + "interpolate", {"sampling": "area_bins"}, mode="area").word == "conforms"


def test_opencv_letterbox_has_its_ratio_in_float32():
    path = HERE_TOO + "opencv_letterbox"
    follows(found("letterbox", path), placing="opencv", fill="114", interpolation="half_pixel")
    dialect = {"placing": "opencv", "fill": "114", "interpolation": "half_pixel"}
    assert searched("letterbox", path, dialect).word == "conforms"
    of_bytes = found("letterbox", path, floats=False)
    follows(of_bytes, placing="opencv", interpolation="half_pixel_levels")
    verdict = searched("letterbox", path, {**dialect, "interpolation": "half_pixel_levels"}, floats=False)
    assert verdict.word == "conforms"
    assert verdict.undecided > 0
    follows(found("letterbox", path, mode="NULL"), placing="stretch", interpolation="half_pixel")
