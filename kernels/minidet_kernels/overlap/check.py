"""What the rooms of boxes refuse, in one line, before any implementation is chosen."""

from __future__ import annotations

from collections.abc import Callable

from ..arrays import Array, is_array, library, namespace

WIDTHS = ("exclusive", "inclusive")
#: What ``empty`` names: the IoU of two boxes whose union has no area.
EMPTY = {"zero": 0.0, "nan": float("nan"), "one": 1.0}


def options(where: str, width: str, empty: str) -> None:
    """Refuse an unknown ``width`` or ``empty``."""
    if width not in WIDTHS:
        raise ValueError(f"{where}: width is one of {', '.join(map(repr, WIDTHS))}, not {width!r}")
    if empty not in EMPTY:
        raise ValueError(f"{where}: empty is one of {', '.join(map(repr, EMPTY))}, not {empty!r}")


def floating(where: str, name: str, x: Array) -> None:
    """Refuse anything but an array of float32 or float64."""
    if not is_array(x):
        raise TypeError(f"{where}: {name} must be a NumPy or CuPy array, not {type(x).__name__}")
    if x.dtype.char not in "fd":
        raise TypeError(f"{where}: {name} must be float32 or float64, not {x.dtype}; use {name}.astype(np.float32)")


def together(where: str, **arrays: Array) -> None:
    """Refuse arrays of which one is on the host and another on the device."""
    libraries = {name: library(x) for name, x in arrays.items()}
    if len(set(libraries.values())) > 1:
        listed = ", ".join(f"{name} is on {found}" for name, found in libraries.items())
        raise TypeError(f"{where}: {listed}; move them to one device")


def boxes(where: str, name: str, x: Array) -> None:
    """Refuse anything but float32 or float64 of shape (n, 4)."""
    floating(where, name, x)
    if x.ndim != 2 or x.shape[1] != 4:
        raise ValueError(f"{where}: {name} must have shape (n, 4), one x1 y1 x2 y2 per row, not {x.shape}")


def two(where: str, a: Array, b: Array, width: str, empty: str) -> None:
    """Check two arrays of boxes that are to be compared, and the options."""
    boxes(where, "a", a)
    boxes(where, "b", b)
    together(where, a=a, b=b)
    if a.dtype != b.dtype:
        raise TypeError(f"{where}: a is {a.dtype} and b is {b.dtype}; convert one, so that both round alike")
    options(where, width, empty)


def matrix(where: str) -> Callable[..., None]:
    """The check of an operator that compares every box with every other."""

    def check(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> None:
        two(where, a, b, width, empty)

    return check


def pairs(where: str) -> Callable[..., None]:
    """The check of an operator that compares boxes one by one."""

    def check(a: Array, b: Array, *, width: str = "exclusive", empty: str = "zero") -> None:
        two(where, a, b, width, empty)
        if len(a) != len(b):
            raise ValueError(f"{where}: a has {len(a)} boxes and b has {len(b)}; pairs need as many of each")

    return check


def iou_matrix(a: Array, b: Array, *, out: Array | None = None, width: str = "exclusive", empty: str = "zero") -> None:
    """Check the arguments of ``iou_matrix``."""
    boxes("iou_matrix", "a", a)
    boxes("iou_matrix", "b", b)
    together("iou_matrix", a=a, b=b, **({} if out is None else {"out": out}))
    if a.dtype != b.dtype:
        raise TypeError(f"iou_matrix: a is {a.dtype} and b is {b.dtype}; convert one, so that both round alike")
    if out is not None and (out.shape != (len(a), len(b)) or out.dtype != a.dtype):
        raise ValueError(
            f"iou_matrix: out must be {a.dtype} of shape {(len(a), len(b))}, not {out.dtype} of shape {out.shape}"
        )
    options("iou_matrix", width, empty)


def crowds(where: str, crowd: Array, n: int) -> None:
    """Refuse anything but ``n`` flags, one for each truth."""
    if not is_array(crowd) or crowd.dtype.char != "?":
        found = crowd.dtype if is_array(crowd) else type(crowd).__name__
        raise TypeError(f"{where}: crowd must be an array of bool, not {found}; use np.asarray(iscrowd, bool)")
    if crowd.shape != (n,):
        raise ValueError(f"{where}: {n} truths need crowd of shape ({n},), not {crowd.shape}")


def crowd_iou_matrix(a: Array, b: Array, crowd: Array, *, width: str = "exclusive", empty: str = "zero") -> None:
    """Check the arguments of ``crowd_iou_matrix``."""
    two("crowd_iou_matrix", a, b, width, empty)
    crowds("crowd_iou_matrix", crowd, len(b))
    together("crowd_iou_matrix", a=a, crowd=crowd)


def no_nan(where: str, name: str, x: Array) -> None:
    """Refuse NaN, and name the first row that has one."""
    nan = namespace(x).isnan(x)
    if bool(nan.any()):
        rows = nan.reshape(len(x), -1).any(axis=1)  # (n,)
        raise ValueError(
            f"{where}: {name} has NaN in {int(rows.sum())} of its {len(x)} rows, first in row {int(rows.argmax())}; "
            "drop those rows, or find out where the NaN comes from"
        )


def match(anchors: Array, truths: Array, *, width: str = "exclusive") -> None:
    """Check the arguments of ``match``."""
    for name, x in (("anchors", anchors), ("truths", truths)):
        boxes("match", name, x)
    together("match", anchors=anchors, truths=truths)
    if anchors.dtype != truths.dtype:
        raise TypeError(
            f"match: anchors are {anchors.dtype} and truths {truths.dtype}; convert one, so that both round alike"
        )
    options("match", width, "zero")
    no_nan("match", "anchors", anchors)
    no_nan("match", "truths", truths)
