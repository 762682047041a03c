"""A warehouse made beside the one in use, which takes its place in one step."""

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
    """What users made beside SEIL's own. `kind` says what it is, in the engine's words."""

    kind: str
    schema: str
    name: str
    sql: str = ""
    is_copied: bool = True

    def __str__(self) -> str:
        name = ".".join(part for part in (self.schema, self.name) if part and part != "main")
        return f"{self.kind.replace('_', ' ')} {name}"


class Replacement(Protocol):
    """First the old one is read, then the new one filled, then `replace`. What is killed before
    that leaves the old one as it was, and what it left is removed by the next replacement.
    """

    def read_old(self, read: Callable[[Warehouse], Result]) -> tuple[OldState, Result | None]:
        """What `read` gives of the old warehouse: None where there is none, or it cannot be read.
        Earlier runs commit nothing more to it then.

        Raises WarehouseError when it is in use.
        """
        ...

    def user_objects(
        self, *, own_schemas: Pattern[str], own_tables: Collection[TableName]
    ) -> list[UserObject]:
        """Within `read_old`: all but schemas of such names, with what is in them, and these tables,
        with their indexes.
        """
        ...

    def new(self) -> AbstractContextManager[Warehouse]:
        """The new one, empty at first. It is kept as it is when the block ends."""
        ...

    def copy_user_objects(self, objects: Sequence[UserObject]) -> list[UserObject]:
        """Within `new`: makes those that are not there yet, and returns them.

        Raises WarehouseError naming what cannot be made, such as a view on a column that is gone.
        """
        ...

    def replace(self) -> None:
        """A broken one is kept aside. Raises LeaseLostError, and replaces nothing, when a later run
        has committed to the old one.
        """
        ...

    def discard(self) -> None:
        """Removes what was made and has not taken the old one's place."""
        ...
