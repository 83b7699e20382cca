"""A stand-in for CuPy, as strict as CuPy or stricter, that computes with NumPy: for machines without a GPU.

    with strict_cupy() as cupy:        # sys.modules["cupy"], for as long as the block runs
        x = cupy.asarray(numpy_array)

An array of it never becomes a NumPy array unless ``get()`` is called, meets no NumPy array in any operation, and has
only what is in the tables of ``strict_cupy_names``.  Where CuPy 13 and 14 differ, the stand-in does what the stricter
one does.  In these respects it is stricter than either, since the library's rules are:

* ``numpy.f(array)`` raises; CuPy takes part in NumPy's protocols, and would compute on the device;
* a NumPy array as an index raises; CuPy copies it to the device;
* an integer index out of range raises, as in NumPy; CuPy wraps it around;
* assigning to one place twice in one statement raises; CuPy leaves undefined which value stays.

What it cannot show: CuPy's kernels, their rounding, their speed, streams, memory.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
from minidet_kernels import table
from minidet_kernels.cuda import launch as cuda
from support.strict_cupy_names import (
    ATOMIC,
    BORROWED,
    CREATION,
    FUNCTIONS,
    METHODS,
    PROPERTIES,
    SEQUENCES,
    UFUNCS,
    WHOLE,
)

SCALARS = (bool, int, float, complex, np.generic)


class ndarray:  # noqa: N801
    """An array "on the device": its numbers are in ``_host``, which nobody but the stand-in looks at."""

    __module__ = "cupy"
    __slots__ = ("_host",)
    __array_ufunc__ = None  # numpy.add(array, 1) raises TypeError
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, host: np.ndarray) -> None:
        self._host = host

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`.")

    def __array_function__(self, function: Any, *args: Any) -> Any:
        raise TypeError(f"numpy.{function.__name__}() of a CuPy array: use its namespace")

    def get(self) -> np.ndarray:
        return self._host.copy()

    @property
    def data(self) -> SimpleNamespace:
        return SimpleNamespace(ptr=self._host.ctypes.data)

    def __repr__(self) -> str:
        return f"cupy.{self._host!r}"

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Iterator[ndarray]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> ndarray:
        index = _index(index)
        taken = self._host[index]
        if isinstance(taken, np.generic):  # CuPy gives a view without axes, which can be written to
            taken = self._host[(*index, ...) if isinstance(index, tuple) else (index, ...)]
        return ndarray(taken)

    def __setitem__(self, index: Any, value: Any) -> None:
        index = _index(index)
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(i, (list, np.ndarray)) and np.asarray(i).dtype.kind in "iu" for i in parts):
            times = np.zeros(self.shape, np.int64)
            np.add.at(times, index, 1)
            if times.max(initial=0) > 1:
                raise ValueError("one place is assigned to twice; CuPy leaves undefined which value stays")
        self._host[index] = _operand(value)

    # no __index__: CuPy's arrays are not integers, unless int() is called
    def __bool__(self) -> bool:
        return bool(self._host)

    def __int__(self) -> int:
        return int(self._host)

    def __float__(self) -> float:
        return float(self._host)

    def __copy__(self) -> ndarray:
        return ndarray(self._host.copy())

    def __deepcopy__(self, memo: Any) -> ndarray:
        return ndarray(self._host.copy())


def _operand(x: Any) -> Any:
    """What an operation computes with: an array of ours, or a number."""
    if isinstance(x, ndarray):
        return x._host
    if isinstance(x, SCALARS):
        return x
    raise TypeError(f"Unsupported type {type(x)}")


def _index(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(map(_index, index))
    if isinstance(index, ndarray):
        return index._host
    if isinstance(index, np.ndarray):
        raise TypeError("a NumPy array as the index of a CuPy array: move it to the device")
    return index


def _argument(x: Any) -> Any:
    """An argument of a function: like an operand, or anything that holds no array, or a sequence of arrays."""
    if isinstance(x, ndarray):
        return x._host
    if isinstance(x, (tuple, list)):
        return type(x)(map(_argument, x))
    if isinstance(x, np.ndarray) or (hasattr(x, "__array_ufunc__") and not isinstance(x, (*SCALARS, type))):
        raise TypeError(f"Unsupported type {type(x)}")
    return x


def _result(x: Any) -> Any:
    """Arrays and NumPy's scalars as arrays of ours: a reduction of everything is an array without axes."""
    if isinstance(x, (np.ndarray, np.generic)):
        return ndarray(np.asarray(x))
    return type(x)(map(_result, x)) if type(x) in (tuple, list) else x


