"""Every kind of layer of a cfg against a definition written out in loops; and what is refused, where."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.darknet_nets import relative_error

from minidet import Tensor, no_grad
from minidet.darknet import CfgError, DarknetNetwork, parse_cfg
from minidet.darknet.activations import ACTIVATIONS
from minidet.gradcheck import gradcheck


def network(text, *, h=6, w=6, c=2, **options):
    net = DarknetNetwork(parse_cfg(f"[net]\nheight={h}\nwidth={w}\nchannels={c}\n{text}", "net.cfg"), rng=0, **options)
    return net.astype(np.float64).eval()


def outputs(net, x):
    """The output of every layer."""
    found = []
    removers = [layer.register_forward_hook(lambda _m, _i, y: found.append(y.data)) for layer in net.layers]
    with no_grad():
        net(Tensor(x))
    for remove in removers:
        remove()
    return found


def drawn(*shape):
    return np.random.default_rng(3).standard_normal(shape)


def refused(text, **options):
    with pytest.raises(CfgError) as error:
        network(text, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


# The formulas of Darknet's activations.h, in Python floats.
def _stair(x):
    return math.floor(x / 2) + (x - math.floor(x) if math.floor(x) % 2 else 0)


def _plse(x):
    return 0.01 * (x + 4) if x < -4 else 0.01 * (x - 4) + 1 if x > 4 else 0.125 * x + 0.5


FORMULAS = {
    "linear": lambda x: x,
    "logistic": lambda x: 1 / (1 + math.exp(-x)),
    "loggy": lambda x: 2 / (1 + math.exp(-x)) - 1,
    "relu": lambda x: x * (x > 0),
    "elu": lambda x: x if x >= 0 else math.exp(x) - 1,
    "selu": lambda x: 1.0507 * x if x >= 0 else 1.0507 * 1.6732 * (math.exp(x) - 1),
    "relu6": lambda x: min(max(x, 0), 6),
    "gelu": lambda x: 0.5 * x * (1 + math.tanh(0.797885 * x + 0.035677 * x**3)),
    "leaky": lambda x: x if x > 0 else 0.1 * x,
    "tanh": math.tanh,
    "hardtan": lambda x: max(-1, min(1, x)),
    "lhtan": lambda x: 0.001 * x if x < 0 else 0.001 * (x - 1) + 1 if x > 1 else x,
    "ramp": lambda x: x * (x > 0) + 0.1 * x,
    "relie": lambda x: x if x > 0 else 0.01 * x,
    "plse": _plse,
    "stair": _stair,
    "mish": lambda x: x * math.tanh(math.log1p(math.exp(x))),
    "swish": lambda x: x / (1 + math.exp(-x)),
    "hard_mish": lambda x: x if x > 0 else x * x / 2 + x if x > -2 else 0.0,
}


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations(name):
    x = np.concatenate([np.linspace(-9, 9, 181), drawn(100) * 3])
    want = np.array([FORMULAS[name](float(v)) for v in x])
    np.testing.assert_allclose(ACTIVATIONS[name](Tensor(x)).data, want, rtol=1e-12, atol=1e-12)
    away = x[np.abs(x - np.round(x)) > 0.01]  # every kink is at a whole number
    gradcheck(ACTIVATIONS[name], away)
    assert ACTIVATIONS[name](Tensor(x.astype(np.float32))).dtype == np.float32


def test_every_activation_has_a_formula():
    assert FORMULAS.keys() == ACTIVATIONS.keys()


def _convolve(x, weight, stride, padding, dilation, groups):
    """One number at a time."""
    (sh, sw), (n, c, h, w), (filters, per, k, _) = stride, x.shape, weight.shape
    reach = dilation * (k - 1) + 1
    oh, ow = (h + 2 * padding - reach) // sh + 1, (w + 2 * padding - reach) // sw + 1
    padded = np.zeros((n, c, h + 2 * padding, w + 2 * padding))
    padded[:, :, padding : padding + h, padding : padding + w] = x
    y = np.zeros((n, filters, oh, ow))
    for b, f, i, j in np.ndindex(y.shape):
        first = f // (filters // groups) * per
        window = padded[b, first : first + per, i * sh : i * sh + reach : dilation, j * sw : j * sw + reach : dilation]
        y[b, f, i, j] = (window * weight[f]).sum()
    return y


@pytest.mark.parametrize(
    ("options", "stride", "padding", "dilation", "groups"),
    [
        ("size=3\nstride=2\npad=1\n", (2, 2), 1, 1, 1),
        ("size=5\npad=1\npadding=7\n", (1, 1), 2, 1, 1),  # pad wins
        ("size=3\npad=0\npadding=2\ngroups=2\n", (1, 1), 2, 1, 2),
        ("size=3\nstride=3\nstride_x=2\npad=1\n", (3, 2), 1, 1, 1),
        ("size=3\nstride_y=2\npad=1\n", (2, 1), 1, 1, 1),
        ("size=3\ndilation=2\npad=1\n", (1, 1), 2, 2, 1),
        ("size=1\ndilation=3\n", (1, 1), 0, 1, 1),
        ("", (1, 1), 0, 1, 1),
        ("size=2\nstride=2\npad=1\n", (2, 2), 1, 1, 1),
    ],
)
def test_convolutional(options, stride, padding, dilation, groups):
    net = network(f"[conv]\nfilters=4\nactivation=leaky\n{options}", h=7, w=9)
    layer = net.layers[0]
    layer.conv.bias.data[...] = drawn(4)
    x = drawn(2, 2, 7, 9)
    want = _convolve(x, layer.conv.weight.data, stride, padding, dilation, groups) + drawn(4)[:, None, None]
    (y,) = outputs(net, x)
    assert y.shape[1:] == layer.shape == net.shapes((7, 9))[0]
    np.testing.assert_allclose(y, np.where(want > 0, want, 0.1 * want), atol=1e-12)


@pytest.mark.parametrize(
    ("dialect", "deviation"),
    [
        ("alexeyab", lambda v: np.sqrt(v + 1e-5)),
        ("pjreddie-cpu", lambda v: np.sqrt(v) + 1e-6),
        ("opencv", lambda v: np.sqrt(v + 1e-6)),
    ],
)
def test_batch_norm_dialects(dialect, deviation):
    net = network("[conv]\nfilters=3\nbatch_normalize=1\nactivation=linear\n", epsilon=dialect)
    layer, x = net.layers[0], drawn(1, 2, 6, 6)
    variance = np.array([0.0, 1e-6, 2.5])
    for tensor, value in zip(
        (layer.bn.weight, layer.bn.bias, layer.bn.running_mean, layer.bn.running_var),
        (*drawn(3, 3), variance),
        strict=True,
    ):
        tensor.data[...] = value
    scale, bias, mean = drawn(3, 3)[..., None, None]
    want = (_convolve(x, layer.conv.weight.data, (1, 1), 0, 1, 1) - mean) / deviation(variance)[:, None, None] * scale
    np.testing.assert_allclose(outputs(net, x)[0], want + bias, rtol=1e-12)
    np.testing.assert_allclose(outputs(net.fold(), x)[0], want + bias, rtol=1e-9)
    with pytest.raises(ValueError, match="has been folded"):
        net.slots()


def test_there_is_no_other_dialect():
    with pytest.raises(ValueError, match="no batch-norm dialect is named 'caffe'"):
        network("[conv]\nfilters=3\nbatch_normalize=1\n", epsilon="caffe")


@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(2, 2, None), (2, 1, None), (5, 1, None), (3, 2, 0), (3, 2, 1)]
)
def test_maxpool(size, stride, padding):
    text = f"[maxpool]\nsize={size}\nstride={stride}\n" + ("" if padding is None else f"padding={padding}\n")
    net, x = network(text, h=7, w=8), drawn(2, 2, 7, 8) - 5  # negative: padding with 0 would show
    total = size - 1 if padding is None else padding
    oh, ow = (7 + total - size) // stride + 1, (8 + total - size) // stride + 1
    want = np.empty((2, 2, oh, ow))
    for i, j in np.ndindex(oh, ow):
        top, left = i * stride - total // 2, j * stride - total // 2
        want[:, :, i, j] = x[:, :, max(top, 0) : top + size, max(left, 0) : left + size].max(axis=(2, 3))
    np.testing.assert_array_equal(outputs(net, x)[0], want)


def test_avgpool_softmax_dropout_upsample():
    x = drawn(2, 4, 3, 5)
    net = network("[avgpool]\n[softmax]\ngroups=2\ntemperature=2\n[dropout]\nprobability=.9\n", h=3, w=5, c=4)
    mean, soft, dropped = outputs(net, x)
    np.testing.assert_allclose(mean, x.mean(axis=(2, 3), keepdims=True), rtol=1e-12)
    z = np.exp(mean.reshape(2, 2, 2) / 2)
    np.testing.assert_allclose(soft, (z / z.sum(axis=2, keepdims=True)).reshape(2, 4, 1, 1), rtol=1e-12)
    np.testing.assert_array_equal(dropped, soft)
    (up,) = outputs(network("[upsample]\nstride=3\nscale=-.5\n", h=3, w=5, c=4), x)
    np.testing.assert_array_equal(up, -0.5 * x.repeat(3, axis=2).repeat(3, axis=3))


def test_dropout_in_training_keeps_the_mean():
    net = network("[dropout]\nprobability=.25\n", h=50, w=50).train()
    (y,) = net(Tensor(np.ones((1, 2, 50, 50))))
    values, counts = np.unique(y.data, return_counts=True)
    np.testing.assert_allclose(values, [0, 1 / 0.75])
    assert abs(counts[0] / y.size - 0.25) < 5 * math.sqrt(0.25 * 0.75 / y.size)


def test_connected_and_local():
    x = drawn(2, 2, 5, 5)
    net = network(
        "[local]\nfilters=3\nsize=3\nstride=2\npad=1\nactivation=leaky\n[connected]\noutput=4\nactivation=tanh\n",
        h=5,
        w=5,
    )
    local, connected = net.layers
    local.bias.data[...] = drawn(3, 3, 3)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    want = np.empty((2, 3, 3, 3))
    for i, j in np.ndindex(3, 3):
        window = padded[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].reshape(2, -1)  # channel, row, column
        want[:, :, i, j] = window @ local.weight.data[3 * i + j].T + local.bias.data[:, i, j]
    want = np.where(want > 0, want, 0.1 * want)
    first, second = outputs(net, x)
    np.testing.assert_allclose(first, want, atol=1e-12)
    fully = np.tanh(want.reshape(2, -1) @ connected.linear.weight.data.T + connected.linear.bias.data)
    np.testing.assert_allclose(second.reshape(2, 4), fully, atol=1e-12)


def test_route_takes_the_group_of_every_layer():
    x = drawn(1, 4, 3, 3)
    twice_and_thrice = "[upsample]\nstride=1\nscale=2\n[upsample]\nstride=1\nscale=3\n"
    routes = "[route]\nlayers=0,-1\ngroups=2\ngroup_id=1\n[route]\nlayers=-2\n"
    net = network(twice_and_thrice + routes, h=3, w=3, c=4)
    *_, joined, alone = outputs(net, x)
    np.testing.assert_array_equal(joined, np.concatenate([2 * x[:, 2:], 6 * x[:, 2:]], axis=1))
    np.testing.assert_array_equal(alone, 6 * x)


@pytest.mark.parametrize(("before", "other"), [(4, 2), (2, 4), (3, 3)])
def test_shortcut_adds_the_channels_that_both_have(before, other):
    net = network(
        f"[conv]\nfilters={other}\nactivation=linear\n[conv]\nfilters={before}\nactivation=linear\n"
        "[shortcut]\nfrom=-2,0\nactivation=leaky\n"
    )
    first, second, y = outputs(net, drawn(2, 2, 6, 6))
    want = second.copy()
    shared = min(before, other)
    want[:, :shared] += 2 * first[:, :shared]
    np.testing.assert_allclose(y, np.where(want > 0, want, 0.1 * want), atol=1e-12)


def test_shortcut_from_a_larger_map_takes_every_second_row_and_column():
    net = network("[conv]\nfilters=2\n[conv]\nfilters=4\nsize=3\nstride=2\npad=1\n[shortcut]\nfrom=-2\n")
    first, second, y = outputs(net, drawn(2, 2, 6, 6))
    want = second.copy()
    for c, i, j in np.ndindex(2, 3, 3):
        want[:, c, i, j] += first[:, c, 2 * i, 2 * j]
    np.testing.assert_allclose(y, want, atol=1e-12)


def test_scale_channels():
    x = drawn(2, 3, 4, 4)
    net = network("[upsample]\nstride=1\n[avgpool]\n[scale_channels]\nfrom=0\nactivation=leaky\n", h=4, w=4, c=3)
    want = x * x.mean(axis=(2, 3), keepdims=True)
    np.testing.assert_allclose(outputs(net, x)[-1], np.where(want > 0, want, 0.1 * want), atol=1e-12)


def _reorg_cpu(x, w, h, c, stride):
    """The walk that Darknet's reorg_cpu (blas.c) makes with forward = 0, over a flat array."""
    out, out_c = np.empty_like(x), c // stride**2
    for k in range(c):
        for j in range(h):
            for i in range(w):
                offset, c2 = divmod(k, out_c)
                w2, h2 = i * stride + offset % stride, j * stride + offset // stride
                out[i + w * (j + h * k)] = x[w2 + w * stride * (h2 + h * stride * c2)]
    return out


