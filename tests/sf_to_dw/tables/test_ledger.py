from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.duckdb_file import relational_database as database
from tests.engines import select

from seil.catalog import Catalog
from seil.lake import Lake
from seil.observe.run_context import in_run
from seil.sf_to_dw.load.ledger import current_rows
from seil.sf_to_dw.load.loader import load
from seil.warehouse import Warehouse
from seil.warehouse.bookkeeping import LedgerRow
from seil.warehouse.bookkeeping_tables import LOADS, OUTBOX, table_schema

Curator = Any


def counted(row: LedgerRow) -> tuple[int | None, int, int, int, int, bool]:
    return (row.reported, row.landed, row.curated, row.set_aside, row.merged, row.balanced)


def test_a_ledger_half_made_is_made_again(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = database(warehouse).execute

    def interrupted(sql: str) -> None:
        if "VIEW" in sql:
            raise KeyboardInterrupt
        execute(sql)

    with monkeypatch.context() as patched:
        patched.setattr(database(warehouse), "execute", interrupted)
        with pytest.raises(KeyboardInterrupt):
            warehouse.prepare()
    warehouse.prepare()
    assert warehouse.bookkeeping.ledger() == []


def test_a_ledger_of_an_earlier_version_gets_the_columns_it_lacks(warehouse: Warehouse) -> None:
    warehouse.prepare()
    database(warehouse).execute("DROP TABLE seil.layout")
    database(warehouse).execute("ALTER TABLE seil.loads DROP COLUMN without_key")
    database(warehouse).execute("DROP TABLE seil.outbox")
    insert = "INSERT INTO seil.loads (curated_key, object) VALUES ('kept', 'Order')"
    database(warehouse).execute(insert)
    warehouse.prepare()
    for table in (LOADS, OUTBOX):
        columns = warehouse.columns(table)
        assert columns is not None
        assert set(columns.names) == set(table_schema(table).names)
    assert [row.object for row in warehouse.bookkeeping.ledger()] == ["Order"]


def test_an_unloaded_warehouse_has_an_empty_ledger(warehouse: Warehouse) -> None:
    assert warehouse.bookkeeping.ledger() == []


@pytest.mark.parametrize(
    ("reported", "landed", "rejected", "expected"),
    [
        (2, 2, 0, (2, 2, 2, 0, 2, True)),
        (3, 3, 1, (3, 3, 2, 1, 2, True)),
        (3, 2, 0, (3, 2, 2, 0, 2, False)),
        (5, 5, 0, (5, 5, 2, 0, 2, False)),
        (None, 3, 1, (None, 3, 2, 1, 2, True)),
    ],
    ids=["whole", "set aside", "page lost", "file rejected", "no manifest"],
)
def test_a_run_balances_when_every_row_is_accounted_for(
    warehouse: Warehouse,
    lake: Lake,
    catalog: Catalog,
    curator: Curator,
    reported: int | None,
    landed: int,
    rejected: int,
    expected: tuple[Any, ...],
) -> None:
    counts = {"landed_rows": str(2 + rejected), "rejected_rows": str(rejected)}
    curator.file([{"Id": "a"}, {"Id": "b"}], **counts)
    if reported is not None:
        curator.manifest(reported=reported, landed=landed)
    report = load(warehouse, lake, catalog, objects=["Order"])
    assert report.objects[0].runs == (0 if reported is None else 1)
    (row,) = warehouse.bookkeeping.ledger()
    assert (row.object, row.flow_run_id, row.mode) == ("Order", "run-1", "full")
    assert row.window_end == datetime(2024, 1, 2, tzinfo=UTC)
    assert counted(row) == expected


def test_rows_without_a_key_do_not_balance(
    warehouse: Warehouse, lake: Lake, catalog: Catalog, curator: Curator
) -> None:
    curator.file([{"Id": "a"}, {"Id": None}])
    load(warehouse, lake, catalog, objects=["Order"])
    assert counted(warehouse.bookkeeping.ledger()[0]) == (None, 2, 2, 0, 1, False)


def test_an_empty_run_without_files_balances(
    warehouse: Warehouse, lake: Lake, catalog: Catalog, curator: Curator
) -> None:
    curator.manifest(reported=0, landed=0)
    load(warehouse, lake, catalog, objects=["Order"])
    assert counted(warehouse.bookkeeping.ledger()[0]) == (0, 0, 0, 0, 0, True)


def test_a_manifest_is_recorded_once_and_may_come_before_its_files(
    warehouse: Warehouse, lake: Lake, catalog: Catalog, curator: Curator
) -> None:
    curator.manifest(reported=1, landed=1)
    load(warehouse, lake, catalog, objects=["Order"])
    assert not warehouse.bookkeeping.ledger()[0].balanced
    curator.file([{"Id": "a"}])
    load(warehouse, lake, catalog, objects=["Order"])
    load(warehouse, lake, catalog, objects=["Order"])
    (row,) = warehouse.bookkeeping.ledger()
    assert counted(row) == (1, 1, 1, 0, 1, True)


def test_pages_of_a_run_add_up_and_runs_stand_apart(
    warehouse: Warehouse, lake: Lake, catalog: Catalog, curator: Curator
) -> None:
    curator.file([{"Id": "a"}], page=1)
    curator.file([{"Id": "b"}, {"Id": "c"}], page=2)
    curator.file([{"Id": "a"}], run="run-2")
    curator.landing_name, curator.object = "Account", "Account"
    curator.file([{"Id": "x"}], run="run-3")
    load(warehouse, lake, catalog)
    rows = {row.flow_run_id: row.merged for row in warehouse.bookkeeping.ledger()}
    assert rows == {"run-1": 3, "run-2": 1, "run-3": 1}
    assert [row.flow_run_id for row in warehouse.bookkeeping.ledger(objects=["Account"])] == [
        "run-3"
    ]
    assert [row.merged for row in warehouse.bookkeeping.ledger(flow_runs=["run-1", "none"])] == [3]


def test_a_file_without_metadata_counts_what_it_holds(
    warehouse: Warehouse, lake: Lake, catalog: Catalog, curator: Curator
) -> None:
    nothing = dict.fromkeys(("flow_run_id", "mode", "landed_rows", "rejected_rows"), "")
    curator.file([{"Id": "a"}, {"Id": "b"}], run="uuid-of-appflow", **nothing)
    load(warehouse, lake, catalog)
    (row,) = warehouse.bookkeeping.ledger()
    assert (row.flow_run_id, row.mode) == ("uuid-of-appflow", "")
    assert counted(row) == (None, 2, 2, 0, 2, True)


def test_a_manifest_that_cannot_be_read_is_reported(
    warehouse: Warehouse, lake: Lake, catalog: Catalog, curator: Curator
) -> None:
    lake.staging.put("manifests/Salesforce-Order/other/cut.json", b'{"object": "Ord')
    lake.staging.put("manifests/Salesforce-Order/other/other.json", b'{"object": "Order"}')
    curator.file([{"Id": "a"}])
    report = load(warehouse, lake, catalog, objects=["Order"])
    assert [error.split(" is not")[0] for error in report.objects[0].errors] == [
        "manifests/Salesforce-Order/other/cut.json",
        "manifests/Salesforce-Order/other/other.json",
    ]
    assert report.outcome.inserted == 1


def unbalanced(warehouse: Warehouse) -> tuple[list[Any], list[Any]]:
    """As the table says, and as all rows say."""
    table = select(warehouse, "SELECT object, flow_run_id FROM seil.unbalanced ORDER BY 1, 2")
    ledger = select(
        warehouse, "SELECT object, flow_run_id FROM seil.ledger WHERE NOT balanced ORDER BY 1, 2"
    )
    return table.to_pylist(), ledger.to_pylist()


def test_what_does_not_balance_is_kept_until_it_does(
    warehouse: Warehouse, lake: Lake, catalog: Catalog, curator: Curator
) -> None:
    seen = []
    for page in range(2):
        for run in ("run-1", "run-2"):
            curator.file([{"Id": f"{run}{page}"}], run=run, page=page)
            curator.manifest(run, reported=2, landed=2)
        curator.manifest("run-3", reported=1, landed=0)
        load(warehouse, lake, catalog, objects=["Order"])
        from_table, from_ledger = unbalanced(warehouse)
        assert from_table == from_ledger
        seen.append([row["flow_run_id"] for row in from_table])
    assert seen == [["run-1", "run-2", "run-3"], ["run-3"]]


def test_the_verdict_is_that_of_the_last_run_and_of_what_does_not_balance(
    warehouse: Warehouse, lake: Lake, catalog: Catalog, curator: Curator
) -> None:
    for run, reported in (("run-1", 1), ("run-2", 2), ("run-3", 1)):
        curator.file([{"Id": run}], run=run)
        curator.manifest(run, reported=reported, landed=1)
        load(warehouse, lake, catalog, objects=["Order"])
    assert [row.flow_run_id for row in current_rows(warehouse)] == ["run-2", "run-3"]
    assert current_rows(warehouse, objects=["Account"]) == []
    # As in a warehouse that only an earlier version has written to.
    database(warehouse).execute("DROP TABLE seil.unbalanced")
    database(warehouse).execute("DROP TABLE seil.layout")
    assert [row.flow_run_id for row in current_rows(warehouse)] == ["run-2", "run-3"]
    # Its next load asks all runs, once.
    load(warehouse, lake, catalog, objects=["Order"])
    assert unbalanced(warehouse)[0] == [{"object": "Order", "flow_run_id": "run-2"}]


def test_named_runs_are_as_the_whole_ledger_has_them(
    warehouse: Warehouse, lake: Lake, catalog: Catalog, curator: Curator
) -> None:
    curator.file([{"Id": "a"}])
    curator.file([{"Id": "b"}], run="run-2")
    curator.manifest("run-2", reported=2, landed=2)
    curator.manifest("run-3", reported=0, landed=0)
    load(warehouse, lake, catalog, objects=["Order"])
    runs = ["run-1", "run-2", "run-3"]
    assert len(warehouse.bookkeeping.ledger()) == 3
    assert warehouse.bookkeeping.ledger(flow_runs=runs) == warehouse.bookkeeping.ledger()


def test_rows_name_the_command_run_that_wrote_them(
    warehouse: Warehouse, lake: Lake, catalog: Catalog, curator: Curator
) -> None:
    curator.file([{"Id": "a"}])
    curator.manifest(reported=1, landed=1)
    with in_run("run-of-a-command", "seil load"):
        load(warehouse, lake, catalog, objects=["Order"])
    written = "SELECT run_id FROM seil.loads UNION ALL SELECT run_id FROM seil.runs"
    assert select(warehouse, written)["run_id"].to_pylist() == ["run-of-a-command"] * 2