def _items(x: Any) -> Any:
    return x if isinstance(x, (tuple, list)) else ()


def _run(name: str, function: Callable[..., Any], parameters: str, args: tuple[Any, ...], kwargs: Any) -> Any:
    """Call NumPy's function with the arguments that CuPy's has."""
    known = parameters.split()
    variadic = known[:1] == ["*"]
    if (len(args) > len(known) and not variadic) or not kwargs.keys() <= set(known):
        raise TypeError(f"cupy: {name}({parameters}) was given {len(args)} by position and {sorted(kwargs)}")
    out = kwargs.get("out")
    if out is not None and not isinstance(out, ndarray):
        raise TypeError(f"cupy: {name}() with out= of {type(out)}")
    given = [*(zip(known, args, strict=False) if not variadic else (("shape", x) for x in args)), *kwargs.items()]
    for parameter, value in given:
        if parameter in WHOLE and any(isinstance(x, ndarray) for x in (value, *_items(value))):
            raise TypeError(f"cupy: {name}(): {parameter}: 'ndarray' object cannot be interpreted as an integer")
    with np.errstate(all="ignore"):  # a GPU gives no warnings
        made = function(*map(_argument, args), **{key: _argument(value) for key, value in kwargs.items()})
    if name in ("empty", "empty_like"):  # memory that nobody has written to yet
        made.fill(np.nan if made.dtype.kind == "f" else 1 if made.dtype.kind == "b" else np.iinfo(made.dtype).min)
    return _result(made) if out is None else out


class ufunc:  # noqa: N801
    """A universal function: of arrays and numbers only, without methods but ``at``, and that for few."""

    def __init__(self, name: str) -> None:
        self.__name__ = name
        self._numpy = getattr(np, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) > self._numpy.nin:
            raise TypeError(f"cupy: {self.__name__}() takes {self._numpy.nin} arrays by position, and out= by name")
        for x in args:
            _operand(x)
        return _run(self.__name__, self._numpy, f"{'x ' * self._numpy.nin} out dtype", args, kwargs)

    def at(self, a: ndarray, index: Any, value: Any) -> None:
        if self.__name__ not in ATOMIC or a.dtype not in ATOMIC[self.__name__]:
            raise TypeError(f"cupy.{self.__name__}.at() of {a.dtype}")
        self._numpy.at(a._host, _index(index), _operand(value))


