"""Runs an org into a warehouse and compares every value with the org."""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.sites import Records, Site, current_records

from seil.sandbox.salesforce.store import OrgStore


def org_records(store: OrgStore, name: str) -> Records:
    """The records as the warehouse should have them: times in UTC, empty texts as null."""
    rows = store.cursor().execute(f'SELECT * FROM main."{name}"').to_arrow_table().to_pylist()
    return {
        row["Id"]: {column.lower(): _warehouse_value(row[column]) for column in row} for row in rows
    }


def _warehouse_value(value: object) -> object:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    return None if value == "" else value


def assert_same_as_org(site: Site) -> None:
    with site.open() as context:
        tables = {obj.api_name: obj.table for obj in context.catalog.values()}
    with closing(OrgStore.open(site.org)) as store:
        expected = {name: org_records(store, name) for name in tables}
    with site.warehouse() as warehouse:
        current = {name: current_records(warehouse, table) for name, table in tables.items()}
    for name, records in expected.items():
        assert current[name] == records, name
    assert len(expected) == 33


# The objects of an order; the matrix reads every object again.
SOME = ("Account", "Contact", "Order", "OrderItem", "Product2", "User")


@pytest.mark.parametrize(
    "once_more", [SOME, pytest.param((), marks=pytest.mark.matrix)], ids=["some", "all"]
)
def test_every_value_arrives_exactly_and_stays_so(
    generated: Path, tmp_path: Path, once_more: tuple[str, ...]
) -> None:
    """A full load, a delta of changes, deletes, undeletes and moves, and a full load once more."""
    shutil.copytree(generated, tmp_path / "org")
    site = Site(tmp_path)
    with site.serve():
        report = site.run()
    assert report.problems == []
    assert len(report.ledger) == 33
    assert {flow.mode for flow in report.extract.flows} == {"full"}
    assert_same_as_org(site)
    with site.serve():
        site.tick(share=0.1)
        report = site.run()
    assert report.problems == []
    assert {flow.mode for flow in report.extract.flows} == {"delta"}
    assert_same_as_org(site)
    with site.serve():
        site.objects = once_more
        report = site.run(full=True)
    assert {flow.mode for flow in report.extract.flows} == {"full"}
    assert report.problems == []
    outcome = report.load.outcome
    assert (outcome.inserted, outcome.updated, outcome.deleted) == (0, 0, 0)
    assert_same_as_org(site)
