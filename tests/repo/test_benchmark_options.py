"""The command line of the benchmarks, and what it prints for a result."""

from __future__ import annotations

import json
import sys

import pytest
from support.tree import ROOT

sys.path.insert(0, str(ROOT))  # the benchmarks are no part of the package

from benchmarks.__main__ import main
from benchmarks.cfgs import NETWORKS
from benchmarks.options import STANDARD_OUTPUT, Options
from benchmarks.sizes import SIZES
from benchmarks.targets import BY_DEFAULT, TARGETS


def test_without_arguments_every_operator_is_measured_and_nothing_else():
    options = Options([])
    assert options.operators == list(SIZES)
    assert (options.networks, options.targets, options.against, options.sizes, options.json) == ([], [], [], [], None)


def test_operators_networks_and_options():
    line = "nms yolov4 --against torch,torchvision,openvino --repeats 3 --sizes 416 2,000 --no-memory --json out.json"
    with pytest.raises(SystemExit):
        Options(line.split())  # 2,000 is no size of a network's image
    options = Options(line.replace("yolov4 ", "conv2d ").split())
    assert (options.operators, options.networks) == (["nms", "conv2d"], [])
    assert options.against == ["torch", "torchvision", "openvino"]
    assert (options.repeats, options.memory, options.sizes) == (3, False, ["416", "2,000"])
    assert str(options.json) == "out.json"
    options = Options(["vgg16", "--size", "300x320"])
    assert (options.operators, options.networks, options.sizes) == ([], ["vgg16"], ["300x320"])


def test_json_without_a_file_goes_to_standard_output():
    assert Options(["nms", "--json"]).json == STANDARD_OUTPUT


def test_targets_by_name_and_by_default():
    assert [target.name for target in Options(["targets", "nms", "memory"]).targets] == ["nms", "memory"]
    options = Options(["targets"])
    assert [target.name for target in options.targets] == list(BY_DEFAULT)
    assert (options.operators, options.networks) == ([], [])
    assert set(BY_DEFAULT) < set(TARGETS)
    yolov3 = Options(["targets", "yolov3"])  # a row of the table, not the network
    assert ([target.name for target in yolov3.targets], yolov3.networks) == (["yolov3"], [])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nothing", "unknown: nothing"),
        ("nms --against tensorflow", "unknown: tensorflow"),
        ("targets nothing", "unknown: nothing"),
        ("nms --sizes nowhere", "none of 2,000 anywhere"),
        ("yolov3 --sizes large", "HxW"),
        ("yolov3 --sizes 0", "HxW"),
        ("nms --repeats 0", "expected at least 1"),
    ],
)
def test_misuse_ends_with_a_line_and_status_2(line, says, capsys):
    with pytest.raises(SystemExit) as ended:
        Options(line.split())
    assert ended.value.code == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


@pytest.fixture
def quick(monkeypatch):
    """No measurement of what the machine can do, which takes seconds and much memory."""
    monkeypatch.setattr("benchmarks.__main__.ceilings", dict)
    monkeypatch.setattr("benchmarks.operators.filling", lambda count: ((lambda: None), 1e6))


def test_one_operator_from_the_command_line(quick, capsys):
    assert main(["iou_matrix", "--sizes", "2,000 x 500", "--repeats", "1", "--json"]) in (0, 1)  # the order may be off
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert "iou_matrix" in err
    (result,) = document["results"]
    assert result["size"] == "2,000 x 500"
    assert {"processor", "cores", "versions", "commit"} <= set(document["machine"])
    moved = 4 * 4 * (2000 + 500) + 4 * 2000 * 500
    for row in result["candidates"]:
        assert row["gb_s"] * row["ms"] * 1e6 == pytest.approx(moved)
        assert row["share_of_write"] == pytest.approx(row["gb_s"] / result["write_gb_s"])


def test_a_file_of_results_and_a_size_that_is_not_measured(quick, tmp_path):
    main(["nms", "--size", "2,000 in 50", "--repeats", "1", "--json", str(tmp_path / "out.json")])
    document = json.loads((tmp_path / "out.json").read_text())
    assert [result["size"] for result in document["results"]] == ["2,000 in 50 clusters"]
    assert "gb_s" not in document["results"][0]["candidates"][0]


def test_a_target_that_is_missed_is_a_problem(quick, monkeypatch, capsys):
    from benchmarks.targets import Target, Verdict

    rows = [Verdict("fast", 1.0, "them", 2.0, 1.5), Verdict("slow", 1.0, "them", 1.2, 1.5)]
    monkeypatch.setattr("benchmarks.options.chosen", lambda names: [Target("both", lambda repeats: iter(rows))])
    assert main(["targets"]) == 1
    out, err = capsys.readouterr()
    assert [line.split()[:2] for line in out.splitlines() if "them" in line] == [["met", "fast"], ["missed", "slow"]]
    assert err.splitlines() == ["target missed: slow: 1.20 instead of 1.5"]


def test_a_result_that_disagrees_is_a_problem_and_the_rest_is_measured(quick, monkeypatch, capsys):
    from benchmarks.peers import PEERS

    wrong = {"torchvision": lambda boxes, scores, threshold: lambda: range(len(boxes))}
    monkeypatch.setitem(PEERS, "nms", wrong)
    line = "nms iou_pairs --against torchvision --repeats 1 --json"
    assert main(line.split()) == 1
    document = json.loads(capsys.readouterr().out)
    assert [result["operator"] for result in document["results"]] == ["iou_pairs"]
    assert document["problems"][0].startswith("not timed: nms by torchvision (2,000 anywhere): the indices differ")


def test_every_network_has_a_size_of_its_own():
    assert NETWORKS["yolov3"] == NETWORKS["yolov4"] == 416
    assert NETWORKS["vgg16"] == 300
