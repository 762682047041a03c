"""A new warehouse, filled beside the current one and swapped for it atomically."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from re import Pattern
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse
    from seil.warehouse.tables import TableName

Result = TypeVar("Result")

OldState = Literal["present", "missing", "broken"]


@dataclass(frozen=True, order=True)
class UserObject:
    """A table, view or the like that users created. `kind` is the engine's word for it."""

    kind: str
    schema: str
    name: str
    sql: str = ""
    is_copied: bool = True

    def __str__(self) -> str:
        name = ".".join(part for part in (self.schema, self.name) if part and part != "main")
        return f"{self.kind.replace('_', ' ')} {name}"


class Replacement(Protocol):
    """Read the old warehouse, fill the new one, then `replace`. A kill before that leaves the old
    one unchanged; the next replacement removes the remains.
    """

    def read_old(self, read: Callable[[Warehouse], Result]) -> tuple[OldState, Result | None]:
        """The state of the old warehouse and the result of `read`, None unless it is present. From
        then on it rejects commits of earlier runs.

        Raises WarehouseError if it is in use.
        """
        ...

    def user_objects(
        self, *, own_schemas: Pattern[str], own_tables: Collection[TableName]
    ) -> list[UserObject]:
        """Call it within `read_old`. Excludes schemas that match `own_schemas`, with their
        contents, and `own_tables`, with their indexes.
        """
        ...

    def new(self) -> AbstractContextManager[Warehouse]:
        """The new warehouse, empty. It stays when the block ends, until `replace` or `discard`."""
        ...

    def copy_user_objects(self, objects: Sequence[UserObject]) -> list[UserObject]:
        """Call it within `new`. Creates the objects that it lacks, with their rows; returns them.

        Raises WarehouseError naming an object that fails, such as a view on a dropped column.
        """
        ...

    def replace(self) -> None:
        """Swaps the warehouses atomically; a broken old one is renamed, not removed. Raises
        LeaseLostError without replacing it if a later run has committed to the old one.
        """
        ...

    def discard(self) -> None:
        """Removes the new warehouse unless it was swapped in."""
        ...
