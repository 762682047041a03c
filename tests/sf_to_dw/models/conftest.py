"""A warehouse with the empty, typed source tables of every synced object."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import duckdb
import pytest

from seil.catalog import load_catalog
from seil.catalog.fields import packaged_fields
from seil.modeling.business_date import BusinessZone
from seil.modeling.select import runnable_select
from seil.salesforce.schema import parse_describe
from seil.sf_to_dw.site_models import site_models
from seil.warehouse import TableName

Given = Mapping[str, Sequence[Mapping[str, Any]]]
Build = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="session")
def source() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("CREATE SCHEMA salesforce")
        for entry in load_catalog().values():
            described = {"name": entry.api_name, "fields": packaged_fields(entry.api_name)}
            empty = parse_describe(described).arrow.empty_table()
            lowered = empty.rename_columns([name.lower() for name in empty.column_names])
            connection.register("lowered", lowered)
            connection.execute(f'CREATE TABLE salesforce."{entry.table}" AS FROM lowered')
            connection.unregister("lowered")
        yield connection


@pytest.fixture(scope="session")
def select_of(source: duckdb.DuckDBPyConnection) -> Callable[..., str]:
    """What runs for a model, in a dialect and with business dates cut in a zone."""
    models = site_models(load_catalog())

    @cache
    def columns(table: TableName) -> Any:
        empty = f'SELECT * FROM {table.schema}."{table.name}" LIMIT 0'
        return source.execute(empty).to_arrow_table().schema

    @cache
    def select(model: str, *, dialect: str = "duckdb", zone: str = "UTC") -> str:
        return runnable_select(
            models[model],
            dialect,
            sources=models.sources,
            columns=columns,
            relations={},
            zone=BusinessZone(zone),
        ).sql

    return select


@pytest.fixture
def build(source: duckdb.DuckDBPyConnection, select_of: Callable[..., str]) -> Build:
    """Rows of a model, given the rows of the source tables it reads; nothing stays behind."""

    def rows(model: str, source_rows: Given, *, zone: str = "UTC") -> list[dict[str, Any]]:
        source.begin()
        try:
            for table, records in source_rows.items():
                for record in records:
                    _insert(source, table, record)
            return source.execute(select_of(model, zone=zone)).to_arrow_table().to_pylist()
        finally:
            source.rollback()

    return rows


def _insert(source: duckdb.DuckDBPyConnection, table: str, record: Mapping[str, Any]) -> None:
    marks = ", ".join("?" for _ in record)
    source.execute(
        f'INSERT INTO salesforce."{table}" ({", ".join(record)}) VALUES ({marks})',
        list(record.values()),
    )
