"""A warehouse with the empty, typed source tables of every synced object."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

import seil.sf_to_dw
from seil.catalog import load_catalog
from seil.catalog.fields import packaged_fields
from seil.salesforce.schema import described_schema

Given = Mapping[str, Sequence[Mapping[str, Any]]]
Build = Callable[[str, Given], list[dict[str, Any]]]

MODELS = Path(seil.sf_to_dw.__file__).parent / "models"


@pytest.fixture(scope="session")
def models() -> Path:
    return MODELS


@pytest.fixture(scope="session")
def source() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("CREATE SCHEMA salesforce")
        for entry in load_catalog().values():
            described = {"name": entry.api_name, "fields": packaged_fields(entry.api_name)}
            empty = described_schema(described).arrow.empty_table()
            lowered = empty.rename_columns([name.lower() for name in empty.column_names])
            connection.register("lowered", lowered)
            connection.execute(f'CREATE TABLE salesforce."{entry.table}" AS FROM lowered')
            connection.unregister("lowered")
        yield connection


@pytest.fixture
def build(source: duckdb.DuckDBPyConnection) -> Build:
    """Rows of a model, given the rows of the source tables it reads; nothing stays behind."""

    def rows(model: str, given: Given) -> list[dict[str, Any]]:
        source.begin()
        try:
            for table, records in given.items():
                for record in records:
                    _insert(source, table, record)
            sql = (MODELS / f"{model}.sql").read_text("utf-8")
            return source.execute(sql).to_arrow_table().to_pylist()
        finally:
            source.rollback()

    return rows


def _insert(source: duckdb.DuckDBPyConnection, table: str, record: Mapping[str, Any]) -> None:
    marks = ", ".join("?" for _ in record)
    source.execute(
        f'INSERT INTO salesforce."{table}" ({", ".join(record)}) VALUES ({marks})',
        list(record.values()),
    )
