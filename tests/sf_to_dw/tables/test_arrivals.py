"""A load looks at the last hours, at what was announced, and once a day at everything."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.duckdb_file import relational_database as database
from tests.engines import select

from seil.catalog import Catalog
from seil.lake import Bucket, Entry, Lake
from seil.lake.keys import hour
from seil.lake.notices import announce
from seil.sf_to_dw.extract.flows import Manifest, manifest_key
from seil.sf_to_dw.load.loader import LoadReport, load
from seil.warehouse import Warehouse

DAY = timedelta(days=1)
OLD = datetime(2024, 1, 2, 3, tzinfo=UTC)


@pytest.fixture
def loads(warehouse: Warehouse, lake: Lake, catalog: Catalog) -> Callable[..., int]:
    """How many files a load of orders merges."""

    def run(**options: Any) -> int:
        report: LoadReport = load(warehouse, lake, catalog, objects=["Order"], **options)
        return report.files

    return run


def loaded_rows(warehouse: Warehouse) -> int:
    return len(select(warehouse, 'SELECT 1 FROM salesforce."order"').to_pylist())


def by_hand(lake: Lake, key: str, at: datetime) -> str:
    """The file of that key once more, below another hour, and nobody says so."""
    copy = f"Salesforce-Order/{hour(at)}/{at:%H}-{key.rpartition('/')[2]}"
    lake.curated.put(copy, lake.curated.get(key))
    return copy


def test_a_file_of_the_last_hours_is_found(loads: Any, lake: Lake, curator: Any) -> None:
    key = curator.file([{"Id": "a"}])
    assert loads() == 1
    now = datetime.now(UTC)
    for n in range(6):
        by_hand(lake, key, now - timedelta(hours=n))
    assert (loads(), loads()) == (6, 0)


def test_a_file_below_an_old_hour_is_found_where_it_was_announced(
    loads: Any, lake: Lake, curator: Any
) -> None:
    curator.file([{"Id": "a"}])
    assert loads() == 1
    curator.file([{"Id": "b"}], run="run-2")
    assert loads() == 1
    # The notices have done their work.
    assert loads() == 0
    assert list(lake.staging.list("late/")) == []


def test_a_clean_copy_made_again_is_found_below_its_old_hour(
    loads: Any, lake: Lake, warehouse: Warehouse, curator: Any
) -> None:
    curator.file([{"Id": "a"}])
    loads()
    loads()
    curator.file([{"Id": "a"}, {"Id": "b"}])
    assert loads() == 1
    assert loaded_rows(warehouse) == 2
    (row,) = warehouse.bookkeeping.ledger()
    assert row.merged == 2


def test_killed_between_notice_and_file(loads: Any, lake: Lake, curator: Any) -> None:
    key = curator.file([{"Id": "a"}])
    loads()
    loads()
    late = key.replace("run-1", "run-2")
    announce(lake, "Order", "curated", late, of=OLD)
    assert loads() == 0
    lake.curated.put(late, lake.curated.get(key))
    assert loads() == 1
    assert list(lake.staging.list("late/")) == []


def test_a_load_between_notice_and_file_keeps_the_notice(
    loads: Any, lake: Lake, curator: Any
) -> None:
    """Of a file that was there before, in an earlier copy."""
    key = curator.file([{"Id": "a"}])
    loads()
    loads()
    announce(lake, "Order", "curated", key, of=OLD)
    assert loads() == 0
    lake.curated.put(key, lake.curated.get(key))
    assert loads() == 1
    assert list(lake.staging.list("late/")) == []


def test_what_was_put_there_by_hand_is_found_the_next_day(
    loads: Any, lake: Lake, warehouse: Warehouse, curator: Any
) -> None:
    key = curator.file([{"Id": "a"}])
    loads()
    by_hand(lake, key, OLD)
    assert loads() == 0
    database(warehouse).execute("UPDATE seil.positions SET all_at = all_at - INTERVAL '1' DAY")
    assert (loads(), loads()) == (1, 0)


def test_a_file_copied_by_hand_is_found_on_request(loads: Any, lake: Lake, curator: Any) -> None:
    key = curator.file([{"Id": "a"}])
    loads()
    by_hand(lake, key, OLD)
    assert (loads(), loads(everything=True)) == (0, 1)


def test_a_clock_that_was_wrong_loses_nothing(
    loads: Any, lake: Lake, warehouse: Warehouse, curator: Any
) -> None:
    key = curator.file([{"Id": "a"}])
    loads()
    database(warehouse).execute(
        "UPDATE seil.positions SET all_at = all_at + INTERVAL '1' YEAR,"
        " list_from = list_from + INTERVAL '1' YEAR"
    )
    by_hand(lake, key, datetime.now(UTC))
    assert loads() == 1


def test_a_file_that_is_left_out_is_reported_until_it_is_gone(
    loads: Any, lake: Lake, warehouse: Warehouse, catalog: Catalog, curator: Any
) -> None:
    curator.file([{"Id": "a"}])
    bad = "Salesforce-Order/2024/01/02/03/curated_bad.parquet"
    lake.curated.put(bad, b"no parquet")
    for _ in range(3):
        (report,) = load(warehouse, lake, catalog, objects=["Order"]).objects
        assert [error.split(":")[0] for error in report.errors] == [bad]
        assert report.pending == {("curated", bad)}
    lake.curated.delete(bad)
    (report,) = load(warehouse, lake, catalog, objects=["Order"]).objects
    assert report.ok
    assert select(warehouse, "SELECT * FROM seil.waiting").num_rows == 0


def test_a_manifest_of_a_run_that_was_resumed_days_later_is_recorded(
    loads: Any, lake: Lake, warehouse: Warehouse, catalog: Catalog
) -> None:
    loads()
    loads()
    for run in ("20240102T030405Z-00000000", f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-00000001"):
        Manifest(
            "Order", run, "delta", OLD, OLD, "750", 0, 0, started_at=OLD, finished_at=OLD
        ).write(lake, catalog.select(["Order"])[0])
        loads()
    assert len(warehouse.bookkeeping.ledger()) == 2


def test_a_manifest_of_an_earlier_version_is_recorded(
    loads: Any, lake: Lake, warehouse: Warehouse, curator: Any
) -> None:
    run = "20240102T030405Z-00000000"
    curator.manifest(run, reported=0, landed=0)
    key = manifest_key("Order", run)
    lake.staging.move(key, f"runs/Salesforce-Order/{run}.json")
    loads()
    assert [row.flow_run_id for row in warehouse.bookkeeping.ledger()] == [run]


class ListingCount:
    """What the store was asked to list, and how many keys it gave."""

    def __init__(self) -> None:
        self.keys = 0

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        original = Bucket.list

        def watched(bucket: Bucket, *args: Any, **options: Any) -> Iterator[Entry]:
            for entry in original(bucket, *args, **options):
                self.keys += 1
                yield entry

        monkeypatch.setattr(Bucket, "list", watched)


def test_what_a_load_lists_does_not_grow_with_the_history(
    loads: Any, lake: Lake, curator: Any, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = curator.file([{"Id": "a"}])
    order = catalog.select(["Order"])[0]
    now = datetime.now(UTC)
    content = lake.curated.get(key)
    for n in range(100):
        at = now - timedelta(hours=n)
        lake.curated.put(f"Salesforce-Order/{hour(at)}/curated_{n}.parquet", content)
        run = f"{at:%Y%m%dT%H%M%SZ}-00000000"
        Manifest("Order", run, "delta", at, at, "750", 0, 0, started_at=at, finished_at=at).write(
            lake, order
        )
    assert loads() == 101
    # The first load has left the notices to the next one.
    loads()
    listings = ListingCount()
    listings.watch(monkeypatch)
    assert loads() == 0
    assert listings.keys <= 2 * 8


def test_notices_are_left_to_the_warehouse_that_a_rebuild_may_not_replace(
    loads: Any, lake: Lake, warehouse: Warehouse, curator: Any
) -> None:
    curator.file([{"Id": "a"}])
    loads()
    assert list(lake.staging.list("late/"))
    loads()
    assert not list(lake.staging.list("late/"))


@pytest.mark.parametrize("age", [timedelta(days=6), timedelta(days=8)])
def test_a_notice_of_what_never_came_goes_after_a_week(
    loads: Any, lake: Lake, age: timedelta
) -> None:
    loads()
    announce(lake, "Order", "curated", "Salesforce-Order/2024/01/02/03/x.parquet", of=OLD)
    [notice] = list(lake.staging.list("late/"))
    path = lake.staging.path(notice.key)
    assert path
    at = (datetime.now(UTC) - age).timestamp()
    os.utime(path, (at, at))
    loads()
    assert bool(lake.staging.head(notice.key)) is (age < timedelta(days=7))


def test_what_is_written_below_this_hour_needs_no_notice(lake: Lake) -> None:
    announce(lake, "Order", "curated", "x", of=datetime.now(UTC) - timedelta(hours=1))
    assert list(lake.staging.list("late/")) == []


def test_a_notice_names_place_and_key(lake: Lake) -> None:
    announce(lake, "Order", "staging", "a/b", of=OLD)
    [entry] = lake.staging.list("late/")
    assert json.loads(lake.staging.get(entry.key)) == {"place": "staging", "key": "a/b"}
