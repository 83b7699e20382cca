"""Names, state, modes, hooks and types of modules."""

import numpy as np
import pytest

from minidet import Tensor, nn


class Block(nn.Module):
    def __init__(self, c_in, c_out):
        self.conv = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x):
        return self.norm(self.conv(x))


class Net(nn.Module):
    def __init__(self):
        self.stem = Block(3, 4)
        self.blocks = [Block(4, 4), Block(4, 4)]
        self.head = nn.Sequential(nn.Mish(), nn.Conv2d(4, 2, 1))
        self.scale = nn.Parameter(np.ones(1, np.float32))
        self.anchors = nn.Buffer(np.arange(3))

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x) * self.scale


X = np.random.default_rng(0).normal(size=(2, 3, 5, 5)).astype(np.float32)


def test_names_are_attribute_paths():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == [
        "scale",
        "stem.conv.weight",
        "stem.norm.weight",
        "stem.norm.bias",
        "blocks.0.conv.weight",
        "blocks.0.norm.weight",
        "blocks.0.norm.bias",
        "blocks.1.conv.weight",
        "blocks.1.norm.weight",
        "blocks.1.norm.bias",
        "head.1.weight",
        "head.1.bias",
    ]
    assert "blocks.1.norm.running_var" in dict(net.named_buffers())
    assert "anchors" in dict(net.named_buffers())
    assert [name for name, _ in net.named_modules()][:4] == ["", "stem", "stem.conv", "stem.norm"]


def test_a_shared_parameter_has_one_name():
    net = Net()
    net.blocks[1].conv = net.blocks[0].conv
    names = [name for name, _ in net.named_parameters()]
    assert "blocks.0.conv.weight" in names
    assert "blocks.1.conv.weight" not in names


def test_a_parameter_of_two_layers_has_one_name():
    net = Net()
    net.blocks[1].conv.weight = net.blocks[0].conv.weight
    names = [name for name, _ in net.named_parameters()]
    assert "blocks.0.conv.weight" in names
    assert "blocks.1.conv.weight" not in names
    assert "blocks.1.conv.bias" in names or net.blocks[1].conv.bias is None


def test_state_goes_from_one_network_to_another():
    nn.init.seed(1)
    a, b = Net(), Net()
    a(X)  # moves the running statistics
    assert (a.eval()(X).data != b.eval()(X).data).any()
    b.load_state_dict({name: array.copy() for name, array in a.state_dict().items()})
    np.testing.assert_array_equal(a(X).data, b(X).data)


def test_a_state_that_does_not_fit_changes_nothing():
    net = Net()
    before = {name: array.copy() for name, array in net.state_dict().items()}
    wrong = {name: array + 1 for name, array in before.items()}
    wrong["head.1.bias"] = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match=r"head\.1\.bias"):
        net.load_state_dict(wrong)
    del wrong["head.1.bias"]
    with pytest.raises(KeyError, match=r"head\.1\.bias"):
        net.load_state_dict(wrong)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    net.load_state_dict(wrong, strict=False)
    np.testing.assert_array_equal(net.scale.data, [2])


def test_train_and_eval_reach_everything():
    net = Net()
    assert all(m.training for _, m in net.named_modules())
    net.eval()
    assert not any(m.training for _, m in net.named_modules())
    before = net.stem.norm.running_mean.data.copy()
    first = net(X).data
    np.testing.assert_array_equal(net(X).data, first)
    np.testing.assert_array_equal(net.stem.norm.running_mean.data, before)
    net.train()
    net(X)
    assert (net.stem.norm.running_mean.data != before).any()


def test_forward_hooks_see_inputs_and_outputs_until_they_are_removed():
    net, seen = Net(), []
    remove = net.stem.register_forward_hook(lambda module, inputs, output: seen.append((module, inputs, output)))
    x = Tensor(X)
    net(x)
    assert len(seen) == 1
    assert seen[0][0] is net.stem
    assert seen[0][1] == (x,) or seen[0][1][0] is x
    assert seen[0][2].shape == (2, 4, 5, 5)
    remove()
    net(x)
    assert len(seen) == 1


def test_astype_converts_floats_only_and_results_follow():
    net = Net()
    assert net(X).dtype == np.float32
    net.astype(np.float64)
    assert {a.dtype for n, a in net.state_dict().items() if n != "anchors"} == {np.dtype(np.float64)}
    assert net.anchors.dtype.kind == "i"
    assert net(X.astype(np.float64)).dtype == np.float64


def test_every_parameter_gets_a_gradient_of_its_type():
    net = Net()
    (net(Tensor(X)) ** 2).mean().backward()
    for name, p in net.named_parameters():
        assert p.grad is not None, name
        assert p.grad.dtype == np.float32
        assert np.isfinite(p.grad).all()
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    assert nn.count(net.parameters()) == sum(p.size for p in net.parameters())


def test_lists_of_modules():
    layers = nn.ModuleList([nn.ReLU()])
    layers.append(nn.Conv2d(1, 1, 1))
    assert len(layers) == 2
    assert [type(m) for m in layers] == [nn.ReLU, nn.Conv2d]
    assert dict(layers.named_parameters()).keys() == {"1.weight", "1.bias"}
    assert layers[0:1] == [layers[0]]


def test_devices():
    net = Net()
    assert net.to("cpu") is net
    with pytest.raises(ValueError, match="no device is named 'tpu'"):
        net.to("tpu")
