"""The stand-in's objects in org/: their traits, and the SQL that generates their records."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


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
    createable: bool = True


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


def _traits(name: str, entry: Mapping[str, Any]) -> Traits:
    label = entry.get("label") or _label(name)
    return Traits(
        name=name,
        prefix=entry["prefix"],
        label=label,
        plural=entry.get("plural") or f"{label}s",
        changes=tuple(entry.get("changes", ())),
        moves=tuple(_move(move) for move in entry.get("moves", ())),
        grows=entry.get("grows", False),
        fixed=entry.get("fixed", False),
        createable=entry.get("createable", True),
    )


def _move(move: Mapping[str, Any]) -> Move:
    here_and_there = move.get("within")
    return Move(move["field"], tuple(here_and_there) if here_and_there else None)


def _label(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
