"""What is found out about coders, anchors, priors, matchers and levels that nobody here wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from minidet.conformance import OPERATORS, Fingerprint, Target, check, fingerprint, laws, profiles

pytestmark = pytest.mark.oracle
HERE = Path(__file__).parent
#: torchvision's functions, by operator.
TORCHVISION = {
    "ssd_encode": "ssd_encode",
    "ssd_decode": "ssd_decode",
    "rcnn_encode": "encode",
    "rcnn_decode": "decode",
    "anchors": "anchors",
    "ssd_priors": "ssd_priors",
    "match": "match",
    "ssd_match": "ssd_match",
    "fpn_level": "fpn_level",
}


@pytest.fixture(autouse=True)
def _wrappers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


def target(function: str, name: str, extra: Mapping[str, object] | None = None) -> Target:
    operator = OPERATORS[name]
    return Target(
        f"coders_targets:{function}", boxes=operator.boxes, outputs=operator.outputs, extra=dict(extra or {}), limit=60
    )


def found(function: str, name: str, **extra: object) -> Fingerprint:
    with target(function, name, extra) as one:
        return fingerprint(OPERATORS[name], one)


def follows(one: Fingerprint, **values: str) -> None:
    assert not one.unexplained
    assert {name: one.values[name] for name in values} == {name: (value,) for name, value in values.items()}


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_is_recognised_and_conforms_to_its_profile(name: str):
    operator, known = OPERATORS[name], profiles()["torchvision-cpu"][name]
    with target(TORCHVISION[name], name) as one:
        inferred = fingerprint(operator, one)
        follows(inferred, **known)
        assert "torchvision-cpu" in inferred.profiles()
        verdict = check(operator, one, operator.dialect(**known), examples=40)
        assert verdict.word == "conforms", verdict.found
        broken = [law for law in laws(operator, one, operator.dialect(**known), examples=10) if law.word == "broken"]
        assert broken == []


def test_torchvision_options_are_conventions():
    follows(found("match", "match", low_quality=False), low_quality="none", compare="inclusive", width="exclusive")
    follows(found("ssd_priors", "ssd_priors", clip=False), clip="none", centre="step", sides="fractions")
    follows(found("ssd_priors", "ssd_priors", steps=False), centre="map")


def test_opencv_priors():
    known = {"order": "small_large_ratios", "base": "small", "sizes": "exact", "sides": "pixels"}
    follows(found("opencv_priors", "ssd_priors"), **known, clip="none", centre="step")
    follows(found("opencv_priors", "ssd_priors", clip=True), **known, clip="corners", centre="step")
    follows(found("opencv_priors", "ssd_priors", steps=False), **known, clip="none", centre="map")


def test_opencv_decoding_knows_two_codes_and_no_limit():
    one = found("opencv_decode", "ssd_decode")
    follows(one, **profiles()["opencv"]["ssd_decode"])
    assert "opencv" in one.profiles()
    follows(found("opencv_decode", "ssd_decode", code="CORNER"), code="corner", variances="multiplied")
    follows(found("opencv_decode", "ssd_decode", encoded=True), code="centre_size", variances="ignored")
    follows(found("opencv_decode", "ssd_decode", clip=True), code="centre_size", clip="unit")


def test_openvino_priors():
    known = {"base": "small", "sizes": "exact", "sides": "pixels"}
    follows(found("openvino_priors", "ssd_priors"), **known, order="small_large_ratios", clip="none", centre="step")
    follows(found("openvino_priors", "ssd_priors", order=False), **known, order="small_ratios_large")
    follows(found("openvino_priors", "ssd_priors", clip=True), **known, clip="corners")
    follows(found("openvino_priors", "ssd_priors", steps=False), **known, centre="map")
