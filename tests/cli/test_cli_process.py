"""The command as a process: how it is started, what help says, closed pipes, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

import minidet
from minidet.cli import main

ROOT = Path(minidet.__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels"), *sys.path])}


def process(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """`python -m minidet` with arguments."""
    command = [sys.executable, "-m", "minidet", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=ENVIRONMENT, check=False, **options)  # type: ignore[call-overload]


def test_a_good_run_and_a_bad_one(place) -> None:
    process("detect", place / "photos", *place.network)  # whatever has to be compiled is, and said
    good = process("detect", place / "photos", *place.network, "--json")
    assert (good.returncode, good.stderr) == (0, "")
    assert len(json.loads(good.stdout)["images"]) == 2
    (place / "bad.weights").write_text("<html>")
    bad = process(
        "detect", "photos", "--cfg", "tiny.cfg", "--weights", "bad.weights", "--out", "found", cwd=place.folder
    )
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr.startswith("minidet: bad.weights: ")
    assert bad.stderr.count("\n") == 1
    assert not place.out.exists()


def test_nothing_prints_help_and_version_prints_it(capsys) -> None:
    assert main([]) == 0
    bare = capsys.readouterr()
    assert main(["--help"]) == 0
    assert capsys.readouterr() == bare
    assert bare.err == ""
    for command in ("detect", "facts", "demo", "warm"):
        assert command in bare.out
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"minidet {minidet.__version__}\n"


@pytest.mark.parametrize("command", ["detect", "facts", "demo", "warm"])
def test_every_command_has_help(capsys, command: str) -> None:
    assert main([command, "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"usage: minidet {command}")
    assert err == ""
    if command == "detect":
        assert "examples:" in out
        assert "letter_box=1" in out
        assert "default: 0.25" in out


@pytest.mark.parametrize("form", [["--json"], []])
def test_a_reader_that_leaves(place, form: list[str]) -> None:
    arguments = ["detect", str(place / "photos"), *place.network, *form]
    command = [sys.executable, "-m", "minidet", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        said = running.stderr.read()
        assert running.wait(timeout=120) == 141
    assert said == b""


def test_ctrl_c(place) -> None:
    image = place.photo("big.png", size=(1500, 1500))
    slow = (
        "import sys, time\n"
        "import minidet.detect\n"
        "from minidet.cli import main\n"
        "def wait(*_, **__):\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
        "minidet.detect.forward = wait\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", slow, "detect", image, *place.network, "--out", str(place.out)]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background job ignores it
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True, preexec_fn=heard
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=120)
    assert running.returncode == 130
    assert said == "minidet: interrupted\n"
    assert not place.out.exists()


def test_importing_minidet_needs_numpy_alone() -> None:
    code = (
        "import sys, minidet; print(sorted({'PIL', 'rich', 'numba', 'safetensors', 'hypothesis'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert done.stdout == "[]\n"


def test_help_is_quick_to_import() -> None:
    code = (
        "import sys; from minidet.cli import parser; parser();"
        "print(sorted({'PIL', 'numba', 'minidet.darknet'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert done.stdout == "[]\n"


def test_progress_is_for_those_who_look(place) -> None:
    command = [sys.executable, "-m", "minidet", "detect", str(place / "photos"), *place.network, "--json"]
    screen, theirs = os.openpty()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, env=ENVIRONMENT, check=True, timeout=120)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(screen, 4096):
            shown += piece
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(screen)
    assert b"detecting" in shown
    assert b"2/2" in shown
    assert len(json.loads(done.stdout)["images"]) == 2
