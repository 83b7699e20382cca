"""States of other programs under our names: a table of prefixes, and the check that every number was used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from minidet_kernels.arrays import Array

from ..errors import InputError


def renamed(
    state: Mapping[str, Array],
    table: Mapping[str, str],
    *,
    source: str = "state",
    ignored: tuple[str, ...] = (),
    wanted: Mapping[str, Array] | None = None,
) -> dict[str, Array]:
    """The arrays of ``state`` under our names.

    ``table``: their name, or all of it before the last dot, to ours; entries that end on one of ``ignored`` are left
    out.  ``wanted`` are the arrays that are to be filled, by our names.  Raises ``InputError``, one line that lists by
    their names the entries which are unknown and which are missing (without ``wanted``: layers of which all is
    missing), and those whose shape is not that of the array to be filled.
    """
    made: dict[str, Array] = {}
    theirs: dict[str, str] = {}
    unknown, left = [], set(table)
    for name, array in state.items():
        if name.endswith(ignored) and ignored:
            continue
        layer, _, last = name.rpartition(".")
        ours = table[name] if name in table else f"{table[layer]}.{last}" if layer in table else None
        left -= {name, layer}
        if ours is None or (wanted is not None and ours not in wanted):
            unknown.append(name)
        else:
            made[ours], theirs[ours] = array, name
    missing, misshaped = left, []
    if wanted is not None:
        back = {ours: name for name, ours in table.items()}
        missing = {_theirs(ours, back) for ours in wanted.keys() - made.keys()}
        misshaped = [
            f"{theirs[ours]} ({_shape(array)} for {_shape(wanted[ours])})"
            for ours, array in made.items()
            if array.shape != wanted[ours].shape
        ]
    listed = (("unknown", unknown), ("missing", sorted(missing)), ("of another shape", misshaped))
    if wrong := [f"{what} {some(names)}" for what, names in listed if names]:
        raise InputError(f"{source} does not fit: {'; '.join(wrong)}")
    return made


def some(names: Iterable[str], most: int = 8) -> str:
    """The names, the first ``most`` of them, in one line."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _theirs(ours: str, back: Mapping[str, str]) -> str:
    layer, _, last = ours.rpartition(".")
    return back.get(ours) or f"{back.get(layer, layer)}.{last}"


def _shape(array: Array) -> str:
    return " x ".join(map(str, array.shape)) or "one number"
