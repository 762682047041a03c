"""An org whose records change by merges, as loads do, and its sixteen tables."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seil.catalog import load_catalog
from seil.modeling.build import BuildReport, TableBuild, build
from seil.modeling.business_date import BusinessZone
from seil.modeling.model import Models
from seil.modeling.select import referenced_columns, runnable_select
from seil.settings import WarehouseSettings
from seil.sf_to_dw.site_models import site_models
from seil.warehouse import Records, StagedFile, TableName, Warehouse, open_warehouse
from seil.warehouse.types import TEXT, TIMESTAMP, stored_type

Record = Mapping[str, Any]
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
_EXTRA: dict[str, pa.DataType] = {
    "isdeleted": pa.bool_(),
    "systemmodstamp": TIMESTAMP,
    "lastmodifieddate": TIMESTAMP,
}


def source_columns(models: Models) -> dict[str, pa.Schema]:
    """By source table: every column that a model reads, typed as Salesforce describes it."""
    tables: dict[str, dict[str, pa.DataType]] = {}
    for model in models.values():
        for source, names in referenced_columns(model.sql).items():
            fields = models.sources[source].columns
            columns = tables.setdefault(source.name, {"id": TEXT, **_EXTRA})
            for name in sorted(names):
                type_ = stored_type(fields[name].type) if name in fields else TEXT
                columns.setdefault(name, type_ or TEXT)
    return {table: pa.schema(list(columns.items())) for table, columns in sorted(tables.items())}


@dataclass
class Org:
    """`stamp` counts the versions that were given out."""

    warehouse: Warehouse
    models: Models
    files: dict[str, bytes]
    stamp: int = 0

    @cached_property
    def columns(self) -> dict[str, pa.Schema]:
        return source_columns(self.models)

    def create(self) -> None:
        self.warehouse.prepare()
        own = [pa.field("_extracted_at", TIMESTAMP), pa.field("_file", TEXT)]
        with self.warehouse.commit("tables") as commit:
            for table, columns in self.columns.items():
                name = TableName("salesforce", table)
                commit.tables.create_table(name, pa.schema([*columns, *own]), key="id")

    def merge(self, table: str, records: Sequence[Record]) -> None:
        """One load of whole records; each has a newer version than all before, unless it says."""
        self.stamp += 1
        newest = {"systemmodstamp": EPOCH + timedelta(minutes=self.stamp), "isdeleted": False}
        schema = self.columns[table]
        rows = [dict.fromkeys(schema.names) | newest | dict(r) for r in records]
        self._merge(table, self._staged(pa.Table.from_pylist(rows, schema=schema)))

    def _merge(self, table: str, staged: StagedFile) -> None:
        name = TableName("salesforce", table)
        with self.warehouse.commit(f"load-{self.stamp}") as commit:
            commit.merger.merge(Records(name, "id"), [staged])

    def remove(self, table: str, *ids: str) -> None:
        """One load of Salesforce's list of what was deleted for good: Ids and when, no more."""
        self.stamp += 1
        deletion = {"isdeleted": True, "systemmodstamp": EPOCH + timedelta(minutes=self.stamp)}
        schema = pa.schema(
            [self.columns[table].field(name) for name in ("id", "isdeleted", "systemmodstamp")]
        )
        rows = pa.Table.from_pylist([{"id": id_, **deletion} for id_ in ids], schema)
        self._merge(table, replace(self._staged(rows), holds="deletions"))

    def update(self, table: str, id_: str, **values: Any) -> None:
        """A newer version of a record that is there, with other values."""
        rows = self.rows(f"SELECT * FROM salesforce.\"{table}\" WHERE id = '{id_}'")
        (row,) = rows
        values_ = {name: row[name] for name in self.columns[table].names if name in row}
        del values_["systemmodstamp"]
        self.merge(table, [values_ | values])

    def _staged(self, rows: pa.Table) -> StagedFile:
        buffer = BytesIO()
        pq.write_table(rows, buffer)
        columns = {column.name: column for column in rows.schema}
        at = EPOCH + timedelta(minutes=self.stamp)
        name = f"file-{len(self.files) + 1:06d}"
        self.files[f"memory://{name}"] = buffer.getvalue()
        return StagedFile(name, name, at, columns, f"memory://{name}")

    def cut_days_in(self, zone: str) -> None:
        """From now on business dates are those of this time zone."""
        models, sources = self.models.values(), self.models.sources
        self.models = Models(models, sources, zone=lambda: BusinessZone(zone))

    def build(self, *tables: str, full: bool = False) -> BuildReport:
        return build(self.warehouse, self.models, tables=tables, full=full)

    def built(self, *tables: str) -> Mapping[str, TableBuild]:
        return {table.table: table for table in self.build(*tables).tables}

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return list(self.warehouse.query(sql).to_pylist())

    def differing(self, *tables: str) -> dict[str, list[dict[str, Any]]]:
        """The tables, of all where none is named, that are not what their model gives now, with
        rows that are missing.
        """
        differences = {}
        selects = self.selects
        for name in tables or selects:
            select = selects[name]
            missing = f"SELECT * FROM ({select}) EXCEPT ALL SELECT * FROM {name}"
            both = (
                f"(SELECT count(*) FROM ({select})) AS made, (SELECT count(*) FROM {name}) AS kept"
            )
            (counted,) = self.rows(f"SELECT {both}")
            if (rows := self.rows(missing)) or counted["made"] != counted["kept"]:
                differences[name] = [counted, *rows]
        return differences

    @property
    def selects(self) -> dict[str, str]:
        """What a full build of each table runs; the source tables do not change their columns."""
        return selects_of(self.models, self.warehouse)


_SELECTS: dict[tuple[str, str, str], str] = {}


def selects_of(models: Models, warehouse: Warehouse) -> dict[str, str]:
    zone, dialect = models.zone(), warehouse.dialect
    for name, model in models.items():
        if (dialect, name, zone.name) not in _SELECTS:
            select = runnable_select(
                model,
                dialect,
                sources=models.sources,
                columns=warehouse.columns,
                relations={},
                zone=zone,
            )
            _SELECTS[dialect, name, zone.name] = select.sql
    return {name: _SELECTS[dialect, name, zone.name] for name in models}


@pytest.fixture(scope="session")
def models() -> Models:
    return site_models(load_catalog())


@pytest.fixture(scope="session")
def empty_org(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse file: all source tables, without a row, and the tables built from them."""
    file = tmp_path_factory.mktemp("org") / "empty.duckdb"
    with open_warehouse(settings(file)) as warehouse:
        org = Org(warehouse, models, {})
        org.create()
        assert org.build().ok
    return file


@pytest.fixture(scope="session")
def open_org(empty_org: Path, models: Models) -> Callable[..., Any]:
    @contextmanager
    def opened(folder: Path, template: Path = empty_org) -> Iterator[Org]:
        file = folder / "org.duckdb"
        shutil.copy(template, file)
        files: dict[str, bytes] = {}

        def open_url(url: str) -> AbstractContextManager[BytesIO]:
            return nullcontext(BytesIO(files[url]))

        with open_warehouse(settings(file), open_url=open_url) as warehouse:
            yield Org(warehouse, models, files)

    return opened


@pytest.fixture
def org(open_org: Callable[[Path], Any], tmp_path: Path) -> Iterator[Org]:
    with open_org(tmp_path) as opened:
        yield opened


def settings(file: Path) -> WarehouseSettings:
    return WarehouseSettings(url=f"duckdb:{file}", memory="512MB", threads=1)
