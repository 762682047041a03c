"""Upkeep between runs: when it is due, who is told, and what it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.duckdb_file import database

from seil.app import upkeep
from seil.app.doctor import examine
from seil.app.site import Site
from seil.app.status import site_status
from seil.app.upkeep_mark import upkeep_due
from seil.settings import load_settings
from seil.sf_to_dw.lock import run_lock
from seil.warehouse.duckdb import growth


@pytest.fixture
def site(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Whose small warehouse counts as a large one."""
    monkeypatch.setattr(growth, "_SMALL", 0)
    with Site(load_settings()) as opened:
        change(
            opened,
            "CREATE TABLE t AS SELECT range AS id, md5(range::VARCHAR) AS text FROM range(9999)",
        )
        yield opened


def change(site: Site, sql: str) -> None:
    """As a run would: under the lock, published at its end."""
    with run_lock(site.lake):
        with site.warehouse() as warehouse:
            database(warehouse).execute(sql)
        site.publish()


def grow(site: Site) -> None:
    """As deltas do: rows are deleted and inserted."""
    for n in range(3):
        change(
            site,
            f"""
            CREATE TEMP TABLE new AS SELECT id, md5(text) AS text FROM t WHERE id % 4 <> {n};
            DELETE FROM t WHERE id % 4 <> {n};
            INSERT INTO t FROM new""",
        )


def test_a_new_warehouse_is_not_due(site: Site) -> None:
    assert upkeep.upkeep_if_due(site) is None


def test_a_grown_warehouse_is_rewritten_once(site: Site) -> None:
    grow(site)
    assert "has grown from" in upkeep_due(site.state_to_read, site.settings.warehouse)
    report = upkeep.upkeep_if_due(site)
    assert report is not None
    assert report.publication.how in ("copy", "reflink")
    assert upkeep.upkeep_if_due(site) is None
    last = site.state.runs.last()
    assert last is not None
    assert (last.command, last.outcome) == ("warehouse upkeep", "success")


def test_status_and_doctor_say_that_it_is_due(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(site)
    status = site_status(site).verdict
    assert any("upkeep of the warehouse is due" in str(f) for f in status.findings)
    check = next(check for check in examine(None) if check.name == "upkeep")
    assert check.state == "warn"


def test_another_run_comes_first(site: Site) -> None:
    grow(site)
    with Site(load_settings()) as other, run_lock(other.lake):
        assert upkeep.upkeep_if_due(site) is None
    assert upkeep.upkeep_if_due(site) is not None


def test_another_warehouse_begins_anew(site: Site) -> None:
    grow(site)
    moved = site.settings.warehouse.model_copy(update={"url": "duckdb:moved.duckdb"})
    with Site(site.settings.model_copy(update={"warehouse": moved})) as other:
        change(other, "CREATE TABLE t AS SELECT 1 AS a")
        assert upkeep.upkeep_if_due(other) is None
