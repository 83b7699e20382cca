"""Generated pages of the suite name every test of a real library, every convention, value and bug."""

from __future__ import annotations

import json
import re

import real_libraries
from real_libraries import Record, library, page, words
from support.tree import ROOT

from minidet.conformance import OPERATORS

REAL = ROOT / "docs" / "real_libraries.md"


def test_the_page_of_real_libraries_names_each_of_their_tests():
    """Where this fails: python -m tests.real_libraries --markdown docs/real_libraries.md, with the oracles' Python."""
    assert set(re.findall(r"<!-- (test_\w+) -->", REAL.read_text(encoding="utf-8"))) == set(real_libraries.tests())


def test_a_library_is_known_by_its_target_before_the_name_of_the_test():
    assert library("torchvision.ops:nms, aligned=True", "test_onnx") == "torchvision"
    assert library("torch.nn.functional:mish", "test_torchvision") == "torch"
    assert library("opencv_targets:nms", "test_nms") == "OpenCV"
    assert library("mine:f", "test_pillow_smooths") == "Pillow"
    assert words("test_onnx_reference_adds_the_first_group_s_bias") == "Onnx reference adds the first group's bias"


def test_what_was_asked_is_on_the_page():
    record = Record()
    record.prints["torch", "nms", "torch:nms", "test_x"] = {
        "values": {"compare": ("strict",), "inverted": ("as_is", "empty"), "ties": ()},
        "profiles": ("minidet",),
    }
    said = page(record)
    assert "`compare` strict; `inverted` as_is or empty; `ties` **none of the known** | `minidet` |" in said


def test_a_page_has_every_convention_value_law_and_bug():
    text = (ROOT / "docs" / "conformance" / "nms.md").read_text(encoding="utf-8")
    for convention in OPERATORS["nms"].conventions.values():
        assert f"### {convention.name}\n" in text
        for value in convention.values:
            assert f"| `{value.name}`" in text
    kept = json.loads((ROOT / "docs" / "kill_matrix.json").read_text(encoding="utf-8"))
    assert all(m["name"] in text for m in kept["nms"]["mutants"] if m["kind"] == "bug")
    assert "[pytorch/vision#1614](https://github.com/pytorch/vision/issues/1614)" in text
    assert "`minidet/conformance/operators/nms.py`" in text
