"""Is a gradient right, and if not, *how* is it wrong?

The check is one inner product in a random direction.  With ``L(x) = <u, f(x)>`` for a random ``u`` (a uniform ``u``
would make the gradient of a normalisation exactly zero), the analytic slope ``<dL/dx, v>`` must equal the central
difference ``(L(x + hv) - L(x - hv)) / 2h`` for random ``v``.  No Jacobian is formed.  Only when the two differ is the
gradient measured element by element, and the difference between the two gradients is put into words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .autograd import Tensor, no_grad

#: Gradients larger than this are diagnosed on a random sample of this many elements.
MOST_ELEMENTS = 1024


class GradientError(AssertionError):
    """A gradient is wrong, or could not be checked.

    ``kind`` is one of ``sign``, ``factor``, ``transposed``, ``flipped``, ``border``, ``missing``, ``missing term``,
    ``kink``, ``vacuous``, ``nondeterministic``, ``mutated``, ``not finite``, ``shape``, ``no gradient``, ``other``;
    ``input`` names the input.
    """

    def __init__(self, kind: str, input: str, message: str) -> None:
        super().__init__(f"gradient of {input}: {kind}: {message}")
        self.kind = kind
        self.input = input


@dataclass(frozen=True)
class Checked:
    """What was compared for one input: the largest slope, and the largest error relative to the gradient's norm."""

    input: str
    slope: float
    error: float


def gradcheck(
    function: Callable[..., Tensor],
    *inputs: Any,
    parameters: Mapping[str, Tensor] | None = None,
    directions: int = 3,
    step: float = 1e-6,
    rtol: float = 1e-6,
    seed: int = 0,
    allow_zero: bool = False,
) -> list[Checked]:
    """Compare the gradients that ``function`` gives with finite differences along random directions, in float64.

    ``inputs`` are passed to ``function``: floating arrays are converted to float64 tensors and checked, integer and
    boolean arrays and everything else are passed on as they are.  ``parameters`` are further float64 tensors that
    ``function`` reads on its own (``dict(layer.named_parameters())``).  ``function`` returns one tensor of any shape.

    Returns one ``Checked`` per input.  Raises ``GradientError``, whose ``kind`` says how the gradient is wrong.  A
    true gradient of about zero proves nothing and is an error of kind ``vacuous`` unless ``allow_zero``.
    """
    arguments, checked = _arguments(inputs, parameters or {})
    rng = np.random.default_rng(seed)
    loss = _Loss(function, arguments, checked, rng)
    analytic = loss.gradients()
    again = loss.gradients()
    for name, g in analytic.items():
        if not np.array_equal(g, again[name], equal_nan=True):
            raise GradientError("nondeterministic", name, "two backward passes with the same inputs differ")
    return [
        _check_input(loss, name, tensor, analytic[name], rng, directions, step, rtol, allow_zero)
        for name, tensor in checked.items()
    ]


def _arguments(inputs: tuple[Any, ...], parameters: Mapping[str, Tensor]) -> tuple[list[Any], dict[str, Tensor]]:
    arguments: list[Any] = []
    checked: dict[str, Tensor] = {}
    for i, x in enumerate(inputs):
        data = x.data if isinstance(x, Tensor) else x
        if isinstance(data, np.ndarray) and data.dtype.kind == "f":
            tensor = Tensor(data.astype(np.float64), requires_grad=True)
            checked[f"input {i}"] = tensor
            arguments.append(tensor)
        else:
            arguments.append(x)
    for name, parameter in parameters.items():
        if parameter.dtype != np.float64:
            raise TypeError(f"gradcheck of {name} needs float64, not {parameter.dtype}; call module.astype('float64')")
        checked[name] = parameter
    if not checked:
        raise ValueError("gradcheck was given no floating array and no parameter to check")
    return arguments, checked