def _function(name: str, parameters: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if name in SEQUENCES:
            if not all(isinstance(x, ndarray) for x in args[0]):
                raise TypeError(f"cupy.{name}() of something else than CuPy arrays")
        elif name not in CREATION and not isinstance(args[0], ndarray):
            raise TypeError(f"cupy.{name}() of {type(args[0])}")
        return _run(name, getattr(np, name), parameters, args, kwargs)

    return call


def asarray(a: Any, dtype: Any = None) -> ndarray:
    """The one way to the device: a NumPy array is copied, as are numbers and lists of them."""
    if isinstance(a, ndarray):
        return a if dtype is None or a.dtype == dtype else ndarray(a._host.astype(dtype))
    return ndarray(np.array(a, dtype))


def array(a: Any, dtype: Any = None, copy: bool = True) -> ndarray:
    made = asarray(a, dtype)
    return ndarray(made._host.copy()) if copy and made is a else made


def lexsort(keys: ndarray) -> ndarray:
    """CuPy's takes one array of keys, not a tuple of them."""
    if not isinstance(keys, ndarray) or keys.ndim != 2:
        raise TypeError("cupy.lexsort() of something else than a CuPy array (keys, n)")
    return ndarray(np.lexsort(keys._host))


def bincount(x: ndarray, weights: ndarray | None = None, minlength: int | None = None) -> ndarray:
    """CuPy 13 takes the maximum of ``x`` without asking whether there is one."""
    if not x.size:
        raise ValueError("zero-size array to reduction operation cupy_max which has no identity")
    counted = np.bincount(_operand(x), None if weights is None else _operand(weights), minlength or 0)
    return ndarray(counted)


class _Grid:
    def __getitem__(self, index: Any) -> Any:
        return _result(list(np.ogrid[index]))


def _method(name: str, parameters: str) -> Callable[..., Any]:
    def call(self: ndarray, *args: Any, **kwargs: Any) -> Any:
        made = _run(f"ndarray.{name}", getattr(self._host, name), parameters, args, kwargs)
        return made.get().item() if name == "item" and isinstance(made, ndarray) else made

    return call


def _may_answer(other: Any) -> bool:
    """Whether ``other`` is to have its say: it is neither ours nor NumPy's, and declines NumPy's protocol."""
    return not isinstance(other, (ndarray, np.ndarray)) and getattr(other, "__array_ufunc__", 0) is None


def _binary(name: str) -> Callable[[ndarray, Any], Any]:
    plain, swapped, in_place = getattr(operator, name, None), name[0] == "r" and name != "rshift", name[0] == "i"
    compute = getattr(operator, {"and": "and_", "or": "or_"}.get(name[swapped:], name[swapped:]), plain)

    def call(self: ndarray, other: Any) -> Any:
        if _may_answer(other):
            return NotImplemented
        b = _operand(other)
        with np.errstate(all="ignore"):
            made = compute(b, self._host) if swapped else compute(self._host, b)
        return self if in_place else _result(made)

    return call


def _unary(compute: Callable[[Any], Any]) -> Callable[[ndarray], Any]:
    return lambda self: _result(compute(self._host))


BOTH = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift", "and", "or", "xor"]
ALONE = ["matmul", "rmatmul", "lt", "le", "eq", "ne", "gt", "ge"]
for _name in [*BOTH, *(f"r{n}" for n in BOTH), *(f"i{n}" for n in BOTH), *ALONE]:
    setattr(ndarray, f"__{_name}__", _binary(_name))
for _name in ("neg", "pos", "abs", "invert"):
    setattr(ndarray, f"__{_name}__", _unary(getattr(operator, _name)))
for _name in PROPERTIES:
    setattr(ndarray, _name, property(_unary(operator.attrgetter(_name))))
for _name, _parameters in METHODS.items():
    setattr(ndarray, _name, _method(_name, _parameters))


def make() -> ModuleType:
    """A new module ``cupy``."""

    def missing(name: str) -> Any:
        raise AttributeError(f"the stand-in for CuPy has no {name!r}; see support/strict_cupy_names.py")

    module: Any = ModuleType("cupy")
    module.__getattr__ = missing
    for name in BORROWED:
        setattr(module, name, getattr(np, name))
    for name in UFUNCS:
        setattr(module, name, ufunc(name))
    for name, parameters in FUNCTIONS.items():
        setattr(module, name, _function(name, parameters))
    for own in (ndarray, ufunc, asarray, array, lexsort, bincount):
        setattr(module, own.__name__, own)
    module.ogrid = _Grid()
    module.cuda = SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=lambda: 1))
    return module


@contextmanager
def strict_cupy(runner: cuda.Runner | None = None) -> Iterator[Any]:
    """``cupy`` is the stand-in inside the block.

    ``runner`` takes the launches of CUDA kernels (`support.cuda_launches`); without one, implementations that need
    CuPy are refused, as where it is not installed.
    """
    before, installed = sys.modules.get("cupy"), table._installed
    module = make()
    sys.modules["cupy"] = module
    there = {"cupy": runner is not None}
    try:
        with (
            mock.patch.object(table, "_installed", lambda name: there.get(name) if name in there else installed(name)),
            cuda.runs_on(runner) if runner else nullcontext(),
        ):
            yield module
    finally:
        if before is None:
            del sys.modules["cupy"]
        else:
            sys.modules["cupy"] = before