@given(st.integers(1, 3), st.integers(1, 2), st.integers(1, 3), st.integers(1, 3))
def test_reorg_in_the_orders_of_darknet(stride, c, h, w):
    c, h, w = c * stride**2, h * stride, w * stride
    x = np.arange(2.0 * c * h * w).reshape(2, c, h, w)
    (y,) = outputs(network(f"[reorg]\nstride={stride}\n", h=h, w=w, c=c), x)
    assert y.shape == (2, c * stride**2, h // stride, w // stride)
    for image, got in zip(x, y, strict=True):  # [reorg] walks by the sizes of the input ...
        np.testing.assert_array_equal(got.reshape(-1), _reorg_cpu(image.reshape(-1), w, h, c, stride))
    (y,) = outputs(network(f"[reorg3d]\nstride={stride}\n", h=h, w=w, c=c), x)
    for image, got in zip(x, y, strict=True):  # ... and [reorg3d] by those of the output
        want = _reorg_cpu(image.reshape(-1), w // stride, h // stride, c * stride**2, stride)
        np.testing.assert_array_equal(got.reshape(-1), want)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[conv]\nsize=3\n", "net.cfg:5: [convolutional]: has no filters=, which it needs"),
        ("[conv]\nfilters=0\n", "net.cfg:6: [convolutional] filters: expected a whole number of at least 1, found 0"),
        ("[conv]\nfilters=4\ngroups=3\n", "groups=3 must divide the 2 channels that arrive and the 4 filters"),
        ("[conv]\nfilters=4\nactivation=sigmoid\n", "no activation is named 'sigmoid'; there are linear, logistic"),
        ("[conv]\nfilters=4\nactivation=normalize_channels\n", "activation=normalize_channels is not implemented"),
        ("[conv]\nfilters=4\nsize=2\ndilation=2\npad=1\n", "dilation=2 needs a padding of (size - 1) / 2 = 0.5"),
        ("[conv]\nfilters=4\nsize=9\n", "its window of 9 pixels does not fit the map, 6 x 6"),
        ("[conv]\nfilters=4\nbatch_normalize=2\n", "expected 0 or 1, found 2"),
        ("[conv]\nfilters=2000000\n", "would have 2000000 channels; expected at most"),
        ("[connected]\noutput=99999999\n", "would have 99999999 channels"),
        ("[upsample]\nstride=100000\n", "values of a map"),
        ("[maxpool]\nsize=2\npadding=3\n", "padding=3 leaves windows of size 2 empty"),
        ("[route]\n", "[route]: has no layers=, which it needs"),
        ("[route]\nlayers=-1\n", "net.cfg:6: [route] layers: -1 (from layer 0) is no earlier layer; no layer stands"),
        ("[upsample]\n[route]\nlayers=1\n", "1 is no earlier layer; layers 0 to 0 stand before it"),
        ("[upsample]\n[route]\nlayers=-2\n", "-2 (from layer 1) is no earlier layer"),
        ("[upsample]\n[shortcut]\nfrom=5\n", "net.cfg:7: [shortcut] from: 5 is no earlier layer"),
        ("[upsample]\n[upsample]\n[route]\nlayers=0,1\n", "different sizes: layer 0 is 12 x 12, layer 1 is 24"),
        ("[upsample]\n[route]\nlayers=0\ngroups=3\n", "groups=3 must divide the 2 channels of layer 0"),
        ("[upsample]\n[route]\nlayers=0\ngroups=2\ngroup_id=2\n", "group_id=2 is none of 2 groups"),
        ("[upsample]\n[upsample]\n[shortcut]\nfrom=0\n", "adds maps of different sizes, which is not implemented"),
        ("[upsample]\n[shortcut]\nfrom=0\nweights_type=per_channel\n", "weights_type=per_channel changes the result"),
        ("[upsample]\n[scale_channels]\nfrom=0\n", "expected 2 x 1 x 1 to scale layer 0, found 2 x 12 x 12"),
        ("[reorg]\nstride=4\n", "stride=4 must divide the map, 6 x 6"),
        ("[softmax]\ngroups=5\n", "groups=5 must divide the 72 values that arrive"),
        ("[dropout]\nprobability=1\n", "expected a probability from 0 to below 1, found 1"),
        ("[local]\nfilters=1\nsize=5\npad=1\n", "pad=1 with size=5: expected pad=0, or pad=1 with size=3"),
        ("[yolo]\nanchors=1,1\nclasses=3\n", "expected 8 channels for its classes and anchors, found 2; set filters="),
        ("[yolo]\nnum=2\nanchors=1,1\n", "net.cfg:7: [yolo] anchors: expected 4 numbers (num=2 pairs), found 2"),
        ("[yolo]\nanchors=1,0\n", "expected widths and heights above 0, found 0"),
        ("[yolo]\nanchors=1,1\nmask=1\n", "net.cfg:7: [yolo] mask: 1 is none of the 1 anchors"),
        ("[yolo]\nmask=0\n", "[yolo]: has no anchors="),
        ("[conv]\nfilters=6\n[yolo]\nanchors=1,1\nclasses=1\n[upsample]\n", "reads layer 1, a [yolo] head"),
        ("[region]\nanchors=1,1\ncoords=8\n", "expected 4, found 8; masks are not implemented"),
        ("[detection]\nclasses=2\nside=3\n", "expected coords=4, found 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_refused_by_file_and_line(text, says):
    assert says in refused(text)


def test_the_input_must_have_a_size():
    for net in ("[net]\n", "[net]\nwidth=3\n", "[net]\nwidth=3\nheight=0\n", "[net]\nwidth=3\nheight=100000\n"):
        with pytest.raises(CfgError, match=r"\[net\]"):
            DarknetNetwork(parse_cfg(f"{net}[avgpool]\n"))


kinds = st.sampled_from(
    ["conv", "conv", "maxpool", "upsample", "route", "shortcut", "avgpool", "reorg", "dropout", "softmax", "connected"]
)
small = st.one_of(st.integers(-3, 6), st.sampled_from([0, 2**31 - 1, 2**31, -(2**31)]))
choices = {
    "conv": ["filters", "size", "stride", "pad", "padding", "groups", "dilation", "batch_normalize", "stride_x"],
    "maxpool": ["size", "stride", "padding"],
    "upsample": ["stride"],
    "route": ["layers", "groups", "group_id"],
    "shortcut": ["from"],
    "reorg": ["stride"],
    "softmax": ["groups"],
    "connected": ["output"],
}


@st.composite
def cfgs(draw):
    lines = ["[net]", "width=8", "height=6", "channels=2"]
    for kind in draw(st.lists(kinds, min_size=1, max_size=6)):
        lines.append(f"[{kind}]")
        for option in choices.get(kind, []):
            if draw(st.integers(0, 3)) or option in ("filters", "layers", "from", "output"):
                lines.append(f"{option}={draw(small)}")
    return "\n".join(lines)


@given(cfgs())
def test_any_cfg_is_built_and_runs_or_is_refused_in_one_line(text):
    try:
        net = DarknetNetwork(parse_cfg(text, "net.cfg"), rng=0).eval()
    except CfgError as error:
        lines = str(error).splitlines()
    else:
        lines = ["built"]
        if max(math.prod(layer.shape) for layer in net.layers) < 100_000:
            found = outputs(net, np.zeros((1, 2, 6, 8), np.float32))
            assert [y.shape[1:] for y in found] == [layer.shape for layer in net.layers]
    assert len(lines) == 1


def test_float32_stays_float32_and_gradients_reach_every_parameter():
    net = DarknetNetwork(
        parse_cfg(
            "[net]\nwidth=8\nheight=8\nchannels=2\n[conv]\nfilters=4\nsize=3\npad=1\nbatch_normalize=1\nactivation=mish\n"
            "[maxpool]\nsize=2\nstride=2\n[local]\nfilters=4\nsize=3\npad=1\nactivation=leaky\n[shortcut]\nfrom=-2\n"
            "[connected]\noutput=3\nbatch_normalize=1\nactivation=logistic\n"
        ),
        rng=0,
    ).train()
    x = drawn(3, 2, 8, 8).astype(np.float32)
    (y,) = net(Tensor(x))
    assert y.dtype == np.float32
    y.backward(drawn(*y.shape).astype(np.float32))
    for name, p in net.named_parameters():
        assert p.grad is not None, name
        assert np.isfinite(p.grad).all(), name
    net.astype(np.float64).eval()
    with no_grad():
        (wide,) = net(Tensor(x.astype(np.float64)))
        (narrow,) = net.astype(np.float32)(Tensor(x))
    assert relative_error(narrow.data, wide.data) < 1e-5
