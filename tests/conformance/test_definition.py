"""Every variant of every definition runs, by name."""

from __future__ import annotations

import numpy as np
import pytest

from minidet.conformance import OPERATORS, definition, profiles
from minidet.conformance.operators import Refused

A = [[0, 0, 2, 1], [0, 0, 1, 1]]


def test_a_convention_is_changed_by_name():
    assert definition("nms")(A, [2.0, 1.0], 0.5).tolist() == [0, 1]
    assert definition("nms", compare="inclusive")(A, [2.0, 1.0], 0.5).tolist() == [0]
    assert definition("iou")(A[:1], A[1:]).tolist() == [[0.5]]
    assert definition("iou", width="inclusive")(a=A[:1], b=A[1:]).tolist() == [[4 / 6]]
    point = [[1, 1, 1, 1]]
    assert np.isnan(definition("iou", profile="torchvision-cpu")(point, point)).all()
    assert definition("iou", profile="torchvision-cpu", empty="one")(point, point).tolist() == [[1.0]]


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_every_value_of_every_convention_runs(name: str):
    operator = OPERATORS[name]
    vector = min(operator.vectors, key=lambda one: sum(np.size(v) for v in one.inputs.values()))
    own = operator.dialect(**profiles()["minidet"][name])
    for convention in operator.conventions.values():
        for value in convention.values:
            function = definition(name, **{convention.name: value.name})
            assert f"{convention.full_name}={value.name}" in (function.__doc__ or "")
            expected = operator.reference(vector.inputs, own | {convention.name: value.name})
            if isinstance(expected, Refused):
                with pytest.raises(ValueError, match=rf"{name}: the dialect takes this input for an error"):
                    function(**vector.inputs)
            else:
                assert operator.same(function(*vector.inputs.values()), expected, vector.inputs)


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match=r"no operator is named 'nmx'; there are iou"):
        definition("nmx")
    with pytest.raises(ValueError, match=r"nms has no convention 'colour'"):
        definition("nms", colour="red")
    with pytest.raises(ValueError, match=r"no profile 'nobody' of nms; there are .*minidet"):
        definition("nms", profile="nobody")
    with pytest.raises(TypeError, match=r"nms\(boxes, scores, threshold\), each once"):
        definition("nms")(A, [2.0, 1.0])
    with pytest.raises(TypeError, match=r"each once"):
        definition("nms")(A, [2.0, 1.0], scores=[1.0], threshold=0.5)
    with pytest.raises(ValueError, match=r"takes this input for an error .*nms\.nan_scores=refused"):
        definition("nms")(A, [np.nan, 1.0], 0.5)
