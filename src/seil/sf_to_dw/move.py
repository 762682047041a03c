"""Moves a site to another warehouse: filled from curated, and proved equal to the current one.

`begin` looks at both and changes neither; `fill` takes long and needs no run lock, since it reads
curated only; `finish` loads into both what landed meanwhile, and compares them value by value. Each
commits as every load does: after a kill the same step goes on where it was. The current warehouse
stays right at every moment, and the site's until somebody switches.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.ipc

from seil.errors import ConfigurationError, Problem
from seil.modeling.build import BuildReport, build
from seil.observe.progress import SILENT, Progress
from seil.sf_to_dw.load.loader import LoadReport, load
from seil.sf_to_dw.load.merged_records import VIEW as MERGED_RECORDS
from seil.sf_to_dw.lock import LockCheck
from seil.warehouse import checks, local_file, open_replacement, open_warehouse
from seil.warehouse.commits import commit_id
from seil.warehouse.equality import ComparedTable, KeyedTable, compare_tables
from seil.warehouse.tables import SCHEMAS, TableName

if TYPE_CHECKING:
    from seil.catalog import Catalog
    from seil.events.bus import Bus
    from seil.lake import Lake
    from seil.modeling.model import Models
    from seil.settings import WarehouseSettings
    from seil.sf_to_dw.lock import RunLock
    from seil.state.decisions import DecisionStore
    from seil.warehouse.bookkeeping import Position
    from seil.warehouse.fencing import Fence
    from seil.warehouse.protocol import Warehouse
    from seil.warehouse.replacement import UserObject

_KEY = "move.json"
_SETTING = "warehouse.url"
_MAX_NAMES = 3
_OWN_SCHEMAS = re.compile(r"seil|seil_\w+|salesforce_history")
_LEDGER = KeyedTable(
    TableName("seil", "ledger"), ("object", "flow_run_id"), ignored=frozenset({"last_at"})
)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class MovePlan:
    """`is_begun`: an earlier move has filled the new warehouse, in part or whole. `is_current`: the
    target is the site's warehouse already, and there is nothing to do. `left_behind` are people's
    tables, views and the like, and tables whose object or model is gone.
    """

    source: str
    target: str
    is_begun: bool = False
    is_current: bool = False
    files: int = 0
    tables: tuple[str, ...] = ()
    left_behind: tuple[str, ...] = ()


@dataclass(frozen=True)
class MoveReport:
    """`files` is the number of curated files that the new warehouse has; `missing_files` says which
    one of both lacks, and then nothing is compared.
    """

    plan: MovePlan
    load: LoadReport
    build: BuildReport
    files: int = 0
    compared: tuple[ComparedTable, ...] = ()
    missing_files: tuple[str, ...] = ()

    @property
    def refused(self) -> tuple[str, ...]:
        """Why the warehouses are not equal, with values of records."""
        differences = (table.difference for table in self.compared)
        described = (d.describe("the current one", "the new one") for d in differences if d)
        return (*self.missing_files, *described)

    @property
    def differing(self) -> tuple[str, ...]:
        """The tables that differ."""
        return tuple(str(table.table) for table in self.compared if table.difference)

    @property
    def is_equal(self) -> bool:
        return not self.refused

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.compared)


@dataclass(frozen=True)
class WarehouseMove:
    """`carried` are tables that do not come from curated, and are copied. `on_loaded` is called
    with each warehouse before its tables are built.
    """

    current: WarehouseSettings
    target: WarehouseSettings
    lake: Lake
    catalog: Catalog
    models: Models
    bus: Bus
    decisions: DecisionStore
    carried: Sequence[KeyedTable] = ()
    progress: Progress = SILENT
    on_loaded: Callable[[Warehouse], None] = field(default=lambda _: None)

    def plan(self) -> MovePlan:
        """The caller holds the run lock. Raises ConfigurationError where the target cannot become
        the site's warehouse, and WarehouseError where either cannot be read.
        """
        if self.is_same_place():
            return MovePlan(self.current.url, self.target.url, is_current=True)
        self._check_target()
        replacement = open_replacement(
            self.current, fence=self.lake.fence, open_url=self.lake.open_url
        )

        def read(warehouse: Warehouse) -> tuple[MovePlan, frozenset[str]]:
            users = replacement.user_objects(
                own_schemas=_OWN_SCHEMAS, own_tables=self._own_tables(warehouse)
            )
            files = _all(warehouse.bookkeeping.files_by_object())
            return self._plan(warehouse, users, len(files)), files

        try:
            state, old = replacement.read_old(read)
        finally:
            replacement.discard()
        if old is None:
            cure = "run `seil rebuild` first" if state == "broken" else "run `seil run` first"
            reason = f"{self.current.url} is {state}: there is nothing to compare a new one with"
            raise ConfigurationError([Problem(_SETTING, reason, cure)])
        plan, files = old
        return replace(plan, is_begun=self._is_begun(files))

    def begin(self) -> MovePlan:
        """As `plan`; from then on the target is the site's own, and a repetition goes on there."""
        plan = self.plan()
        document = {"from": self.current.url, "to": self.target.url}
        self.lake.document(_KEY).change(lambda _: document)
        return plan

    def fill(self, lock: RunLock) -> None:
        """Loads and builds what curated has now. The caller holds `lock`, the move's own.

        Does nothing if an earlier move did: a later load deletes notices that the current
        warehouse needs, and is for `finish`.
        """
        with self._open(self.target, LockCheck(lock)) as warehouse:
            warehouse.prepare()
            if warehouse.bookkeeping.positions():
                return
            load(
                warehouse,
                self.lake,
                self.catalog,
                decisions=self.decisions,
                progress=self.progress,
            )
            self.on_loaded(warehouse)
            build(warehouse, self.models, progress=self.progress)

    def finish(self, plan: MovePlan) -> MoveReport:
        """Brings both up to date, and compares them. The caller holds the run lock."""
        with self._open(self.current, self.lake.fence) as old:
            # First: its load settles the notices that both share.
            self._catch_up(old, bus=self.bus)
            files = self._files_of(old)
        with self._open(self.target, self.lake.fence) as new:
            loaded, built = self._catch_up(new)
            others = self._files_of(new)
            _list_all_next(new.bookkeeping.positions(), new)
            with self._read(self.current) as old:
                self._carry(old, new)
        report = MoveReport(plan, loaded, built, files=len(others))
        if missing := tuple(_missing_files(files, others, loaded)):
            return replace(report, missing_files=missing)
        with self._read(self.current) as old, self._read(self.target) as new:
            return replace(report, compared=tuple(self._compare(old, new)))

    def _plan(self, warehouse: Warehouse, users: Iterable[UserObject], files: int) -> MovePlan:
        carried = {keyed.table for keyed in self.carried}
        names = [str(entry) for entry in users if not _is_carried(entry, carried)]
        without_model = warehouse.bookkeeping.built_tables() - set(self.models)
        names += [f"table {name}: its model is gone" for name in sorted(without_model)]
        for name in sorted(warehouse.bookkeeping.files_by_object()):
            if self.catalog.find(name) is None:
                names.append(f"{name}: it is no longer in the catalog")
        tables = tuple(str(keyed.table) for keyed in self._tables(warehouse))
        return MovePlan(
            self.current.url,
            self.target.url,
            files=files,
            tables=tables,
            left_behind=tuple(dict.fromkeys(names)),
        )

    def _check_target(self) -> None:
        """What `seil doctor` would find there: rights, version, space."""
        problems = [
            Problem(f"{self.target.url}: {check.name}", check.detail, check.cure)
            for check in checks(self.target)
            if check.state == "fail"
        ]
        if problems:
            raise ConfigurationError(problems)

    def is_same_place(self) -> bool:
        """Whether the target is the site's warehouse already."""
        if self.current.url == self.target.url:
            return True
        file, other = local_file(self.current), local_file(self.target)
        return bool(file and other and file.resolve() == other.resolve())

    def _is_begun(self, files: frozenset[str]) -> bool:
        """False for an empty target. Raises ConfigurationError where it is not empty, unless a move
        of this site has filled it.
        """
        file = local_file(self.target)
        if file and not file.exists():
            return False
        with self._read(self.target) as warehouse:
            names = [
                str(TableName(schema, name))
                for schema in ("", *sorted(SCHEMAS))
                for name in warehouse.tables(schema)
            ]
            if not names:
                return False
            document = self.lake.document(_KEY).read() or {}
            loaded = _all(warehouse.bookkeeping.files_by_object()) - files
            is_own = all(self.lake.curated.head(key) for key in loaded)
        if document.get("to") == self.target.url and is_own:
            return True
        more = f" and {len(names) - _MAX_NAMES:,} more" if len(names) > _MAX_NAMES else ""
        reason = f"is not empty: it has {', '.join(names[:_MAX_NAMES])}{more}"
        cure = "name an empty one, or remove what it has"
        raise ConfigurationError([Problem(self.target.url, reason, cure)])

    def _own_tables(self, warehouse: Warehouse) -> set[TableName]:
        current = {TableName("salesforce", obj.table) for obj in self.catalog.values()}
        own = {*current, *warehouse.bookkeeping.loaded_tables(), MERGED_RECORDS}
        built = {*self.models, *warehouse.bookkeeping.built_tables()}
        return own | {TableName("", name) for name in built}

    def _catch_up(
        self, warehouse: Warehouse, *, bus: Bus | None = None
    ) -> tuple[LoadReport, BuildReport]:
        loaded = load(
            warehouse,
            self.lake,
            self.catalog,
            everything=True,
            decisions=self.decisions,
            bus=bus,
            progress=self.progress,
        )
        self.on_loaded(warehouse)
        return loaded, build(warehouse, self.models, bus=bus, progress=self.progress)

    def _files_of(self, warehouse: Warehouse) -> frozenset[str]:
        """Loaded files of the objects that are in the catalog."""
        files = warehouse.bookkeeping.files_by_object()
        return _all({name: keys for name, keys in files.items() if self.catalog.find(name)})

    def _carry(self, old: Warehouse, new: Warehouse) -> None:
        for keyed in self.carried:
            columns = old.columns(keyed.table)
            if columns is None:
                continue
            with old.sorted_rows(keyed.table, columns.names, order=keyed.key) as batches:
                rows = batches.read_all()
            name = commit_id("carry", str(keyed.table), _digest(rows))
            with new.commit(name) as commit:
                commit.tables.replace(keyed.table, rows, key=keyed.key[0])

    def _compare(self, old: Warehouse, new: Warehouse) -> Iterator[ComparedTable]:
        for keyed in self._tables(old):
            with self.progress.step(f"compare {keyed.table}") as step:
                yield from compare_tables(old, new, [keyed], advance=step.advance)

    def _tables(self, warehouse: Warehouse) -> list[KeyedTable]:
        """Those that the current warehouse has, of the records, the models and the ledger."""
        tables = [KeyedTable(MERGED_RECORDS, ("object", "loser_id"))]
        for obj in self.catalog.values():
            key = (obj.key.lower(),)
            tables.append(KeyedTable(TableName("salesforce", obj.table), key))
            history = TableName("salesforce_history", obj.table)
            tables.append(KeyedTable(history, key, is_unique=False))
        tables += [
            KeyedTable(model.table, model.key, is_unique=bool(model.key))
            for model in self.models.values()
        ]
        tables += [*self.carried, _LEDGER]
        return [keyed for keyed in tables if warehouse.columns(keyed.table) is not None]

    def _open(self, settings: WarehouseSettings, fence: Fence) -> AbstractContextManager[Warehouse]:
        return open_warehouse(settings, fence=fence, open_url=self.lake.open_url)

    def _read(self, settings: WarehouseSettings) -> AbstractContextManager[Warehouse]:
        return open_warehouse(settings, read_only=True)


