"""Caffe's nets and weights: files written byte by byte here, real ones, and what is said of broken ones."""

from __future__ import annotations

import contextlib
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.realdata import data
from support.wire import each, packed, some, whole

from minidet.errors import InputError
from minidet.weights import caffe
from minidet.weights.caffe_net import read_prototxt

pytest.importorskip("google.protobuf")


def blob(array, *, form="shape") -> bytes:
    """BlobProto: shape 7 and data 5, or double_data 8, or num, channels, height and width 1 to 4."""
    values = array.ravel().tolist()
    numbers = packed(8, "d", values) if array.dtype == np.float64 else packed(5, "f", values)
    if form == "unpacked":
        numbers = each(5, "f", values)
    if form == "old":
        lengths = (1,) * (4 - array.ndim) + array.shape
        return b"".join(whole(i + 1, n) for i, n in enumerate(lengths)) + numbers
    return some(7, packed(1, "v", list(array.shape))) + numbers


def layer(name, kind, bottoms, tops, blobs=(), more=b"", *, form="shape", v1=0) -> bytes:
    """LayerParameter in field 100 of the net; or with ``v1``, its number of the type, V1LayerParameter in field 2."""
    if v1:
        body = b"".join(some(2, b) for b in bottoms) + b"".join(some(3, t) for t in tops) + some(4, name) + whole(5, v1)
        return some(2, body + more + b"".join(some(6, blob(a, form=form)) for a in blobs))
    body = some(1, name) + some(2, kind) + b"".join(some(3, b) for b in bottoms) + b"".join(some(4, t) for t in tops)
    return some(100, body + more + b"".join(some(7, blob(a, form=form)) for a in blobs))


def convolution(array, *, bias, number=106) -> bytes:
    o, _, h, w = array.shape
    return some(number, whole(1, o) + whole(2, bias) + whole(11, h) + whole(12, w))


def input_of(channels) -> bytes:
    return some(3, "data") + packed(4, "v", [1, channels, 8, 8])


def load(tmp_path, raw, prototxt=None):
    (tmp_path / "x.caffemodel").write_bytes(raw)
    if prototxt is not None:
        (tmp_path / "x.prototxt").write_text(prototxt)
        prototxt = tmp_path / "x.prototxt"
    return caffe.load(tmp_path / "x.caffemodel", prototxt)


def arrays(*shapes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype("f4") for shape in shapes]


NET = """
name: "n"
input: "data"  input_shape { dim: 1 dim: 4 dim: 8 dim: 8 }
layer { name: "a" type: "Convolution" bottom: "data" top: "a"
        convolution_param { num_output: 6 kernel_size: 3 group: 2 } }
layer { name: "a/bn" type: "BatchNorm" bottom: "a" top: "a" }
layer { name: "a/scale" type: "Scale" bottom: "a" top: "a" scale_param { bias_term: true } }
"""


def small_net(factor=4.0, form="shape"):
    w, b, mean, var, gamma, beta = arrays((6, 2, 3, 3), 6, 6, 6, 6, 6)
    raw = input_of(4)
    options = some(106, whole(1, 6) + packed(4, "v", [3]) + whole(5, 2))
    raw += layer("a", "Convolution", ["data"], ["a"], [w, b], options, form=form)
    raw += layer("a/bn", "BatchNorm", ["a"], ["a"], [mean, var, np.float32([factor])], form=form)
    raw += layer("a/scale", "Scale", ["a"], ["a"], [gamma, beta], some(142, whole(4, 1)), form=form)
    return raw, {"w": w, "b": b, "mean": mean, "var": var, "gamma": gamma, "beta": beta}


@pytest.mark.parametrize("form", ["shape", "unpacked", "old"])
def test_layers_have_names_and_parts(tmp_path, form):
    raw, made = small_net(form=form)
    wanted = {
        "a.weight": made["w"], "a.bias": made["b"], "a/bn.running_mean": made["mean"] / 4,
        "a/bn.running_var": made["var"] / 4, "a/scale.weight": made["gamma"], "a/scale.bias": made["beta"],
    }  # fmt: skip
    for found in (load(tmp_path, raw), load(tmp_path, raw, NET)):
        assert list(found) == list(wanted)
        for name, array in wanted.items():
            assert found[name].dtype == np.float32
            np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("factor", [0.0, 1.0, 999.98])
def test_batch_norm_is_divided_by_its_factor(tmp_path, factor):
    raw, made = small_net(factor)
    found = load(tmp_path, raw)
    scale = 1 / float(np.float32(factor)) if factor else 0.0
    np.testing.assert_array_equal(found["a/bn.running_mean"], (made["mean"] * scale).astype("f4"))
    np.testing.assert_array_equal(found["a/bn.running_var"], (made["var"] * scale).astype("f4"))


