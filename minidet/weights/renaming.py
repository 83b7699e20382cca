"""States of other programs under our names: a table of prefixes, and the check that every number was used."""

from __future__ import annotations

from collections.abc import Mapping

from minidet_kernels.arrays import Array

from ..errors import InputError


def renamed(
    state: Mapping[str, Array], table: Mapping[str, str], *, source: str = "state", ignored: tuple[str, ...] = ()
) -> dict[str, Array]:
    """The arrays of ``state`` under our names.

    ``table``: their name, or all of it before the last dot, to ours; entries that end on one of ``ignored`` are left
    out.  Raises ``InputError`` that lists the names which the table does not know, and those that are missing.
    """
    made: dict[str, Array] = {}
    unknown, left = [], set(table)
    for name, array in state.items():
        if name.endswith(ignored) and ignored:
            continue
        layer, _, last = name.rpartition(".")
        if name in table:
            made[table[name]] = array
            left.discard(name)
        elif layer in table:
            made[f"{table[layer]}.{last}"] = array
            left.discard(layer)
        else:
            unknown.append(name)
    if unknown or left:
        parts = [f"{what} {_some(names)}" for what, names in (("unknown", unknown), ("missing", sorted(left))) if names]
        raise InputError(f"{source} does not fit: {'; '.join(parts)}")
    return made


def _some(names: list[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
