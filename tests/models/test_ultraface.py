"""UltraFace: what is published of it, its priors, its folded form, its weights in four kinds of file."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from support.close import assert_close
from support.realdata import data

from minidet import nn, no_grad
from minidet.autograd import Tensor
from minidet.cli import main
from minidet.errors import InputError
from minidet.models import build
from minidet.models.separable import NormConv
from minidet.plan import Plan
from minidet.weights import npz, pth, ultraface
from minidet.weights.foreign import recognised

MODELS = {"ultraface-rfb-320": "RFB-320", "ultraface-slim-320": "slim-320"}


@pytest.mark.parametrize(("name", "numbers", "convolutions"), [
    ("ultraface-rfb-320", 281100, 52), ("ultraface-slim-320", 264732, 42),
])  # fmt: skip
def test_published_numbers(name, numbers, convolutions, capsys):
    """The files' numbers without the counters of batches; 4,420 boxes."""
    assert main(["facts", name, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["parameters.file"], found["conv_layers"], found["boxes"]) == (numbers, convolutions, 4420)
    assert (found["size"], found["classes"], found["classes.with_nothing"]) == ([240, 320], 1, 2)


def test_priors_are_squares_on_the_grid_of_the_map():
    """Row by row, cell by cell, the smaller square first; centre, width and height are clipped to 0..1."""
    with nn.init.skipped():
        model = build("ultraface-slim-320", width=1 / 16).eval()
    maps = [(30, 40), (15, 20), (8, 10), (4, 5)]
    raw = model(Tensor(np.zeros((0, 3, 240, 320), np.float32)))
    assert [m.shape[2:] for m in raw[:4]] == maps
    found = model.boxes.priors(maps, (240, 320))
    wanted = [
        (min((j + 0.5) / columns, 1), min((i + 0.5) / rows, 1), min(side / 320, 1), min(side / 240, 1))
        for (rows, columns), sides in zip(maps, ((10, 16, 24), (32, 48), (64, 96), (128, 192, 256)), strict=True)
        for i in range(rows) for j in range(columns) for side in sides
    ]  # fmt: skip
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-15)


