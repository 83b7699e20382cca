"""Every public function, over the table: gradients, torch's values and gradients, dtypes, inputs left alone."""

import copy
from random import Random

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from support.close import assert_close
from support.function_cases import CASES

import minidet.functions as F
from minidet import GradientError, Tensor, gradcheck

NAMES = [str(case) for case in CASES]
every_case = pytest.mark.parametrize("case", CASES, ids=NAMES)


def floating(x):
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def test_every_public_function_has_a_case():
    assert {case.function for case in CASES} == set(F.__all__)


def test_every_case_has_a_counterpart_in_torch_or_a_reason():
    for case in CASES:
        assert (case.torch is None) == bool(case.why), str(case)
    without = {c.function for c in CASES} - {c.function for c in CASES if c.torch}
    assert without == {"dropout", "drop_block"}


def check_gradient(case, call, **options):
    gradcheck(lambda *xs: getattr(F, case.function)(*xs, **call.parameters), *call.inputs, rtol=1e-5, **options)


@every_case
@settings(max_examples=25)
@given(data=st.data())
def test_gradient(case, data):
    call = data.draw(case.calls)
    if any(floating(x) for x in call.inputs):
        check_gradient(case, call, allow_zero=True)


@every_case
def test_the_check_of_the_gradient_is_not_vacuous(case):
    """Among the calls drawn is one in which the gradients of all inputs are far from zero."""

    def tells(call):
        if not any(floating(x) and x.size for x in call.inputs):
            return False
        try:
            check_gradient(case, call)
        except GradientError as error:
            if error.kind != "vacuous":
                raise
            return False
        return True

    find(case.calls, tells, settings=settings(max_examples=200, phases=[Phase.generate]), random=Random(0))


def run(case, call, dtype):
    """The value and the gradients of one call, in ``dtype``, contracted with a fixed random direction."""
    inputs = [
        Tensor(x.astype(dtype, copy=dtype != x.dtype), requires_grad=True) if floating(x) else x for x in call.inputs
    ]
    y = getattr(F, case.function)(*inputs, **call.parameters)
    g = np.random.default_rng(1).normal(size=y.shape).astype(dtype)
    if y.requires_grad:
        y.backward(g)
    return inputs, y, g


@pytest.mark.oracle
@pytest.mark.parametrize("case", [c for c in CASES if c.torch], ids=[str(c) for c in CASES if c.torch])
@settings(max_examples=40)
@given(data=st.data())
def test_value_and_gradients_are_those_of_torch(case, data):
    torch = pytest.importorskip("torch")
    call = data.draw(case.calls)
    inputs, y, g = run(case, call, np.float64)
    theirs = [
        torch.from_numpy(x.copy()).requires_grad_(floating(x)) if isinstance(x, np.ndarray) else x for x in call.inputs
    ]
    expected = case.torch(torch, *theirs, **call.parameters)
    assert_close(y.data, expected.detach().numpy(), what="value")
    if expected.requires_grad:
        expected.backward(torch.from_numpy(g))
    for i, (x, t) in enumerate(zip(inputs, theirs, strict=True)):
        if isinstance(x, Tensor):
            ours = np.zeros(x.shape) if x.grad is None else x.grad
            wanted = np.zeros(x.shape) if t.grad is None else t.grad.numpy()
            assert_close(ours, wanted, what=f"gradient of input {i}")


@every_case
@settings(max_examples=10)
@given(data=st.data())
def test_float32_stays_float32_and_inputs_stay_as_they_are(case, data):
    call = data.draw(case.calls)
    running = ("running_mean", "running_var", "weight", "pos_weight")
    single = {k: v.astype(np.float32) if k in running and floating(v) else v for k, v in call.parameters.items()}
    call.parameters.clear()
    call.parameters.update(single)
    before = copy.deepcopy((call.inputs, call.parameters))
    inputs, y, _ = run(case, call, np.float32)
    arrays = [x for x in inputs if isinstance(x, Tensor)]
    assert y.dtype == np.float32 or not arrays
    for x in arrays:
        assert x.grad is None or (x.grad.dtype, x.grad.shape) == (np.float32, x.shape)
    for x, old in zip(inputs, before[0], strict=True):
        if isinstance(x, Tensor):
            np.testing.assert_array_equal(x.data, old.astype(np.float32))
    run(case, call, np.float64)
    for a, b in zip(call.inputs, before[0], strict=True):
        np.testing.assert_array_equal(a, b)
    for key, value in before[1].items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(call.parameters[key], value)
