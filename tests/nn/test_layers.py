"""Layers against torch's of the same options: values, gradients of input and parameters, in float64."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.close import assert_close
from support.drawn_arrays import arrays, away, distinct, normal
from support.drawn_layers import conv_calls, pool_calls, two

from minidet import GradientError, Tensor, gradcheck, nn


def image(channels, values=normal, least=4):
    side = st.integers(least, least + 4)
    return st.tuples(st.integers(1, 2), st.just(channels), side, side).flatmap(lambda s: arrays(s, values))


@st.composite
def conv_layers(draw, transposed=False):
    """Our layer, its name and arguments in torch, and an input."""
    call = draw(conv_calls(transposed))
    x, w, bias = call.inputs
    p = {**call.parameters, "bias": bias is not None}
    c_in, c_out = (w.shape[0], w.shape[1] * p["groups"]) if transposed else (w.shape[1] * p["groups"], w.shape[0])
    ours = (nn.ConvTranspose2d if transposed else nn.Conv2d)(c_in, c_out, w.shape[2:], **p, rng=draw(st.integers(0, 9)))
    assert ours.weight.shape == w.shape
    return ours, "ConvTranspose2d" if transposed else "Conv2d", (c_in, c_out, w.shape[2:]), p, x


@st.composite
def pool_layers(draw, average):
    call = draw(pool_calls(average))
    p = call.parameters
    ours = (nn.AvgPool2d if average else nn.MaxPool2d)(**p)
    more = {"count_include_pad": p["count_include_pad"]} if average else {}
    theirs = {"ceil_mode": p["convention"] == "caffe", **more}
    return ours, "AvgPool2d" if average else "MaxPool2d", (p["size"], p["stride"], p["padding"]), theirs, call.inputs[0]


@st.composite
def simple(draw, ours, theirs, arguments, x):
    return ours(), theirs, arguments, {}, draw(x)


@st.composite
def norm_layers(draw):
    c, eps, momentum = draw(st.integers(1, 3)), draw(st.sampled_from([1e-5, 1e-3])), draw(st.sampled_from([0.1, 0.5]))
    ours = nn.BatchNorm2d(c, eps=eps, momentum=momentum)
    return ours, "BatchNorm2d", (c, eps, momentum), {}, draw(image(c))


@st.composite
def upsample_layers(draw):
    factor, mode = draw(st.integers(1, 3)), draw(st.sampled_from(["nearest", "bilinear"]))
    return nn.Upsample(factor, mode), "Upsample", (None, factor, mode), {}, draw(image(2))


x4 = image(3, away)
LAYERS = {
    "Conv2d": conv_layers(),
    "ConvTranspose2d": conv_layers(transposed=True),
    "Linear": simple(lambda: nn.Linear(5, 3), "Linear", (5, 3), arrays((4, 5))),
    "Linear without bias": simple(lambda: nn.Linear(5, 3, bias=False), "Linear", (5, 3, False), arrays((2, 4, 5))),
    "BatchNorm2d": norm_layers(),
    "MaxPool2d": pool_layers(average=False),
    "AvgPool2d": pool_layers(average=True),
    "GlobalAvgPool2d": simple(nn.GlobalAvgPool2d, "AdaptiveAvgPool2d", (1,), image(3)),
    "Upsample": upsample_layers(),
    "Flatten": simple(nn.Flatten, "Flatten", (), image(2)),
    "Identity": simple(nn.Identity, "Identity", (), image(2)),
    "ReLU": simple(nn.ReLU, "ReLU", (), x4),
    "LeakyReLU": simple(lambda: nn.LeakyReLU(0.1), "LeakyReLU", (0.1,), x4),
    "LeakyReLU default": simple(nn.LeakyReLU, "LeakyReLU", (), x4),
    "ReLU6": simple(nn.ReLU6, "ReLU6", (), x4),
    "PReLU": simple(lambda: nn.PReLU(3), "PReLU", (3,), x4),
    "PReLU for all": simple(nn.PReLU, "PReLU", (), x4),
    "SELU": simple(nn.SELU, "SELU", (), x4),
    "ELU": simple(lambda: nn.ELU(2.0), "ELU", (2.0,), x4),
    "SiLU": simple(nn.SiLU, "SiLU", (), x4),
    "Swish": simple(nn.Swish, "SiLU", (), x4),
    "Mish": simple(nn.Mish, "Mish", (), x4),
    "GELU": simple(nn.GELU, "GELU", (), x4),
    "GELU by tanh": simple(lambda: nn.GELU("tanh"), "GELU", ("tanh",), x4),
    "HardSwish": simple(nn.HardSwish, "Hardswish", (), x4),
    "Sigmoid": simple(nn.Sigmoid, "Sigmoid", (), x4),
    "Tanh": simple(nn.Tanh, "Tanh", (), x4),
    "Softplus": simple(nn.Softplus, "Softplus", (1.0, 1e9), x4),
    "Softmax": simple(lambda: nn.Softmax(1), "Softmax", (1,), x4),
    "LogSoftmax": simple(lambda: nn.LogSoftmax(1), "LogSoftmax", (1,), x4),
}
#: torch's Hardsigmoid rounds its gradient to float32; dropout draws other numbers; it has no L2Norm; its frozen batch
#: norm is torchvision's.
WITHOUT_TORCH = {"HardSigmoid", "Dropout", "DropBlock", "L2Norm", "FrozenBatchNorm2d"}


def test_every_layer_is_tested():
    layers = {
        name for name in nn.__all__
        if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), nn.Module)
    }  # fmt: skip
    containers = {"Module", "ModuleList", "Sequential"}
    assert {name.split()[0] for name in LAYERS} | WITHOUT_TORCH | containers == layers


@settings(max_examples=20)
@given(x=image(3, away), scale=st.sampled_from([1.0, 20.0]))
def test_l2norm_gives_every_place_the_length_of_its_scale(x, scale):
    layer = nn.L2Norm(3, scale=scale).astype(np.float64)
    y = layer(Tensor(x)).numpy()
    np.testing.assert_allclose(np.sqrt((y * y).sum(axis=1)), scale, rtol=1e-12)
    np.testing.assert_allclose(y, scale * x / np.sqrt((x * x).sum(axis=1, keepdims=True)), rtol=1e-12)
    layer.weight.data[...] = (1, 2, 3)
    weighted = layer(Tensor(x)).numpy() * scale
    np.testing.assert_allclose(weighted, y * np.array([1, 2, 3]).reshape(1, 3, 1, 1), rtol=1e-12)
    gradcheck(layer, x, parameters=dict(layer.named_parameters()))


@settings(max_examples=20)
@given(x=image(3), eps=st.sampled_from([0.0, 1e-5, 1e-3]), activation=st.sampled_from(["leaky", "silu", "mish"]))
def test_frozen_batch_norm_is_that_of_evaluation_and_never_changes(x, eps, activation):
    rng = np.random.default_rng(0)
    frozen, other = nn.FrozenBatchNorm2d(3, eps=eps), nn.BatchNorm2d(3, eps=eps).eval()
    frozen.load_state_dict({name: rng.random(3) + 0.5 for name in other.state_dict()})
    other.load_state_dict(frozen.state_dict())
    frozen, other = frozen.astype(np.float64), other.astype(np.float64)
    before = {name: array.copy() for name, array in frozen.state_dict().items()}
    assert frozen.training
    assert frozen.parameters() == []
    np.testing.assert_array_equal(frozen(Tensor(x)).data, other(Tensor(x)).data)
    np.testing.assert_array_equal(frozen.then(Tensor(x), activation).data, other.then(Tensor(x), activation).data)
    gradcheck(frozen, x)
    for name, array in frozen.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.oracle
@pytest.mark.parametrize("name", LAYERS)
@settings(max_examples=20)
@given(data=st.data())
def test_layer_is_that_of_torch(name, data):
    torch = pytest.importorskip("torch")
    layer, theirs_name, arguments, options, x = data.draw(LAYERS[name])
    rng = np.random.default_rng(3)
    layer.astype(np.float64)
    for p in layer.parameters():
        p.data = rng.normal(size=p.shape)
    theirs = getattr(torch.nn, theirs_name)(*arguments, **options).double()
    theirs.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in layer.state_dict().items()}, strict=False)
    assert {k for k, _ in theirs.named_parameters()} == dict(layer.named_parameters()).keys()

    ours_x, theirs_x = Tensor(x, requires_grad=True), torch.from_numpy(x.copy()).requires_grad_()
    for training in (True, True, False):  # twice, so that the running statistics of batch norm have moved twice
        layer.train(training)
        theirs.train(training)
        ours_y, theirs_y = layer(ours_x), theirs(theirs_x)
        assert_close(ours_y.data, theirs_y.detach().numpy(), what="value")
        g = rng.normal(size=ours_y.shape)
        if ours_y is not ours_x:
            ours_y.backward(g)
            theirs_y.backward(torch.from_numpy(g))
    for key, p in [("input", ours_x), *layer.named_parameters()]:
        q = theirs_x if key == "input" else dict(theirs.named_parameters())[key]
        if q.grad is not None:
            assert_close(p.grad, q.grad.numpy(), what=f"gradient of {key}")
    for key, b in layer.named_buffers():
        assert_close(b.data, dict(theirs.named_buffers())[key].numpy(), what=key)


@pytest.mark.parametrize("name", [n for n in LAYERS if n != "Identity"])
@settings(max_examples=5)
@given(data=st.data())
def test_gradients_of_layers_and_their_parameters(name, data):
    layer, _, _, _, x = data.draw(LAYERS[name])
    assume(x.size)
    rng = np.random.default_rng(4)
    layer.astype(np.float64)
    for p in layer.parameters():
        p.data = rng.uniform(0.5, 1.5, p.shape)
    try:
        gradcheck(layer, x, parameters=dict(layer.named_parameters()), rtol=1e-5)
    except GradientError as error:
        assume(error.kind != "vacuous")
        raise


def test_hard_sigmoid():
    x = np.array([-4.0, -1.0, 0.0, 2.0, 4.0])
    assert_close(nn.HardSigmoid()(x).data, [0, 1 / 3, 0.5, 5 / 6, 1])


@pytest.mark.parametrize("layer", [nn.Dropout(0.5, rng=0), nn.DropBlock(0.3, 2, rng=0)])
def test_dropout_layers_are_the_identity_in_eval(layer):
    x = Tensor(np.ones((2, 3, 6, 6)))
    y = layer(x)
    assert (y.data == 0).any()
    assert layer.eval()(x) is x
    assert (layer.train()(x).data != y.data).any()  # the generator has moved on


@pytest.mark.parametrize("kind", [nn.Dropout, nn.DropBlock])
def test_dropout_layers_draw_by_their_seed_or_by_the_default_generator(kind):
    x = Tensor(np.ones((2, 3, 9, 9)))
    np.testing.assert_array_equal(kind(0.3, rng=5)(x).data, kind(0.3, rng=5)(x).data)
    nn.init.seed(7)
    first = kind(0.3)(x).data
    nn.init.seed(7)
    np.testing.assert_array_equal(kind(0.3)(x).data, first)


@given(x=image(2, distinct), size=st.integers(1, 3), stride=st.integers(1, 3))
def test_darknet_max_pool_layer_is_its_definition(x, size, stride):
    y = nn.MaxPool2d(size, stride, convention="darknet")(x).data
    n, c, h, w = x.shape
    oh, ow = ((s + size - 1 - size) // stride + 1 for s in (h, w))
    expected = np.empty((n, c, oh, ow))
    first = (size - 1) // 2
    for i, j in np.ndindex(oh, ow):
        top, left = i * stride - first, j * stride - first
        window = x[:, :, max(top, 0) : top + size, max(left, 0) : left + size]
        expected[:, :, i, j] = window.max(axis=(2, 3))
    np.testing.assert_array_equal(y, expected)


def test_pairs_are_vertical_then_horizontal():
    layer = nn.Conv2d(1, 1, (1, 3), stride=(1, 2), padding=(0, 1))
    assert layer.weight.shape == (1, 1, 1, 3)
    assert layer(np.ones((1, 1, 4, 6), np.float32)).shape == (1, 1, 4, 3)
    assert two(3) == (3, 3)


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
@pytest.mark.parametrize("arguments", [(3, 4, 3, {"groups": 2}), (0, 4, 3, {}), (4, 3, 3, {"groups": 2})])
def test_channels_are_multiples_of_the_groups(kind, arguments):
    *positional, options = arguments
    with pytest.raises(ValueError, match="must be multiples of the groups"):
        kind(*positional, **options)


def test_bad_batch_norm_option():
    with pytest.raises(ValueError, match="epsilon is 'inside' or 'outside'"):
        nn.BatchNorm2d(3, epsilon="between")
