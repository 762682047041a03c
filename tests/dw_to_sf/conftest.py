"""An org with bookings, and a warehouse that has read them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from tests.bookings import NAME, bookings, client, make_org

from seil.dw_to_sf.definition import PushDefinition
from seil.salesforce.org import Org
from seil.salesforce.writes.batch import WriteTarget
from seil.salesforce.writes.writer import Writer
from seil.sandbox.salesforce.server import OrgServer
from seil.state.store import State, state_in_memory

ROWS = 6


@dataclass
class BookingSource:
    """A warehouse: `mirror` is what was read of the org, `desired` the query's table."""

    database: duckdb.DuckDBPyConnection
    state: State
    place: str = "duckdb:warehouse.duckdb"
    org_id: str = "00D000000000001AAA"
    mirror_as_of: datetime | None = None
    queries: list[str] = field(default_factory=list)

    def read_org(self, org: Org) -> None:
        fields = "Id, Key__c, Note__c, Amount__c, Flag__c, Number__c, Stage__c, Name"
        rows: Any = list(org.query(f"SELECT {fields} FROM {NAME} ORDER BY Key__c"))
        mirror = pa.Table.from_pylist(rows)
        self.database.register(
            "read", mirror.rename_columns([n.lower() for n in mirror.column_names])
        )
        self.database.execute("CREATE OR REPLACE TABLE mirror AS FROM read")

    @contextmanager
    def desired(self, query: str) -> Iterator[pa.RecordBatchReader]:
        yield self.database.execute(query).to_arrow_reader(100)

    @contextmanager
    def mirror(self, object_name: str, columns: Sequence[str]) -> Iterator[pa.RecordBatchReader]:
        assert object_name == NAME
        sql = f"SELECT {', '.join(columns)} FROM mirror"
        yield self.database.execute(sql).to_arrow_reader(100)

    def written(self, flow: str, object_name: str) -> pa.RecordBatchReader:
        return self.state.outcomes.written_values(flow, object_name)

    def rejected(self, flow: str, object_name: str, operation: str) -> pa.RecordBatchReader:
        return self.state.outcomes.rejected(flow, object_name, operation).to_reader()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_org(tmp_path_factory.mktemp("template") / "org")
    with OrgServer(folder) as server, client(server) as org, state_in_memory() as state:
        writer = Writer(org, state.outcomes.log("setup", "run-0"))
        writer.write(WriteTarget(NAME, "upsert", "Key__c"), [bookings(ROWS)], rows=ROWS)
    return folder


@pytest.fixture
def server(template: Path, tmp_path: Path) -> Iterator[OrgServer]:
    shutil.copytree(template, tmp_path / "org")
    with OrgServer(tmp_path / "org") as running:
        yield running


@pytest.fixture
def org(server: OrgServer) -> Iterator[Org]:
    with client(server) as opened:
        yield opened


@pytest.fixture
def state() -> Iterator[State]:
    with state_in_memory() as opened:
        yield opened


@pytest.fixture
def source(org: Org, state: State) -> Iterator[BookingSource]:
    with duckdb.connect() as database:
        source = BookingSource(database, state)
        source.read_org(org)
        yield source


def push(query: str, **changes: Any) -> PushDefinition:
    values: dict[str, Any] = {"name": "notes", "object": NAME, "query": query}
    fields = {"Note__c": "note", "Amount__c": "amount"}
    return PushDefinition.model_validate(values | {"fields": fields} | changes)
