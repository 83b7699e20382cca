"""Which of our layers is which of theirs: in order, by shape, and by kind and name where these are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...errors import InputError

ACTIVATIONS = (
    "ELU", "GELU", "SELU", "HardSigmoid", "HardSwish", "LeakyReLU", "Mish", "PReLU", "ReLU", "ReLU6", "Sigmoid", "SiLU",
    "Softplus", "Swish", "Tanh", "Hardswish", "Hardsigmoid",
)  # fmt: skip
#: What a class of ours or of torch's does.
ROLES: Mapping[str, str] = {
    "Conv2d": "convolution", "ConvTranspose2d": "transposed", "Linear": "linear", "BatchNorm2d": "norm",
    "FrozenBatchNorm2d": "norm", "MaxPool2d": "max", "AvgPool2d": "mean", "Upsample": "resize", "L2Norm": "length",
    **dict.fromkeys(ACTIVATIONS, "activation"),
}  # fmt: skip


@dataclass(frozen=True)
class Layer:
    """A layer that was called: its name, the name of its class ("" if that is not known), the shape of its output."""

    name: str
    kind: str
    shape: tuple[int, ...]


def match(ours: Sequence[Layer], theirs: Sequence[Layer]) -> dict[int, int]:
    """Of our layers those that are theirs: first those of one name, wherever they stand, then the others, in order.

    Of all alignments of these the one that fits best is taken.  A pair of one shape fits, better if both do the same;
    layers that do different things never fit.  Shapes may differ where both are known to do the same, or where there
    are as many of ours as of theirs and no two names are equal.  Of ours that fit equally well the last is taken: a
    block rather than the convolution in it.
    """
    named = _of_one_name(ours, theirs)
    left = [i for i in range(len(ours)) if i not in named]
    others = [j for j in range(len(theirs)) if j not in named.values()]
    as_many = len(ours) == len(theirs) and not named
    rest = _aligned([ours[i] for i in left], [theirs[j] for j in others], as_many)
    return dict(sorted({**named, **{left[i]: others[j] for i, j in rest.items()}}.items()))


def _of_one_name(ours: Sequence[Layer], theirs: Sequence[Layer]) -> dict[int, int]:
    """Pairs of one name; of several calls of a layer those of one shape, and what is left of them in order."""
    found: dict[int, int] = {}
    for name in dict.fromkeys(_base(a.name) for a in ours):
        mine = [i for i, a in enumerate(ours) if _base(a.name) == name]
        others = [j for j, b in enumerate(theirs) if _base(b.name) == name]
        for alike in (True, False):
            for i in [one for one in mine if one not in found]:
                free = (j for j in others if j not in found.values() and _fit(ours[i], theirs[j], True))
                pair = next((j for j in free if not alike or ours[i].shape == theirs[j].shape), None)
                if pair is not None:
                    found[i] = pair
    return found


def _base(name: str) -> str:
    """Without the number of a call, and without the places in wrappers of one layer (torchvision's ``.0``)."""
    name = name.partition("#")[0]
    while name.endswith(".0"):
        name = name.removesuffix(".0")
    return name


def _aligned(ours: Sequence[Layer], theirs: Sequence[Layer], as_many: bool) -> dict[int, int]:
    fits = [[_fit(a, b, as_many) for b in theirs] for a in ours]
    best = [[0.0] * (len(theirs) + 1) for _ in range(len(ours) + 1)]
    for i in range(len(ours) - 1, -1, -1):
        for j in range(len(theirs) - 1, -1, -1):
            both = fits[i][j] + best[i + 1][j + 1] if fits[i][j] else 0.0
            best[i][j] = max(best[i + 1][j], best[i][j + 1], both)
    found, i, j = {}, 0, 0
    while i < len(ours) and j < len(theirs):
        if best[i][j] == best[i + 1][j]:
            i += 1
        elif best[i][j] == best[i][j + 1]:
            j += 1
        else:
            found[i] = j
            i, j = i + 1, j + 1
    return found


def _fit(a: Layer, b: Layer, as_many: bool) -> float:
    one, other = ROLES.get(a.kind, ""), ROLES.get(b.kind, "")
    if one and other and one != other:
        return 0.0
    alike = 2.0 if one and one == other else 0.0
    if a.shape == b.shape:
        return 2.0 + alike
    return 1.0 if alike else 0.5 if as_many else 0.0


def by_names(ours: Sequence[Layer], theirs: Sequence[Layer], mapping: Mapping[str, str]) -> dict[int, int]:
    """The pairs of a mapping from our names to theirs; raises `InputError` for a name that there is not."""
    mine, others = ({one.name: i for i, one in enumerate(layers)} for layers in (ours, theirs))
    for whose, names, known in (("our", mapping, mine), ("their", mapping.values(), others)):
        for name in names:
            if name not in known:
                raise InputError(f"{whose} network has no layer {name!r}; there are {', '.join(known)}")
    return {mine[a]: others[b] for a, b in mapping.items()}