@given(st.data())
@settings(max_examples=40)
def test_convolutions_of_any_shape_come_back_bit_by_bit(tmp_path_factory, draw):
    o, c, h, w = (draw.draw(st.integers(1, 4)) for _ in range(4))
    bias, double = draw.draw(st.booleans()), draw.draw(st.booleans())
    name = draw.draw(st.text(min_size=1, max_size=4).filter(lambda s: s.isprintable()))
    numbers = st.lists(st.floats(width=64 if double else 32), min_size=o * c * h * w, max_size=o * c * h * w)
    weight = np.array(draw.draw(numbers), "f8" if double else "f4").reshape(o, c, h, w)
    blobs = [weight, weight[:, 0, 0, 0].copy()][: 1 + bias]
    old, v1 = draw.draw(st.booleans()), draw.draw(st.booleans())
    more = convolution(weight, bias=bias, number=10 if v1 else 106)
    made = layer(name, "Convolution", ["data"], ["y"], blobs, more, form="old" if old else "shape", v1=4 if v1 else 0)
    found = load(tmp_path_factory.mktemp("x"), input_of(c) + made)
    assert list(found) == [f"{name}.weight", f"{name}.bias"][: 1 + bias]
    for array, wanted in zip(found.values(), blobs, strict=True):
        assert array.dtype == wanted.dtype
        assert array.shape == wanted.shape
        np.testing.assert_array_equal(array, wanted)


def test_other_layers_with_numbers(tmp_path):
    shapes = {"p": (4,), "s": (1,), "n": (4,), "f": (5, 16), "d": (4, 3, 2, 2), "o": (2, 2), "b": (3,)}
    made = dict(zip(shapes, arrays(*shapes.values()), strict=True))
    raw = input_of(4) + layer("p", "PReLU", ["data"], ["p"], [made["p"]])
    raw += layer("s", "PReLU", ["p"], ["s"], [made["s"]], some(131, whole(2, 1)))
    raw += layer("n", "Normalize", ["s"], ["n"], [made["n"]], some(206, whole(3, 0)))
    raw += layer("f", "InnerProduct", ["n"], ["f"], [made["f"]], some(117, whole(1, 5) + whole(2, 0)))
    deconvolution = some(106, whole(1, 3) + whole(2, 0) + packed(4, "v", [2]))
    raw += layer("d", "Deconvolution", ["n"], ["d"], [made["d"]], deconvolution)
    raw += layer("b", "Bias", ["d"], ["d2"], [made["b"]]) + layer("o", "Lstm", ["f"], ["o"], [made["o"]])
    found = load(tmp_path, raw)
    names = ["p.weight", "s.weight", "n.weight", "f.weight", "d.weight", "b.bias", "o.0"]
    assert list(found) == names
    for name in names:
        np.testing.assert_array_equal(found[name], made[name[0]])


def test_a_concatenation_adds_channels(tmp_path):
    text = (
        NET
        + """
        layer { name: "cat" type: "Concat" bottom: "a" bottom: "data" top: "cat" }
        layer { name: "one" type: "Convolution" bottom: "cat" top: "one"
                convolution_param { num_output: 2 kernel_h: 1 kernel_w: 3 bias_term: false } }
        layer { name: "turned" type: "Permute" bottom: "one" top: "turned" }
        layer { name: "what" type: "Convolution" bottom: "turned" top: "what"
                convolution_param { num_output: 2 kernel_size: 1 kernel_size: 2 bias_term: false } }
        """
    )
    (tmp_path / "x.prototxt").write_text(text)
    layers = {one.name: one for one in read_prototxt(tmp_path / "x.prototxt").layers}
    assert layers["one"].shapes == ((2, 10, 1, 3),)
    assert layers["what"].shapes == ((2, None, 1, 2),)
    assert layers["a"].shapes == ((6, 2, 3, 3), (6,))


def test_only_layers_of_testing_take_part(tmp_path):
    rules = {
        "in1": "", "in2": "include { phase: TEST }", "in3": "exclude { phase: TRAIN }",
        "in4": "include { phase: TRAIN } include { phase: TEST }", "in5": "include { not_stage: 'deploy' }",
        "out1": "include { phase: TRAIN }", "out2": "exclude { phase: TEST }", "out3": "include { stage: 'deploy' }",
        "out4": "include { min_level: 1 }", "out5": "exclude { }",
    }  # fmt: skip
    text = "".join(f'layer {{ name: "{name}" type: "Data" top: "x" {rule} }}\n' for name, rule in rules.items())
    (tmp_path / "x.prototxt").write_text(text)
    assert [one.name for one in read_prototxt(tmp_path / "x.prototxt").layers] == [n for n in rules if n[:2] == "in"]