def _is_carried(entry: UserObject, carried: set[TableName]) -> bool:
    """Also their schema, which would be empty without them."""
    schemas = {table.schema for table in carried}
    return TableName(entry.schema, entry.name) in carried or (
        entry.kind == "schema" and {entry.schema, entry.name} & schemas != set()
    )


def _list_all_next(positions: Mapping[str, Position], warehouse: Warehouse) -> None:
    """The next load looks through all of curated: until the site switches, the loads of the current
    warehouse settle the notices of files that this one lacks.
    """
    due = {name: replace(position, all_at=_NEVER) for name, position in positions.items()}
    versions = (
        f"{name} {position.begins} {position.all_at}" for name, position in positions.items()
    )
    with warehouse.commit(commit_id("list-all", *versions)) as commit:
        commit.recorder.record_positions(due)


def _missing_files(
    files: frozenset[str], others: frozenset[str], loaded: LoadReport
) -> Iterator[str]:
    for keys, place in ((files - others, "current"), (others - files, "new")):
        if keys:
            more = f" and {len(keys) - _MAX_NAMES:,} more" if len(keys) > _MAX_NAMES else ""
            names = ", ".join(islice(sorted(keys), _MAX_NAMES))
            yield f"only the {place} one has {len(keys):,} curated file(s): {names}{more}"
    if files != others:
        for entry in loaded.objects:
            yield from entry.errors


def _digest(rows: pa.Table) -> str:
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, rows.schema) as writer:
        writer.write_table(rows)
    return hashlib.sha256(stream.getvalue()).hexdigest()


def _all(keys: Mapping[str, frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*keys.values())