class _Loss:
    """``L = <u, f(inputs)>`` for one random ``u``."""

    def __init__(
        self,
        function: Callable[..., Tensor],
        arguments: list[Any],
        checked: dict[str, Tensor],
        rng: np.random.Generator,
    ) -> None:
        self.function, self.arguments, self.checked = function, arguments, checked
        with no_grad():
            y = function(*arguments)
        if not isinstance(y, Tensor):
            raise TypeError(f"gradcheck needs a function that returns one Tensor, not {type(y).__name__}")
        self.u = rng.choice((-1.0, 1.0), y.shape) * rng.uniform(0.5, 1.5, y.shape)
        if not np.isfinite(y.data).all():
            raise GradientError("not finite", "the function", f"its value has NaN or infinities: {y!r}")
        self.noise = self._rounding_error(y.data, rng)

    def _rounding_error(self, y: np.ndarray, rng: np.random.Generator) -> float:
        """The size of the rounding error of ``L``: differences below it divided by the step mean nothing.

        Both the error of the last sum, and what is seen when the inputs change in their last digit (cancellation
        inside the function does not show in the size of its result).
        """
        eps = np.finfo(np.float64).eps
        seen = [0.0]
        for t in self.checked.values():
            for _ in range(3):
                move = t.data * rng.choice((-eps, 0.0, eps), t.shape)
                seen.append(abs(self.at(t, move) - float((self.u * y).sum())))
        return 4 * max(seen) + 16 * eps * float(np.abs(self.u * y).sum()) + 1e-290

    def value(self) -> float:
        with no_grad():
            return float((self.u * self.function(*self.arguments).data).sum())

    def gradients(self) -> dict[str, np.ndarray]:
        """The analytic gradient of every checked tensor."""
        before = {name: t.data.copy() for name, t in self.checked.items()}
        for t in self.checked.values():
            t.grad = None
        y = self.function(*self.arguments)
        if not y.requires_grad:
            raise GradientError("no gradient", "every input", f"the result {y!r} depends on no input; is it detached?")
        try:
            y.backward(self.u)
        except AssertionError as error:
            raise GradientError("shape", "an input", str(error)) from None
        found: dict[str, np.ndarray] = {}
        for name, t in self.checked.items():
            if not np.array_equal(t.data, before[name]):
                raise GradientError("mutated", name, "the function or its gradient changed its input in place")
            found[name] = np.zeros(t.shape) if t.grad is None else t.grad
            if not np.isfinite(found[name]).all():
                raise GradientError("not finite", name, "the analytic gradient has NaN or infinities")
            t.grad = None
        return found

    def at(self, tensor: Tensor, move: np.ndarray) -> float:
        """``L`` with ``tensor`` moved."""
        kept = tensor.data
        tensor.data = kept + move
        try:
            return self.value()
        finally:
            tensor.data = kept


def _check_input(
    loss: _Loss,
    name: str,
    tensor: Tensor,
    analytic: np.ndarray,
    rng: np.random.Generator,
    directions: int,
    step: float,
    rtol: float,
    allow_zero: bool,
) -> Checked:
    if tensor.size == 0:
        return Checked(name, 0.0, 0.0)
    h = step * max(1.0, float(np.abs(tensor.data).max()))
    norm = float(np.linalg.norm(analytic))
    noise = loss.noise / h
    slopes, errors = [], []
    for _ in range(directions):
        v = rng.normal(size=tensor.shape)
        numeric = (loss.at(tensor, h * v) - loss.at(tensor, -h * v)) / (2 * h)
        slope = float((analytic * v).sum())
        slopes.append(max(abs(numeric), abs(slope)))
        errors.append(abs(numeric - slope))
        if not errors[-1] <= rtol * max(norm, abs(numeric)) + noise:
            raise _diagnose(loss, name, tensor, analytic, h, rng)
    if max(slopes) <= 100 * noise and not allow_zero:
        raise GradientError(
            "vacuous",
            name,
            f"the true gradient is about zero (slopes of at most {max(slopes):.1e}), so nothing was checked; "
            "draw other inputs, or pass allow_zero=True if it is meant to be zero",
        )
    return Checked(name, max(slopes), max(errors) / norm if norm else 0.0)


def _diagnose(
    loss: _Loss, name: str, tensor: Tensor, analytic: np.ndarray, h: float, rng: np.random.Generator
) -> GradientError:
    """Measure the gradient element by element, and say how the analytic one differs."""
    whole = tensor.size <= MOST_ELEMENTS
    where = np.arange(tensor.size) if whole else np.sort(rng.choice(tensor.size, MOST_ELEMENTS, replace=False))
    true, kinks = _measure(loss, tensor, where, h)
    given = analytic.reshape(-1)[where]
    tolerance = 1e-4 * max(np.abs(true).max(), np.abs(given).max()) + 4 * loss.noise / h
    wrong = np.abs(true - given) > tolerance
    example = _example(true, given, where, tensor.shape)
    if wrong.any() and not (wrong & ~kinks).any():
        return GradientError(
            "kink",
            name,
            f"the function has a corner at {int(wrong.sum())} of the inputs checked (slopes from the left and from "
            f"the right differ); {example}. Sample away from the corner, and test the declared subgradient there",
        )
    for kind, message in _explanations(true, given, tensor.data, tolerance, whole):
        return GradientError(kind, name, f"{message}; {example}")
    return GradientError("other", name, f"{int(wrong.sum())} of {wrong.size} elements checked differ; {example}")


def _measure(loss: _Loss, tensor: Tensor, where: np.ndarray, h: float) -> tuple[np.ndarray, np.ndarray]:
    """The numeric gradient at some elements, and at which of them the one-sided slopes disagree (a corner)."""
    true, kinks = np.empty(len(where)), np.zeros(len(where), bool)
    middle = loss.value()
    for n, i in enumerate(where):
        move = np.zeros(tensor.size)
        gaps = []
        for d in (h, 8 * h):
            move[i] = d
            up, down = loss.at(tensor, move.reshape(tensor.shape)), loss.at(tensor, -move.reshape(tensor.shape))
            if d == h:
                true[n] = (up - down) / (2 * d)
            gaps.append(abs((up - middle) - (middle - down)) / d)
        # where the function is smooth, the gap between the one-sided slopes grows with the step; at a corner it stays
        kinks[n] = gaps[0] > 1e-3 * abs(true[n]) + 8 * loss.noise / h and gaps[0] > gaps[1] / 3
    return true, kinks