@pytest.mark.parametrize("size", [(64, 64), (65, 97), (240, 320), (130, 64)])
def test_other_sizes_halve_rounded_up(size):
    model = build("ultraface-rfb-320", size=size, width=1 / 16, rng=0).eval()
    with no_grad():
        raw = model(Tensor(np.random.default_rng(0).random((1, 3, *size), np.float32)))
    sides = [tuple(-(-side // stride) for side in size) for stride in (8, 16, 32, 64)]
    assert [m.shape[2:] for m in raw] == sides * 2
    (found,) = model.candidates([m.numpy() for m in raw])
    assert found.boxes.shape == (sum(h * w * n for (h, w), n in zip(sides, (3, 2, 2, 3), strict=True)), 4)


def randomised(name, **options):
    """A network whose batch norm does something."""
    model, rng = build(name, rng=0, **options).eval(), np.random.default_rng(1)
    for key, array in model.state_dict().items():
        if ".bn." in key:
            array[...] = rng.uniform(0.5, 1.5, array.shape)
    return model


@pytest.mark.parametrize("name", MODELS)
def test_folded_it_computes_the_same(name):
    """In float64, so that nothing but folding itself could make a difference."""
    model = randomised(name, size=64, width=1 / 4).astype(np.float64)
    folded = build(name, size=64, width=1 / 4, folded=True, rng=0).eval().astype(np.float64)
    mine = dict(model.named_modules())
    for path, module in folded.named_modules():
        if isinstance(module, NormConv):
            weight, bias = nn.fold_batch_norm(mine[path].conv, mine[path].bn)
            module.conv.weight.data[...], module.conv.bias.data[...] = weight, bias
        elif isinstance(module, nn.Conv2d) and not path.endswith(".conv"):
            module.load_state_dict(mine[path].state_dict())
    x = np.random.default_rng(0).random((2, 3, 64, 64))
    with no_grad():
        for one, other in zip(model(Tensor(x)), folded(Tensor(x)), strict=True):
            assert_close(one.numpy(), other.numpy(), rtol=1e-11)


def test_a_plan_computes_the_same():
    model, x = randomised("ultraface-rfb-320", size=64), np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    with no_grad():
        layers = [m.numpy() for m in model(Tensor(x))]
    for one, other in zip(Plan(model)(x), layers, strict=True):
        assert_close(one, other, rtol=1e-5)


@pytest.mark.parametrize("options", [{"size": 63}, {"size": (64, 32)}, {"classes": 0}])
def test_wrong_options_are_one_line(options):
    with pytest.raises(InputError, match="at least") as error, nn.init.skipped():
        build("ultraface-slim-320", **options)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=r"images of shape \(1, 3, 63, 64\)"):
        build("ultraface-slim-320", width=1 / 16)(Tensor(np.zeros((1, 3, 63, 64), np.float32)))


def test_each_table_names_every_layer_once():
    for name, named, folded in (
        ("ultraface-rfb-320", ultraface.RFB, ultraface.RFB_CAFFE),
        ("ultraface-slim-320", ultraface.SLIM, ultraface.SLIM_CAFFE),
    ):
        for table, option in ((named, False), (folded, True)):
            with nn.init.skipped():
                mine = build(name, folded=option).state_dict()
            assert sorted(table.values()) == sorted({key.rpartition(".")[0] for key in mine})


def read(name, file):
    found = recognised(str(file), name)
    with nn.init.skipped():
        model = build(name, **{k: v for k, v in found.told().items() if k == "classes"}, **found.told()["options"])
    found.fill(model)
    return found, model.eval()


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_file_gives_the_same_network(name):
    folder, theirs = data("ssd/ultraface"), MODELS[name]
    end = "" if theirs == "RFB-320" else "_without_postprocessing"
    x = Tensor(np.random.default_rng(0).random((1, 3, 240, 320), np.float32))
    maps = {}
    for file in (
        f"version-{theirs}.pth",
        f"version-{theirs}.npz",
        f"version-{theirs}{end}.onnx",
        f"{theirs}.caffemodel",
    ):
        found, model = read(name, folder / file)
        assert found.told()["names"] == ("face",)
        with no_grad():
            maps[file] = [m.numpy() for m in model(x)]
    first, *others = maps.values()
    for one in others[:-1]:  # the same numbers
        for mine, wanted in zip(one, first, strict=True):
            np.testing.assert_array_equal(mine, wanted)
    for mine, wanted in zip(others[-1], first, strict=True):  # folded
        assert_close(mine, wanted, rtol=1e-4)


@pytest.mark.parametrize(
    "file", ["RFB-320.caffemodel", *(f"version-RFB-320{end}" for end in (".pth", ".npz", ".onnx"))]
)
def test_it_finds_the_faces(file, capsys):
    """One above 0.9 in each picture: left, top, right, bottom in pixels, as the pictures show."""
    wanted = {"000001": (144, 51, 270, 215), "000542": (222, 0, 494, 233), "001150": (300, 5, 353, 73),
              "004545": (297, 24, 319, 54)}  # fmt: skip
    folder = data("ssd/mobilenet_ssd_voc/images")
    arguments = ["--model", "ultraface-rfb-320", "--weights", str(data(f"ssd/ultraface/{file}")), "--score", "0.9"]
    assert main(["detect", *(str(folder / f"{p}.jpg") for p in wanted), *arguments, "--json"]) == 0
    said = capsys.readouterr()
    assert said.err == "" or "compiling" in said.err
    document = json.loads(said.out)
    assert document["names"] == ["face"]
    for image, box in zip(document["images"], wanted.values(), strict=True):
        (found,) = image["detections"]
        assert found["score"] > 0.9
        np.testing.assert_allclose(found["box"], box, atol=1)


def test_files_that_do_not_fit_are_one_line(tmp_path, capsys):
    folder = data("ssd/ultraface")
    for name, other in (("ultraface-rfb-320", "slim-320"), ("ultraface-slim-320", "RFB-320")):
        for file in (f"{other}.caffemodel", f"version-{other}.pth"):
            with pytest.raises(
                InputError, match=rf"weights of UltraFace's {other}.*; give --model ultraface-{other.lower()}$"
            ):
                recognised(str(folder / file), name)
    state = pth.load(folder / "version-slim-320.pth")
    state["base_net.3.0.weight"] = state["base_net.3.0.weight"][:, :, :2]
    state["extra.weight"] = state.pop("regression_headers.1.2.bias")
    np.savez(tmp_path / "x.npz", **state)
    with pytest.raises(InputError) as error:
        read("ultraface-slim-320", tmp_path / "x.npz")
    assert str(error.value) == (
        f"{tmp_path / 'x.npz'} does not fit: unknown extra.weight; missing regression_headers.1.2.bias; "
        "of another shape base_net.3.0.weight (32 x 1 x 2 x 3 for 32 x 1 x 3 x 3)"
    )
    for file in ("slim-320.caffemodel", "version-slim-320_without_postprocessing.onnx", "version-slim-320.npz"):
        cut = tmp_path / f"cut{(folder / file).suffix}"
        shutil.copy(folder / file, cut)
        cut.chmod(0o644)
        cut.write_bytes(cut.read_bytes()[:-1000])
        arguments = ["--model", "ultraface-slim-320", "--weights", str(cut)]
        assert main(["detect", str(folder.parent / "mobilenet_ssd_voc/images/000001.jpg"), *arguments]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"minidet: {cut}")
        assert said.count("\n") == 1


def test_all_numbers_of_a_file_are_used():
    """The tables leave out nothing but counters of batches."""
    state = npz.load(data("ssd/ultraface/version-RFB-320.npz"))
    used = sum(a.size for key, a in state.items() if not key.endswith("num_batches_tracked"))
    with nn.init.skipped():
        assert used == sum(a.size for a in build("ultraface-rfb-320").state_dict().values())