def test_the_three_ways_of_an_input(tmp_path):
    options = 'bottom: "d" top: "c" convolution_param { num_output: 3 kernel_size: 1 }'
    for text in (
        'input: "d" input_dim: 1 input_dim: 7 input_dim: 5 input_dim: 6',
        'input: "d" input_shape { dim: [1, 7, 5, 6] }',
        'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 1 dim: 7 dim: 5 dim: 6 } } }',
    ):
        (tmp_path / "x.prototxt").write_text(
            f'{text} # 7 channels\nlayer {{ name: "c" type: "Convolution" {options} }}'
        )
        net = read_prototxt(tmp_path / "x.prototxt")
        assert dict(net.inputs) == {"d": (1, 7, 5, 6)}
        assert net.layers[-1].shapes == ((3, 7, 1, 1), (3,))
    old = f'input: "d" layers {{ name: "c" type: CONVOLUTION {options} }}'
    (tmp_path / "x.prototxt").write_text(old + ' layers { name: "r" type: RELU bottom: "c" top: "c" }')
    assert [(one.type, one.shapes) for one in read_prototxt(tmp_path / "x.prototxt").layers] == [
        ("Convolution", ((3, None, 1, 1), (3,))), ("ReLU", ()),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('layer {\n  name: "a"\n  type "b"\n}', r'x.prototxt: line 3, column \d+: .*Expected ":"'),
        ('layer {\n  name: "a\n}', "line 2, column 9: .*missing ending quote"),
        ('layer {\n\n name: "a"', "line 3, column .*Expected"),
        ("layer {\n name: 3 }", "line 2, column .*Expected string"),
        ('layer { name: "a" name: "b" }', "line 1, column .*multiple"),
        ("", "it has no layer"),
        ("anything: 3", "it has no layer"),
        ("a{" * 5000, "too many to read|line 1"),
        ('layer { name: "a" type: "ReLU" bottom: "b" }', "the layer 'a' takes 'b', which no layer before it makes"),
        ('input: "d" layer { name: "a" type: "Convolution" bottom: "d" convolution_param { kernel_size: 1 } }',
         "'a' has no num_output"),
        ('input: "d" layer { name: "a" type: "Convolution" bottom: "d" convolution_param { num_output: 1 } }',
         "'a' has no kernel_size"),
        ('input: "d" input_shape { dim: 1 dim: 3 } layer { name: "a" type: "Convolution" bottom: "d" '
         "convolution_param { num_output: 4 kernel_size: 1 group: 2 } }", "'a' has 3 channels in 2 groups"),
    ],
)  # fmt: skip
def test_texts_that_are_no_net_are_one_line_with_the_place(tmp_path, text, says):
    (tmp_path / "x.prototxt").write_text(text)
    with pytest.raises(InputError, match=says) as error:
        read_prototxt(tmp_path / "x.prototxt")
    assert str(error.value).startswith(f"{tmp_path / 'x.prototxt'}: ")
    assert "\n" not in str(error.value)


def test_files_that_are_not_text_or_not_there(tmp_path):
    with pytest.raises(InputError, match=r"none: No such file"):
        read_prototxt(tmp_path / "none")
    with pytest.raises(InputError, match=r"none: No such file"):
        caffe.load(tmp_path / "none")
    (tmp_path / "x.prototxt").write_bytes(b"layer\xff")
    with pytest.raises(InputError, match=r"not a text file .*is it the .caffemodel"):
        read_prototxt(tmp_path / "x.prototxt")


def test_a_caffemodel_of_another_net_is_listed_by_layers(tmp_path):
    raw, _ = small_net()
    other = NET.replace('"a/bn"', '"bn"').replace("num_output: 6", "num_output: 8")
    with pytest.raises(InputError) as error:
        load(tmp_path, raw, other)
    assert str(error.value) == (
        f"{tmp_path / 'x.caffemodel'} does not fit {tmp_path / 'x.prototxt'}: missing bn; unknown a/bn; "
        "of another shape a (6 x 2 x 3 x 3 and 6 where 8 x 2 x 3 x 3 and 8 is expected), "
        "a/scale (6 and 6 where 8 and 8 is expected)"
    )
    short = layer(
        "a", "Convolution", ["data"], ["a"], arrays((6, 2, 3, 3)), some(106, whole(1, 6) + packed(4, "v", [3]))
    )
    with pytest.raises(InputError, match=r"a \(6 x 2 x 3 x 3 where 6 x 4 x 3 x 3 and 6 is expected\)"):
        load(tmp_path, input_of(4) + short)


def test_a_file_that_is_cut_short_is_one_line(tmp_path):
    raw, _ = small_net()
    assert load(tmp_path, raw, NET)
    for end in [*range(0, len(raw), 7), len(raw) - 1]:
        with pytest.raises(InputError) as error:
            load(tmp_path, raw[:end], NET)
        assert "\n" not in str(error.value)


