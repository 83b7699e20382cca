"""The conventions of an operator and the well-known sets of them, read from the TOML files beside."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Value:
    """One choice: its ``name``, what it ``means``, ``who`` makes it, and where that is ``seen`` (threads, sources).

    An ``open`` one settles nothing: whatever another value asks for is right under it, and so it is named only where
    no other explains what a target does.
    """

    name: str
    means: str
    who: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    open: bool = False


@dataclass(frozen=True)
class Convention:
    """What an operator leaves open: its ``name`` within the operator, what it is ``about``, its ``values``."""

    operator: str
    name: str
    about: str
    values: tuple[Value, ...]

    @property
    def full_name(self) -> str:
        """``operator.name``, as `nms.compare`."""
        return f"{self.operator}.{self.name}"

    def value(self, name: str) -> Value:
        """The value of that name; raises ``ValueError`` naming those that there are."""
        for value in self.values:
            if value.name == name:
                return value
        known = ", ".join(value.name for value in self.values)
        raise ValueError(f"{self.full_name} is one of {known}; found {name!r}")


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "data" / f"{name}.toml").read_text(encoding="utf-8"))


@cache
def conventions(operator: str) -> Mapping[str, Convention]:
    """The conventions of an operator, by name, in the order of their file."""
    found = {}
    for name, entry in _read(operator).items():
        values = tuple(
            Value(value, one["means"], tuple(one.get("who", ())), tuple(one.get("seen", ())), one.get("open", False))
            for value, one in entry["values"].items()
        )
        found[name] = Convention(operator, name, entry["about"], values)
    return MappingProxyType(found)


@cache
def profiles() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """Well-known implementations: profile, then operator, to its dialect; a convention may be missing."""
    folder = files(__package__) / "data" / "profiles"
    names = sorted(one.name.removesuffix(".toml") for one in folder.iterdir() if one.name.endswith(".toml"))
    return MappingProxyType({name: _read(f"profiles/{name}") for name in names})
