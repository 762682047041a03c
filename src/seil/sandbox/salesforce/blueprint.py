"""What org/ says of the stand-in's objects: their traits and the SQL that makes their records."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Move:
    """A reference that a tick may point at another record.

    `within` keeps it inside a group: the fields, here and there, that must be equal.
    """

    field: str
    within: tuple[str, str] | None = None


@dataclass(frozen=True)
class Traits:
    """An object's entry in org/objects.toml, where the words are explained."""

    name: str
    prefix: str
    label: str
    plural: str
    changes: tuple[str, ...]
    moves: tuple[Move, ...]
    grows: bool
    fixed: bool


@cache
def traits() -> Mapping[str, Traits]:
    """By API name, in the order in which the objects are generated."""
    return {
        name: _traits(name, entry) for name, entry in tomllib.loads(script("objects.toml")).items()
    }


@cache
def script(path: str) -> str:
    """The text of a file of org/."""
    return resources.files("seil.sandbox.salesforce").joinpath("org", path).read_text("utf-8")


def _traits(name: str, entry: Mapping[str, object]) -> Traits:
    moves = entry.get("moves", ())
    changes = entry.get("changes", ())
    if not isinstance(moves, list | tuple) or not isinstance(changes, list | tuple):
        raise TypeError(f"objects.toml: changes and moves of {name} are lists")
    label = str(entry.get("label") or _spaced(name))
    return Traits(
        name=name,
        prefix=str(entry["prefix"]),
        label=label,
        plural=str(entry.get("plural") or f"{label}s"),
        changes=tuple(map(str, changes)),
        moves=tuple(_move(move) for move in moves),
        grows=bool(entry.get("grows")),
        fixed=bool(entry.get("fixed")),
    )


def _move(move: Mapping[str, object]) -> Move:
    within = move.get("within")
    pair = (str(within[0]), str(within[1])) if isinstance(within, list) else None
    return Move(str(move["field"]), pair)


def _spaced(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
