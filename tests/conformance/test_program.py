"""Programs and models as targets: a wrong NMS in C++ and one in ONNX are diagnosed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minidet.cli import main
from minidet.conformance import OPERATORS, Program
from minidet.errors import InputError

HERE = Path(__file__).parent
NMS = OPERATORS["nms"]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++, which compiles the program that is tested")
    path = tmp_path_factory.mktemp("nms") / "nms"
    subprocess.run([compiler, "-O1", "-o", str(path), str(HERE / "wrong_nms.cpp")], check=True)
    return str(path)


def test_a_program_s_conventions(program: str, capsys: pytest.CaptureFixture[str]):
    assert main(["conform", "fingerprint", f"run:{program}", "--op", "nms", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert not found["unexplained"]
    known = {name.partition(".")[2]: values for name, values in found["conventions"].items()}
    assert known["compare"] == ["inclusive"]
    assert known["compare_dtype"] == ["boxes"]
    assert known["ties"] == ["lowest"]
    assert known["nan_scores"] == ["refused"]


def test_a_program_s_fault_is_found_with_three_boxes(program: str, capsys: pytest.CaptureFixture[str]):
    words = ["--op", "nms", "--profile", "torchvision-cpu", "--json"]
    assert main(["conform", "check", f"run:{program}", *words]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] in ("diverges", "conforms to a variant")  # also its thresholds are rounded: rarely drawn
    assert {"compare": "inclusive"} in found["counterexample"]["would_agree_under"]
    assert main(["conform", "check", f"run:{program} neighbours", "--op", "nms", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "diverges"
    held = eval(found["counterexample"]["inputs"]["boxes"], {"np": np})
    assert len(held) <= 3


def call(command: str, **options: float) -> tuple[str, str]:
    with Program(command, boxes=("boxes",), **options) as target:  # type: ignore[arg-type]
        outcome = target.call(NMS.vectors[0].cast("float32"))
    return outcome.kind, outcome.reason


def test_a_program_may_crash_hang_refuse_or_say_nothing(program: str):
    assert call(f"{program} dies") == ("crashes", "ended by SIGABRT")
    python = sys.executable
    assert call(f"{python} -c 'import time; time.sleep(60)'", limit=0.5) == ("hangs", "no answer within 0.5 s")
    assert call(f"{python} -c 'import sys; sys.exit(4)'") == ("refuses", "exit status 4")
    assert call(f"{python} -c 'import sys; sys.exit(\"no boxes\")'") == ("refuses", "no boxes")
    assert call(f"{python} -c 'pass'") == ("refuses", "wrote no answer.npy")
    junk = "import sys; open(sys.argv[1] + '/answer.npy', 'w').write('junk')"
    kind, reason = call(f'{python} -c "{junk}"')
    assert kind == "refuses"
    assert reason.startswith("answer.npy is not an array of NumPy's format")


@pytest.mark.parametrize(
    ("command", "said"), [("", "no program ''"), ("no-such-program x", "no program"), ("'", "quot")]
)
def test_a_program_that_is_not_there_is_one_line(command: str, said: str):
    with pytest.raises(InputError, match=said):
        Program(command)


def test_options_of_functions_are_refused(capsys: pytest.CaptureFixture[str]):
    assert main(["conform", "fingerprint", "run:true", "--op", "nms", "--arrays", "list"]) == 2
    assert "are of Python functions" in capsys.readouterr().err


def test_a_model_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]):
    assert main(["conform", "fingerprint", "no-such-model.onnx", "--op", "nms"]) == 2
    err = capsys.readouterr().err
    assert "no-such-model.onnx cannot be loaded" in err
    assert err.count("\n") == 1


@pytest.mark.oracle
def test_a_wrong_nms_in_onnx_is_diagnosed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """It keeps one box at most."""
    onnx = pytest.importorskip("onnx")
    helper, kinds = onnx.helper, onnx.TensorProto
    constants = [
        helper.make_tensor("first", kinds.INT64, [1], [0]),
        helper.make_tensor("both", kinds.INT64, [2], [0, 1]),
        helper.make_tensor("most", kinds.INT64, [1], [1]),
        helper.make_tensor("last", kinds.INT64, [1], [-1]),
        helper.make_tensor("column", kinds.INT64, [], [2]),
    ]
    nodes = [
        helper.make_node("Unsqueeze", ["boxes", "first"], ["one"]),
        helper.make_node("Unsqueeze", ["scores", "both"], ["every"]),
        helper.make_node("NonMaxSuppression", ["one", "every", "most", "threshold"], ["kept"]),
        helper.make_node("Gather", ["kept", "column"], ["answer"], axis=1),
    ]
    inputs = [
        helper.make_tensor_value_info("boxes", kinds.FLOAT, ["n", 4]),
        helper.make_tensor_value_info("scores", kinds.FLOAT, ["n"]),
        helper.make_tensor_value_info("threshold", kinds.FLOAT, [1]),
    ]
    answer = [helper.make_tensor_value_info("answer", kinds.INT64, ["kept"])]
    graph = helper.make_graph(nodes, "wrong", inputs, answer, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    path = tmp_path / "wrong.onnx"
    path.write_bytes(model.SerializeToString())
    assert main(["conform", "check", str(path), "--op", "nms", "--profile", "onnxruntime", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "diverges"
    held = eval(found["counterexample"]["inputs"]["boxes"], {"np": np})
    assert len(held) <= 3
    assert found["counterexample"]["got"].count(",") == 0, "it keeps one box at most"