def _example(true: np.ndarray, given: np.ndarray, where: np.ndarray, shape: tuple[int, ...]) -> str:
    worst = int(np.abs(true - given).argmax())
    index = tuple(int(i) for i in np.unravel_index(where[worst], shape))
    return f"at {list(index)} it is {given[worst]:.6g} and should be {true[worst]:.6g}"


def _explanations(
    true: np.ndarray, given: np.ndarray, x: np.ndarray, tolerance: float, whole: bool
) -> Iterator[tuple[str, str]]:
    """Ways to be wrong that fit, the most specific first."""

    def same(a: np.ndarray, b: np.ndarray) -> bool:
        return bool((np.abs(a - b) <= tolerance).all())

    if not given.any():
        yield "missing", "it is zero everywhere; is this input's vjp absent, or the gradient not passed on?"
    if same(true, -given):
        yield "sign", "it has the opposite sign"
    factor = float(true @ given / (given @ given)) if given.any() else 0.0
    if factor and same(true, factor * given):
        yield "factor", f"it must be multiplied by {factor:.6g}"
    if not whole:
        return
    true, given = true.reshape(x.shape), given.reshape(x.shape)
    yield from _moved(true, given, same)
    yield from _partly(true, given, tolerance)
    yield from _lacking(true - given, x, tolerance)


def _moved(
    true: np.ndarray, given: np.ndarray, same: Callable[[np.ndarray, np.ndarray], bool]
) -> Iterator[tuple[str, str]]:
    """The right values in the wrong places."""
    for i in range(true.ndim):
        for j in range(i + 1, true.ndim):
            if true.shape[i] == true.shape[j] > 1 and same(true, given.swapaxes(i, j)):
                yield "transposed", f"axes {i} and {j} are exchanged"
    for axes in [(i,) for i in range(true.ndim)] + [(i, i + 1) for i in range(true.ndim - 1)]:
        if same(true, np.flip(given, axes)):
            yield "flipped", f"it is reversed along axis {' and '.join(map(str, axes))}"


def _partly(true: np.ndarray, given: np.ndarray, tolerance: float) -> Iterator[tuple[str, str]]:
    """Right but for some rows; or right but for a factor per slice of one axis."""
    wrong = np.abs(true - given) > tolerance
    for axis in range(true.ndim):
        rows = np.flatnonzero(wrong.any(axis=tuple(a for a in range(true.ndim) if a != axis)))
        n = true.shape[axis]
        ends = {0, 1, n - 2, n - 1}
        if 2 * len(rows) <= n and set(rows.tolist()) <= ends:
            yield "border", f"only rows {rows.tolist()} of axis {axis} (of size {n}) are wrong"
    for axis in range(true.ndim):
        other = tuple(a for a in range(true.ndim) if a != axis)
        square = (given * given).sum(axis=other, keepdims=True)
        factors = (true * given).sum(axis=other, keepdims=True) / np.where(square > 0, square, 1)
        if true.shape[axis] < true.size and (np.abs(true - factors * given) <= tolerance).all():
            listed = ", ".join(f"{f:.4g}" for f in factors.reshape(-1)[:6])
            yield "factor", f"it must be multiplied by a factor per index of axis {axis}: {listed}"


def _lacking(rest: np.ndarray, x: np.ndarray, tolerance: float) -> Iterator[tuple[str, str]]:
    """A whole term is absent: the difference has a simple form of its own."""
    for axis in range(-1, rest.ndim):
        other = tuple(a for a in range(rest.ndim) if a != axis)
        mean = rest.mean(axis=other, keepdims=True)
        sort = "the whole input" if axis < 0 else f"each index of axis {axis}"
        if rest.size < 5 * (1 if axis < 0 else rest.shape[axis]):
            continue  # so few values per slice that a constant or a line fits by chance
        if (np.abs(rest - mean) <= tolerance).all():
            yield "missing term", f"the difference is constant over {sort}, as when the gradient of a mean is left out"
        centred = x - x.mean(axis=other, keepdims=True)
        square = (centred * centred).sum(axis=other, keepdims=True)
        slope = (rest * centred).sum(axis=other, keepdims=True) / np.where(square > 0, square, 1)
        if (np.abs(rest - mean - slope * centred) <= tolerance).all():
            yield (
                "missing term",
                f"the difference is linear in the input over {sort}, as when the gradient of a variance is left out",
            )
    if not (rest.any() and x.any()):
        return
    slope = float((rest * x).sum() / (x * x).sum())
    if (np.abs(rest - slope * x) <= tolerance).all():
        yield "missing term", f"the difference is {slope:.6g} times the input"
