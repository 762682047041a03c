"""The network's ad units and placements as warehouse tables, replaced as a whole."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import pyarrow as pa
import pyarrow.ipc

from seil.admanager.calls import SERVICE as AD_MANAGER
from seil.errors import AlreadyRunningError, UnexpectedAnswerError
from seil.gam_to_sf.changes import Recipient
from seil.gam_to_sf.results import StepName, StepResult
from seil.salesforce.org import Org
from seil.warehouse import TableName
from seil.warehouse.commits import commit_id
from seil.warehouse.types import TEXT, TIMESTAMP

if TYPE_CHECKING:
    from seil.admanager.rest.inventory import AdUnitEntry, PlacementEntry
    from seil.warehouse import Warehouse

SCHEMA = "gam"
_Columns = Mapping[str, tuple[pa.DataType, str]]


@dataclass(frozen=True)
class InventoryTable:
    """`columns` have their type and description; the first `key` identifies a row."""

    name: TableName
    about: str
    key: str
    columns: _Columns

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(name, kind) for name, (kind, _) in self.columns.items()])


_NAMED: _Columns = {
    "name": (TEXT, "Display name."),
    "description": (TEXT, "Description; null where there is none."),
    "status": (TEXT, "ACTIVE, INACTIVE or ARCHIVED."),
}
_DATED: _Columns = {"updated_at": (TIMESTAMP, "Last change in Ad Manager.")}
AD_UNITS = InventoryTable(
    TableName(SCHEMA, "ad_units"),
    "Ad Manager's ad units. One row per ad unit.",
    "ad_unit_id",
    {
        "ad_unit_id": (TEXT, "Ad Manager's id."),
        "parent_ad_unit_id": (TEXT, "The ad unit above; null at the root."),
        "code": (TEXT, "The code that ad tags name."),
        **_NAMED,
        "has_children": (pa.bool_(), "Whether there are ad units below."),
        "explicitly_targeted": (
            pa.bool_(),
            "Whether only line items that target it by name are delivered to it.",
        ),
        "sizes": (TEXT, "Sizes as 300x250, with commas between them; null where there are none."),
        **_DATED,
    },
)
PLACEMENTS = InventoryTable(
    TableName(SCHEMA, "placements"),
    "Ad Manager's placements. One row per placement.",
    "placement_id",
    {
        "placement_id": (TEXT, "Ad Manager's id."),
        "code": (TEXT, "The placement's code."),
        **_NAMED,
        **_DATED,
    },
)
PLACEMENT_AD_UNITS = InventoryTable(
    TableName(SCHEMA, "placement_ad_units"),
    "The ad units of each placement. One row per placement and ad unit.",
    "placement_id",
    {
        "placement_id": (TEXT, "The placement's id."),
        "ad_unit_id": (TEXT, "The ad unit's id."),
    },
)
TABLES = (AD_UNITS, PLACEMENTS, PLACEMENT_AD_UNITS)


@dataclass(frozen=True)
class Inventory:
    """`rows` are those of TABLES, in their order."""

    rows: tuple[pa.Table, ...]

    @property
    def count(self) -> int:
        """Ad units and placements."""
        return len(self.rows[0]) + len(self.rows[1])

    def store(self, warehouse: Warehouse) -> None:
        """Replaces the tables in one commit."""
        warehouse.prepare()
        with warehouse.commit(commit_id("gam-inventory", *map(_digest, self.rows))) as commit:
            for table, rows in zip(TABLES, self.rows, strict=True):
                commit.tables.replace(table.name, rows, key=table.key)
                columns = {name: about for name, (_, about) in table.columns.items()}
                commit.tables.comment(table.name, table.about, columns)


def _digest(rows: pa.Table) -> str:
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, rows.schema) as writer:
        writer.write_table(rows)
    return hashlib.sha256(stream.getvalue()).hexdigest()


class InventorySource(Protocol):
    """Ad Manager, as far as this step needs it."""

    def ad_units(self) -> Iterable[AdUnitEntry]: ...

    def placements(self) -> Iterable[PlacementEntry]: ...


@dataclass(frozen=True)
class InventoryStep:
    """`store` is not called in a dry run. A step that is not `forced` is put off while another run
    holds the warehouse.
    """

    source: InventorySource
    store: Callable[[Inventory], None] | None
    forced: bool = False
    name: StepName = "inventory"
    needs: ClassVar = (AD_MANAGER,)

    def run(self, org: Org, recipient: Recipient, result: StepResult) -> None:
        inventory = read_inventory(self.source)
        result.add_read(inventory.count)
        if not len(inventory.rows[0]):
            # Every network has a root.
            raise UnexpectedAnswerError(AD_MANAGER, "the network has no ad units")
        if self.store is None:
            return
        try:
            self.store(inventory)
        except AlreadyRunningError as error:
            if self.forced:
                raise
            result.note = f"put off until the next run: {error.message}"
        else:
            result.states["written"] += inventory.count


def read_inventory(source: InventorySource) -> Inventory:
    units = [_ad_unit_row(unit) for unit in source.ad_units()]
    placements = list(source.placements())
    rows: tuple[Iterable[dict[str, Any]], ...] = (
        units,
        map(_placement_row, placements),
        _pairs(placements),
    )
    tables = zip(TABLES, rows, strict=True)
    return Inventory(
        tuple(pa.Table.from_pylist(list(part), schema=table.schema) for table, part in tables)
    )


def _ad_unit_row(unit: AdUnitEntry) -> dict[str, Any]:
    return {
        "ad_unit_id": str(unit.id),
        "parent_ad_unit_id": None if unit.parent_id is None else str(unit.parent_id),
        **_common_cells(unit),
        "has_children": unit.has_children,
        "explicitly_targeted": unit.explicitly_targeted,
        "sizes": ", ".join(unit.sizes) or None,
    }


def _placement_row(placement: PlacementEntry) -> dict[str, Any]:
    return {"placement_id": str(placement.id), **_common_cells(placement)}


def _common_cells(entry: AdUnitEntry | PlacementEntry) -> dict[str, Any]:
    return {
        "code": entry.code,
        "name": entry.name,
        "description": entry.description or None,
        "status": entry.status,
        "updated_at": entry.updated_at,
    }


def _pairs(placements: Iterable[PlacementEntry]) -> Iterator[dict[str, str]]:
    for placement in placements:
        for ad_unit in placement.ad_unit_ids:
            yield {"placement_id": str(placement.id), "ad_unit_id": str(ad_unit)}