@given(st.data())
@settings(max_examples=150)
def test_damaged_files_are_read_or_refused(tmp_path_factory, draw):
    raw = bytearray(small_net()[0])
    for _ in range(draw.draw(st.integers(1, 3))):
        raw[draw.draw(st.integers(0, len(raw) - 1))] = draw.draw(st.integers(0, 255))
    with contextlib.suppress(InputError):
        load(tmp_path_factory.mktemp("x"), bytes(raw))


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "no layer in it has numbers"),
        (b"<html>not found</html>", "cut short, or not a .caffemodel"),
        (input_of(4) + layer("r", "ReLU", ["data"], ["r"]), "no layer in it has numbers"),
        (some(100, some(1, "a") + some(2, "Scale") + some(7, packed(5, "f", [1, 2]) + some(7, packed(1, "v", [3])))),
         r"a, blob 0: 2 numbers for the shape \(3,\)"),
        (some(100, some(1, "a") + some(7, packed(5, "f", [1]) + some(7, packed(1, "v", [-1, -1])))),
         r"a, blob 0: 1 numbers for the shape \(-1, -1\)"),
        (layer("a", "Lstm", [], ["x"], arrays(1)) + layer("a", "Lstm", [], ["y"], arrays(1)), "are named 'a'"),
        (layer("a", "ReLU", ["nothing"], ["x"], arrays(1)), "takes 'nothing'"),
    ],
)  # fmt: skip
def test_files_that_hold_no_weights(tmp_path, raw, says):
    with pytest.raises(InputError, match=says) as error:
        load(tmp_path, raw)
    assert "\n" not in str(error.value)


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    from minidet.weights import caffe_schema, onnx

    caffe_schema.net_class.cache_clear()
    onnx._model_class.cache_clear()
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    (tmp_path / "x").write_bytes(b"")
    for read, extra in ((caffe.load, "caffe"), (read_prototxt, "caffe"), (onnx.load, "onnx")):
        with pytest.raises(InputError, match=rf"needs the library protobuf: pip install 'minidet\[{extra}\]'$"):
            read(tmp_path / "x")


REAL = {"RFB-320": (52, 273888), "slim-320": (42, 257916)}


@pytest.mark.parametrize("name", REAL)
def test_ultraface_is_read_whole(name):
    folder = data("ssd/ultraface")
    found = caffe.load(folder / f"{name}.caffemodel", folder / f"{name}.prototxt")
    own = caffe.load(folder / f"{name}.caffemodel")
    assert (len(found), sum(a.size for a in found.values())) == (2 * REAL[name][0], REAL[name][1])
    assert list(own) == list(found)
    other = next(iter(REAL.keys() - {name}))
    with pytest.raises(InputError, match=f"{name}.caffemodel does not fit .*{other}.prototxt: missing .*; unknown "):
        caffe.load(folder / f"{name}.caffemodel", folder / f"{other}.prototxt")


@pytest.mark.parametrize("name", ["deploy", "voc/MobileNetSSD_deploy", "voc/MobileNetSSD_test"])
def test_the_nets_of_mobilenet_ssd_are_read(name):
    """35 convolutions of the backbone and 12 of heads; in two of the files batch norm has layers of its own."""
    net = read_prototxt(data(f"ssd/mobilenet_ssd_voc/{name}.prototxt"))
    numbers = [one for one in net.layers if one.shapes]
    normed = name != "voc/MobileNetSSD_deploy"
    assert sum(one.type == "Convolution" for one in numbers) == 47
    assert sum(one.type == "BatchNorm" for one in numbers) == sum(one.type == "Scale" for one in numbers) == 35 * normed
    assert dict(net.inputs) == ({} if "test" in name else {"data": (1, 3, 300, 300)})
    by_name = {one.name: one for one in net.layers}
    first = None if "test" in name else 3
    assert by_name["conv0"].shapes == ((32, first, 3, 3), (32,))[: 2 - normed]
    assert by_name["conv13/dw"].shapes[0] == (1024, 1, 3, 3)
    assert by_name["conv11_mbox_conf"].shapes == ((63, 512, 1, 1), (63,))
    boxes = [one.settings.prior_box_param for one in net.layers if one.type == "PriorBox"]
    assert [list(p.min_size) for p in boxes] == [[60], [105], [150], [195], [240], [285]]
    assert [list(p.max_size) for p in boxes] == [[], [150], [195], [240], [285], [300]]
    assert [list(p.aspect_ratio) for p in boxes] == [[2], *[[2, 3]] * 5]
    assert all(np.float32([0.1, 0.1, 0.2, 0.2]).tolist() == list(p.variance) and p.flip and not p.clip for p in boxes)
    found = [one.settings.detection_output_param for one in net.layers if one.type == "DetectionOutput"]
    assert [(d.num_classes, d.code_type, d.nms_param.top_k) for d in found] == [(21, 2, found[0].nms_param.top_k)]
