"""The network's objects, by resource name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any, TypeAlias

from seil.sandbox.admanager.clock import Clock
from seil.sandbox.admanager.errors import dangling, invalid, not_found
from seil.sandbox.admanager.options import AdManagerOptions
from seil.sandbox.admanager.store import NetworkStore

GamObject: TypeAlias = dict[str, Any]
"""A resource as protobuf's JSON writes it; members that begin with _ are never given out."""

CODE_FACT = "network code"
_FIRST_ID = 3_100_000_000
_ID = re.compile(r"[0-9]{1,19}")


class SandboxNetwork:
    def __init__(self, store: NetworkStore, clock: Clock, options: AdManagerOptions) -> None:
        self.store = store
        self.clock = clock
        self.options = options
        self.code = store.fact(CODE_FACT) or options.network_code

    @property
    def parent(self) -> str:
        return f"networks/{self.code}"

    def name(self, kind: str, number: int | str) -> str:
        """`kind` is the collection of the resource name: orders, lineItems."""
        return f"{self.parent}/{kind}/{number}"

    def number(self, kind: str, name: str, *, field: str = "name") -> int:
        """The id at the end of a resource name. Raises AdManagerApiError for an invalid name."""
        start = f"{self.parent}/{kind}/"
        if not name.startswith(start) or not _ID.fullmatch(name.removeprefix(start)):
            message = f"{name!r} is not a name of the form {self.parent}/{kind}/{{id}}"
            raise invalid(message, field=field, trigger=name)
        return int(name.removeprefix(start))

    def get(self, kind: str, name: str, *, field: str = "name") -> GamObject:
        """The requested object. Raises AdManagerApiError NOT_FOUND."""
        entity = self.store.get(kind, self.number(kind, name, field=field))
        if entity is None:
            raise not_found(name, field=field)
        return entity

    def select(self, kind: str, names: Iterable[str] | None) -> list[GamObject]:
        """Those that exist of `names`, by id; all for None."""
        if names is None:
            return self.store.all(kind)
        numbers = sorted({self.number(kind, name, field="filter") for name in names})
        entities = (self.store.get(kind, number) for number in numbers)
        return [entity for entity in entities if entity is not None]

    def referred(self, kind: str, name: str, *, field: str) -> GamObject:
        """The object that a field refers to. Raises AdManagerApiError INVALID_ARGUMENT."""
        entity = self.store.get(kind, self.number(kind, name, field=field))
        if entity is None:
            raise dangling(name, field=field, collection=kind)
        return entity

    def put(self, kind: str, entity: GamObject) -> None:
        self.store.put(kind, self.number(kind, entity["name"]), entity)

    def new_id(self, kind: str) -> int:
        return self.store.next_id(kind, _FIRST_ID)

    def new_name(self, kind: str) -> str:
        return self.name(kind, self.new_id(kind))


def ident(name: str) -> int:
    """The id at the end of a valid name."""
    return int(name.rpartition("/")[2])


def retain(entity: GamObject, names: Collection[str]) -> GamObject:
    """What an update keeps: these members, and internal ones."""
    return {n: value for n, value in entity.items() if n in names or n.startswith("_")}


def public(entity: GamObject) -> GamObject:
    return {name: value for name, value in entity.items() if not name.startswith("_")}
