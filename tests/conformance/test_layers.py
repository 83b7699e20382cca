"""Definitions of layers: known numbers, gradients that are transposes, our own options, and faults that break laws."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minidet_kernels import batch_norm_train, conv2d, mish, roi_pool
from minidet_kernels.resampling import resize
from support.own_layers import boxes_back
from support.own_targets import Here, target

import minidet.functions as F
from minidet.conformance import LAWS, OPERATORS, check, laws, profiles
from minidet.conformance.draws import DRAWS
from minidet.conformance.laws.ask import asked
from minidet.conformance.operators.placing import Place, place
from minidet.conformance.operators.taps import Axis, axis
from minidet.data.letterbox import letterbox


def answer(name: str, inputs: dict[str, Any], **dialect: str) -> Any:
    operator = OPERATORS[name]
    return operator.reference(inputs, operator.dialect(**dialect))


def row(*values: float) -> np.ndarray:
    return np.array(values, np.float64).reshape(1, 1, 1, -1)


@pytest.mark.parametrize(
    ("sampling", "four_to_three", "two_to_five"),
    [
        ("nearest_floor", [0, 1, 2], [0, 0, 0, 10, 10]),
        ("nearest_exact", [0, 2, 3], [0, 0, 10, 10, 10]),
        ("nearest_prefer_floor", [0, 1, 3], [0, 0, 0, 10, 10]),
        ("bilinear", [1 / 6, 1.5, 17 / 6], [0, 1, 5, 9, 10]),
        ("bilinear_align_corners", [0, 1.5, 3], [0, 2.5, 5, 7.5, 10]),
        ("bilinear_asymmetric", [0, 4 / 3, 8 / 3], [0, 4, 8, 10, 10]),
        ("bilinear_antialias", [0.3, 1.5, 2.7], [0, 1, 5, 9, 10]),
        ("area_overlap", [0.25, 1.5, 2.75], [0, 0, 5, 10, 10]),
        ("bilinear_antialias_border", [3 / 11, 1.5, 30 / 11], [0, 1, 5, 9, 10]),
    ],
)
def test_resized_rows(sampling: str, four_to_three: list[float], two_to_five: list[float]):
    for values, width, expected in (([0, 1, 2, 3], 3, four_to_three), ([0, 10], 5, two_to_five)):
        found = answer("resize", {"x": row(*values), "size": (1, width)}, sampling=sampling)
        np.testing.assert_allclose(found.ravel(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("sampling", "first", "single"),
    [
        ("area_bins", 0.5, 1),
        ("area_overlap", 0.4, 1),
        ("box_antialias", 0.5, 1),
        ("bicubic", 0.2593, 1),
        ("bicubic_antialias", 0.3538, 1),
        ("bilinear_align_corners", 0, 0),
        ("bilinear_darknet", 0, 2),
        ("bilinear_pytorch_half_pixel", 1 / 3, 0),
    ],
)
def test_five_to_three_and_three_to_one(sampling: str, first: float, single: float):
    three = answer("resize", {"x": row(0, 1, 2, 3, 4), "size": (1, 3)}, sampling=sampling).ravel()
    np.testing.assert_allclose(three, [first, 2, 4 - first], rtol=0, atol=5e-5)
    one = answer("resize", {"x": row(0, 1, 2), "size": (1, 1)}, sampling=sampling).ravel()
    np.testing.assert_allclose(one, [single], rtol=0, atol=1e-12)


def test_padding_of_a_convolution():
    middle = np.zeros((1, 1, 3, 3))
    middle[0, 0, 1] = 1
    inputs = {
        "x": row(1, 2, 3, 4), "w": middle, "bias": np.zeros(1), "stride": 2, "padding": 1, "dilation": 1, "groups": 1
    }  # fmt: skip
    for padding, expected in (("symmetric", [3, 9]), ("same_upper", [6, 7]), ("same_lower", [3, 9])):
        assert answer("conv2d", inputs, padding=padding).ravel().tolist() == expected
    assert axis(4, 3, 2, 0, 1, "same_upper") == Axis(4, 3, 2, 1, 0, 1)
    assert axis(4, 3, 2, 0, 1, "same_lower") == Axis(4, 3, 2, 1, 1, 0)


def test_a_transposed_convolution_with_more_behind():
    w = np.zeros((1, 1, 3, 3))
    w[0, 0, 1] = [1, 10, 100]
    inputs = {"x": row(1, 2), "w": w, "bias": np.zeros(1), "stride": 2, "padding": 1, "output_padding": 0}
    rest = {"groups": 1, "dilation": 1}
    assert answer("conv_transpose2d", inputs | rest).ravel().tolist() == [10, 102, 20]
    more = answer("conv_transpose2d", inputs | rest | {"output_padding": 1})
    assert more[0, 0, 0].tolist() == [10, 102, 20, 200]
    assert answer("conv_transpose2d", inputs | rest, cropping="same_upper")[0, 0, 1].tolist() == [1, 10, 102, 20]
    assert answer("conv_transpose2d", inputs | rest, cropping="same_lower")[0, 0, 0].tolist() == [10, 102, 20, 200]


def test_a_reversed_filter_is_turned():
    w = np.arange(4.0).reshape(1, 1, 2, 2)
    inputs = {"x": np.ones((1, 1, 1, 1)), "w": w, "bias": np.zeros(1), "stride": 1, "padding": 0, "output_padding": 0}
    rest = {"groups": 1, "dilation": 1}
    assert answer("conv_transpose2d", inputs | rest).tolist() == [[[[0, 1], [2, 3]]]]
    assert answer("conv_transpose2d", inputs | rest, kernel="reversed").tolist() == [[[[3, 2], [1, 0]]]]


def test_deviations():
    ones = {name: np.ones(1) for name in ("weight",)} | {name: np.zeros(1) for name in ("running_mean", "bias")}
    for epsilon, of_zero, of_little in (
        ("inside_1e-5", 316.2, 301.5),
        ("outside_1e-6", 1e6, 999.0),
        ("inside_1e-3", 31.6, 31.6),
    ):
        for var, expected in ((0.0, of_zero), (1e-6, of_little)):
            found = answer("batch_norm", {"x": row(1), "running_var": np.array([var]), **ones}, epsilon=epsilon)
            assert found.item() == pytest.approx(expected, rel=1e-3)


def test_statistics_of_a_batch():
    inputs = {
        "x": row(1, 3), "running_mean": np.zeros(1), "running_var": np.ones(1), "weight": np.ones(1),
        "bias": np.zeros(1), "momentum": 0.1,
    }  # fmt: skip
    y, mean, var = answer("batch_norm_train", inputs)
    assert y.ravel() == pytest.approx([-1, 1], abs=1e-4)
    assert (mean.item(), var.item()) == pytest.approx((0.2, 1.1))
    y, _, var = answer("batch_norm_train", inputs, variance="unbiased", running_variance="biased")
    assert y.ravel() == pytest.approx([-(0.5**0.5), 0.5**0.5], abs=1e-4)
    assert var.item() == pytest.approx(1.0)
    _, mean, _ = answer("batch_norm_train", inputs, momentum="of_old")
    assert mean.item() == pytest.approx(1.8)


def test_tails():
    x = np.array([-17.0], np.float32)
    assert answer("mish", {"x": x}).item() == pytest.approx(-7.0379e-7, rel=1e-4)
    assert answer("mish", {"x": x}, tail="lost").item() == 0
    assert answer("mish", {"x": x.astype(np.float64)}, tail="lost").item() != 0
    assert answer("silu", {"x": np.array([-89.0], np.float32)}).item() == pytest.approx(-1.98235e-37, rel=1e-4)
    assert answer("silu", {"x": np.array([-89.0], np.float32)}, tail="lost").item() == 0


def test_roi_pool_from_half_to_half():
    inputs = {
        "x": np.arange(16.0).reshape(1, 1, 4, 4), "rois": np.array([[0, 0.5, 0.5, 2.5, 2.5]]), "output_size": (1, 1),
        "spatial_scale": 1.0,
    }  # fmt: skip
    assert answer("roi_pool", inputs).item() == 15
    assert answer("roi_pool", inputs, rounding="half_even").item() == 10


def test_places():
    assert (
        place((427, 640), (640, 640), "darknet") == place((427, 640), (640, 640), "yolov5") == Place(106, 0, 427, 640)
    )
    assert place((1, 1000), (640, 640), "darknet").height == place((1, 1000), (640, 640), "yolov5").height == 1
    assert place((1, 11), (3, 13), "opencv") == Place(1, 0, 1, 12)
    assert place((1, 11), (3, 13), "darknet") == Place(1, 0, 1, 13)
    assert place((1, 11), (3, 13), "stretch") == Place(0, 0, 3, 13)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_gradients_are_the_transposes_of_the_convolution_in_every_dialect(data: st.DataObject):
    padding = data.draw(st.sampled_from(["symmetric", "same_upper", "same_lower"]))
    dialect = {"padding": padding, "kernel": data.draw(st.sampled_from(["as_is", "reversed"]))}
    given_x = data.draw(DRAWS["conv2d_grad_w"](dialect))
    x, g, shape = given_x["x"], given_x["g"], given_x["shape"]
    w = np.arange(1.0, 1 + np.prod(shape)).reshape(shape) % 5 - 2
    rest = {name: given_x[name] for name in ("stride", "padding", "dilation", "groups")}
    y = answer("conv2d", {"x": x, "w": w, "bias": np.zeros(len(w)), **rest}, **dialect)
    by_x = answer("conv2d_grad_x", {"g": g, "w": w, "shape": x.shape, **rest}, **dialect)
    by_w = answer("conv2d_grad_w", given_x, **dialect)
    assert (y * g).sum() == (x * by_x).sum() == (w * by_w).sum()


def resized(sampling: str) -> dict[str, Any]:
    options: dict[str, dict[str, Any]] = {
        "nearest_exact": {"coordinates": "half_pixel", "rounding": "prefer_ceil"},
        "nearest_prefer_floor": {"coordinates": "half_pixel", "rounding": "prefer_floor"},
        "bilinear": {"mode": "bilinear"},
        "bilinear_align_corners": {"mode": "bilinear", "coordinates": "align_corners"},
        "bilinear_asymmetric": {"mode": "bilinear", "coordinates": "asymmetric"},
        "bilinear_antialias": {"mode": "bilinear", "antialias": True},
    }
    return options[sampling]


OPTIONS: list[tuple[str, dict[str, str], Callable[..., Any]]] = [
    *(
        ("resize", {"sampling": one}, lambda x, size, one=one: resize(x, size=size, **resized(one)))
        for one in (
            "nearest_exact", "nearest_prefer_floor", "bilinear", "bilinear_align_corners", "bilinear_asymmetric",
            "bilinear_antialias",
        )
    ),
    *(
        (
            "roi_pool",
            {"rounding": rounding, "end": end, "bins": bins},
            lambda x, rois, output_size, spatial_scale, r=rounding, e=end, b=bins: roi_pool(
                x, rois, output_size=output_size, spatial_scale=spatial_scale, rounding=r, end=e, bins=b
            )[0],
        )
        for rounding, end, bins in product(("half_away", "half_even"), ("inclusive", "exclusive"), ("exact", "rounded"))
    ),
    *(
        (
            "batch_norm",
            {"epsilon": name},
            lambda eps=eps, where=where, **inputs: F.batch_norm(**inputs, eps=eps, epsilon=where).data,
        )
        for name, eps, where in (("inside_1e-3", 1e-3, "inside"), ("outside_1e-6", 1e-6, "outside"))
    ),
    ("gelu", {"form": "tanh"}, lambda x: F.gelu(x, approximate="tanh").data),
    *(
        (
            "letterbox",
            {"placing": placing, "fill": fill, "interpolation": how},
            lambda image, size, p=placing, f=fill, h=how: letterbox(
                image, size, rounding=p, fill=0.5 if f == "half" else 114 / 255, resize=h
            )[0],
        )
        for placing, fill, how in (
            ("yolov5", "114", "half_pixel"), ("darknet", "half", "darknet"), ("darknet", "114", "pillow"),
        )
    ),
    *(
        (
            "letterbox_boxes",
            {"placing": placing, "inverse": inverse},
            lambda p=placing, how=inverse, **inputs: boxes_back(
                **inputs, rounding=p, inverse="darknet" if how == "halves" else how
            ),
        )
        for placing, inverse in (("yolov5", "exact"), ("darknet", "halves"))
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "dialect", "function"), OPTIONS)
def test_our_options_are_these_dialects(name: str, dialect: dict[str, str], function: Callable[..., Any]):
    operator = OPERATORS[name]
    verdict = check(operator, Here(function), operator.dialect(**dialect), examples=40)
    assert verdict.word == "conforms", verdict.found


def test_our_training_by_darknet_s_statistics():
    def darknet(running_mean: Any, running_var: Any, momentum: float, **inputs: Any) -> Any:
        kept = {"running_mean": running_mean.copy(), "running_var": running_var.copy()}
        options: dict[str, Any] = {"eps": 1e-6, "epsilon": "outside", "variance": "unbiased"}
        how = {"momentum": momentum, "momentum_convention": "keras", **options}
        y = F.batch_norm(**inputs, **kept, training=True, **how)
        return y.data, kept["running_mean"], kept["running_var"]

    operator = OPERATORS["batch_norm_train"]
    dialect = operator.dialect(epsilon="outside_1e-6", variance="unbiased", momentum="of_old")
    verdict = check(operator, Here(darknet, 0, 3), dialect, examples=60)
    assert verdict.word == "conforms", verdict.found


# Faults, and a law that each breaks.


def verdict_of(name: str, function: Callable[..., Any], law: str) -> str:
    operator = OPERATORS[name]
    (one,) = (one for one in LAWS[name] if one.name == law)
    dialect = operator.dialect(**profiles()["minidet"][name])
    return asked(one, operator, Here(function, 0, len(operator.outputs)), dialect, examples=60).word


def ours(name: str) -> Callable[..., Any]:
    one = target(name)
    return lambda **inputs: one.call(inputs).answer


def changed(name: str, **changes: Callable[..., Any]) -> Callable[..., Any]:
    """Ours, of inputs that are changed."""
    run = ours(name)
    return lambda **inputs: run(**inputs | {key: change(inputs) for key, change in changes.items()})


def after(name: str, change: Callable[[Any, dict[str, Any]], Any]) -> Callable[..., Any]:
    """Ours, of which the answer is changed."""
    run = ours(name)
    return lambda **inputs: change(run(**inputs), inputs)


FAULTS: list[tuple[str, Callable[..., Any], str]] = [
    ("conv2d", changed("conv2d", x=lambda i: np.sort(i["x"], axis=3)), "transpose"),
    ("conv2d", after("conv2d", lambda y, i: np.maximum(y, -3)), "double"),
    ("conv2d", changed("conv2d", w=lambda i: np.minimum(i["w"], 1)), "double filters"),
    ("conv2d", changed("conv2d", x=lambda i: np.sort(i["x"], axis=1)), "channels"),
    ("conv2d", changed("conv2d", x=lambda i: i["x"] * (i["groups"] > 1), bias=lambda i: np.sort(i["bias"])), "groups"),
    ("conv2d", changed("conv2d", x=lambda i: i["x"] - i["x"].mean(axis=0)), "image alone"),
    ("conv2d_grad_x", after("conv2d_grad_x", lambda y, i: np.maximum(y, -3)), "double"),
    ("conv2d_grad_x", changed("conv2d_grad_x", g=lambda i: np.sort(i["g"], axis=3)), "transpose"),
    ("conv2d_grad_x", changed("conv2d_grad_x", g=lambda i: np.sort(i["g"], axis=1)), "groups"),
    ("conv2d_grad_x", after("conv2d_grad_x", lambda y, i: y / len(y)), "image alone"),
    ("conv2d_grad_w", after("conv2d_grad_w", lambda y, i: np.maximum(y, -3)), "double"),
    ("conv2d_grad_w", changed("conv2d_grad_w", g=lambda i: np.sort(i["g"], axis=3)), "transpose"),
    ("conv2d_grad_w", changed("conv2d_grad_w", g=lambda i: np.sort(i["g"], axis=1)), "groups"),
    ("conv2d_grad_w", after("conv2d_grad_w", lambda y, i: y / len(i["x"])), "images add up"),
    ("conv_transpose2d", after("conv_transpose2d", lambda y, i: np.maximum(y, -3)), "double"),
    ("conv_transpose2d", changed("conv_transpose2d", w=lambda i: np.sort(i["w"], axis=3)), "transpose"),
    ("conv_transpose2d", changed("conv_transpose2d", bias=lambda i: i["bias"] * 0 + i["bias"][:1]), "groups"),
    ("conv_transpose2d", changed("conv_transpose2d", x=lambda i: i["x"] - i["x"].mean(axis=0)), "image alone"),
    ("batch_norm", changed("batch_norm", weight=lambda i: np.minimum(i["weight"], 1)), "double"),
    ("batch_norm", changed("batch_norm", running_mean=lambda i: np.sort(i["running_mean"])), "channel alone"),
    ("batch_norm", changed("batch_norm", x=lambda i: np.sort(i["x"], axis=3)), "transpose"),
    ("batch_norm", changed("batch_norm", x=lambda i: i["x"] - i["x"].mean(axis=0)), "image alone"),
    ("batch_norm_train", changed("batch_norm_train", weight=lambda i: np.minimum(i["weight"], 1)), "double"),
    ("batch_norm_train", changed("batch_norm_train", weight=lambda i: np.sort(i["weight"])), "channel alone"),
    ("batch_norm_train", changed("batch_norm_train", x=lambda i: np.maximum.accumulate(i["x"], axis=3)), "reverse"),
    ("leaky_relu", after("leaky_relu", lambda y, i: np.minimum(y, 3)), "double"),
    ("leaky_relu", after("leaky_relu", lambda y, i: np.minimum(y, 60)), "far above"),
    ("leaky_relu_grad", after("leaky_relu_grad", lambda y, i: y * (1 + np.abs(i["x"]))), "same slope"),
    ("leaky_relu_grad", after("leaky_relu_grad", lambda y, i: np.minimum(y, 3)), "double"),
    ("mish", after("mish", lambda y, i: y + (np.arange(y.size).reshape(y.shape) > 1)), "one by one"),
    ("mish", after("mish", lambda y, i: np.maximum.accumulate(y.ravel()).reshape(y.shape)), "reverse"),
    ("silu", lambda x: mish(x), "odd part"),
    ("silu_grad", after("silu_grad", lambda y, i: y * 1.01), "even part"),
    ("gelu", lambda x: mish(x), "odd part"),
    ("softplus", lambda x: 1.01 * F.softplus(x).data, "odd part"),
    ("roi_pool", changed("roi_pool", x=lambda i: np.maximum(i["x"], -3)), "double"),
    ("roi_pool", changed("roi_pool", rois=lambda i: i["rois"][::-1].copy()), "region alone"),
    ("roi_pool", changed("roi_pool", x=lambda i: i["x"] - i["x"].mean(axis=0)), "image alone"),
    ("roi_pool", changed("roi_pool", rois=lambda i: i["rois"] * np.float32([1, 1, 1, 1, 0.5])), "transpose"),
    ("letterbox", lambda image, size: letterbox(image, size)[0].clip(0, 0.6), "black and white"),
    ("letterbox", lambda image, size: letterbox(image[:, :, [0, 0, 2]], size)[0], "colours"),
    ("letterbox", lambda image, size: np.sort(letterbox(image, size)[0], axis=2), "transpose"),
    (
        "letterbox_boxes",
        changed("letterbox_boxes", boxes=lambda i: i["boxes"] * np.float32([1, 1, 1, 0.5])),
        "transpose",
    ),
    ("letterbox_boxes", after("letterbox_boxes", lambda y, i: np.minimum(y, 5)), "double"),
    ("letterbox_boxes", changed("letterbox_boxes", boxes=lambda i: i["boxes"][::-1].copy()), "box alone"),
]


@pytest.mark.parametrize(("name", "wrong", "law"), FAULTS)
def test_a_fault_breaks_its_law(name: str, wrong: Callable[..., Any], law: str):
    assert verdict_of(name, wrong, law) == "broken"


@pytest.mark.parametrize(
    ("name", "dialect"),
    [
        ("conv2d", {"padding": "same_upper"}),
        ("conv2d_grad_x", {"padding": "same_lower", "kernel": "reversed"}),
        ("conv2d_grad_w", {"padding": "same_upper", "kernel": "reversed"}),
        ("conv_transpose2d", {"cropping": "same_lower", "short": "left"}),
        ("batch_norm", {"epsilon": "outside_1e-6"}),
        ("batch_norm_train", {"variance": "unbiased", "momentum": "of_old", "epsilon": "outside_1e-6"}),
        ("roi_pool", {"rounding": "half_even", "end": "exclusive", "bins": "rounded"}),
        ("mish", {"tail": "lost"}),
        ("softplus", {"form": "clipped"}),
        ("gelu", {"form": "tanh", "tail": "lost"}),
        ("letterbox", {"placing": "yolov5", "interpolation": "half_pixel_levels"}),
        ("letterbox", {"placing": "opencv", "interpolation": "pillow"}),
        ("letterbox_boxes", {"placing": "opencv", "inverse": "halves"}),
        ("letterbox_boxes", {"placing": "yolov5", "inverse": "one_ratio"}),
        ("resize", {"sampling": "area_overlap"}),
        ("resize", {"sampling": "bilinear_darknet"}),
    ],
)
def test_no_convention_breaks_a_law_that_it_does_not_suspend(name: str, dialect: dict[str, str]):
    operator = OPERATORS[name]
    full = operator.dialect(**dialect)
    right = Here(lambda **inputs: operator.reference(inputs, full), 0, len(operator.outputs))
    found = laws(operator, right, full, examples=15)
    assert [(one.law.name, one.inputs) for one in found if one.word not in ("holds", "suspended")] == []


def test_what_is_not_compared_is_little():
    """A bound of a sum grows with its length and its terms, and does not hide a wrong product."""
    operator = OPERATORS["conv2d"]
    vector = operator.vectors[1].cast("float32")
    expected = np.asarray(operator.reference(vector, operator.dialect()))
    exact = conv2d(vector["x"], vector["w"], vector["bias"], stride=2, padding=1)
    assert operator.same(exact, expected, vector)
    assert not operator.same(exact + np.float32(1e-3), expected, vector)
    statistics = OPERATORS["batch_norm_train"]
    given_ = statistics.vectors[1].cast("float32")
    y, mean, var = (np.asarray(one, np.float32) for one in statistics.reference(given_, statistics.dialect()))
    assert statistics.same((y, mean, var), statistics.reference(given_, statistics.dialect()), given_)
    assert not statistics.same((y + np.float32(1e-3), mean, var), (y, mean, var), given_)
    assert batch_norm_train(given_["x"], eps=1e-5)[0].shape == y.shape
