"""What the stand-in for CuPy has: names, and the names of the arguments.

Everything here is in CuPy 13.2 and in CuPy 14.2, an old and a new one of the versions that the package allows, as
``tests/cupy_stand_in/test_names.py`` finds where CuPy is installed (which takes no GPU).  The lists are shorter than
CuPy's: a name that is not here is added after a look at CuPy's reference, https://docs.cupy.dev/en/stable/reference/,
and with the arguments that both versions have.
"""

from __future__ import annotations

#: Universal functions.
UFUNCS = tuple(
    """
abs absolute add arctan arctan2 bitwise_and bitwise_or bitwise_xor ceil copysign cos divide equal exp exp2 expm1
floor
floor_divide fmax fmin greater greater_equal heaviside hypot invert isfinite isinf isnan less less_equal log log10 log1p
log2
logaddexp logical_and logical_not logical_or logical_xor maximum minimum mod multiply negative not_equal power
reciprocal remainder rint sign signbit sin sqrt square subtract tan tanh true_divide trunc
""".split()  # noqa: SIM905
)

#: The universal functions with ``at``, and of what.
ATOMIC = {
    "add": ("int32", "float32", "float64", "uint32", "uint64"),
    "maximum": ("int32", "float32", "float64", "uint32", "uint64"),
    "minimum": ("int32", "float32", "float64", "uint32", "uint64"),
}

#: What CuPy takes from NumPy as it is.
BORROWED = (
    "bool_ dtype e finfo float32 float64 iinfo inf int32 int64 intp nan newaxis pi promote_types uint64 uint8".split()  # noqa: SIM905
)

#: Functions whose first argument is no array.
CREATION = ["arange", "empty", "eye", "full", "linspace", "ones", "zeros"]

#: Functions whose first argument is a sequence of arrays.
SEQUENCES = ["concatenate", "hstack", "stack", "vstack"]

#: Functions, and their arguments in order.  (``where`` of reductions, for one, CuPy does not have.)
FUNCTIONS = {
    "all": "a axis out keepdims",
    "any": "a axis out keepdims",
    "arange": "start stop step dtype",
    "argmax": "a axis dtype out keepdims",
    "argmin": "a axis dtype out keepdims",
    "argsort": "a axis kind",
    "argwhere": "a",
    "array_equal": "a1 a2 equal_nan",
    "ascontiguousarray": "a dtype",
    "broadcast_to": "array shape",
    "clip": "a a_min a_max out",
    "concatenate": "tup axis out",
    "copy": "a order",
    "count_nonzero": "a axis",
    "cumsum": "a axis dtype out",
    "empty": "shape dtype order",
    "empty_like": "prototype dtype order",
    "expand_dims": "a axis",
    "eye": "N M k dtype",
    "flatnonzero": "a",
    "flip": "a axis",
    "full": "shape fill_value dtype",
    "full_like": "a fill_value dtype",
    "hstack": "tup",
    "isin": "element test_elements",
    "linspace": "start stop num endpoint",
    "matmul": "a b out",
    "max": "a axis out keepdims",
    "mean": "a axis dtype out keepdims",
    "min": "a axis out keepdims",
    "moveaxis": "a source destination",
    "nonzero": "a",
    "ones": "shape dtype order",
    "ones_like": "a dtype",
    "pad": "array pad_width mode constant_values",
    "prod": "a axis dtype out keepdims",
    "ravel": "a order",
    "repeat": "a repeats axis",
    "reshape": "a newshape order",
    "roll": "a shift axis",
    "searchsorted": "a v side",
    "sort": "a axis kind",
    "split": "ary indices_or_sections axis",
    "squeeze": "a axis",
    "stack": "tup axis out",
    "std": "a axis dtype out ddof keepdims",
    "sum": "a axis dtype out keepdims",
    "swapaxes": "a axis1 axis2",
    "take": "a indices axis out",
    "take_along_axis": "a indices axis",
    "tile": "A reps",
    "transpose": "a axes",
    "tril": "m k",
    "triu": "m k",
    "unique": "ar return_index return_inverse return_counts axis equal_nan",
    "var": "a axis dtype out ddof keepdims",
    "vstack": "tup",
    "where": "condition x y",
    "zeros": "shape dtype order",
    "zeros_like": "a dtype order",
}

#: The arguments that are whole numbers, or tuples of them: an array without axes is none, until ``int()`` makes it one.
WHOLE = {"axes", "axis", "axis1", "axis2", "newshape", "num", "shape", "start", "step", "stop"}

#: Attributes of an array.
PROPERTIES = ["T", "dtype", "flags", "itemsize", "nbytes", "ndim", "shape", "size", "strides"]

#: Methods of an array, and their arguments; ``*`` for any number.
METHODS = {
    "all": "axis out keepdims",
    "any": "axis out keepdims",
    "argmax": "axis out dtype keepdims",
    "argmin": "axis out dtype keepdims",
    "argsort": "axis",
    "astype": "dtype order casting subok copy",
    "clip": "min max out",
    "copy": "order",
    "cumsum": "axis dtype out",
    "diagonal": "offset axis1 axis2",
    "dot": "b out",
    "fill": "value",
    "flatten": "order",
    "item": "*",
    "max": "axis out keepdims",
    "mean": "axis dtype out keepdims",
    "min": "axis out keepdims",
    "nonzero": "",
    "prod": "axis dtype out keepdims",
    "ravel": "order",
    "repeat": "repeats axis",
    "reshape": "* order",
    "round": "decimals out",
    "sort": "axis",
    "squeeze": "axis",
    "std": "axis dtype out ddof keepdims",
    "sum": "axis dtype out keepdims",
    "swapaxes": "axis1 axis2",
    "take": "indices axis out",
    "tolist": "",
    "transpose": "*",
    "var": "axis dtype out ddof keepdims",
    "view": "dtype",
}
