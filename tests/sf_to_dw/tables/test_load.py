from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.duckdb_file import relational_database as database
from tests.engines import select
from tests.examples import examples

from seil.catalog import Catalog, load_catalog
from seil.errors import ConfigurationError, WarehouseError
from seil.lake import Lake
from seil.settings import WarehouseSettings
from seil.sf_to_dw.load.batches import BatchLimits
from seil.sf_to_dw.load.loader import LoadReport, load
from seil.warehouse import MergeOutcome, Warehouse, open_warehouse
from seil.warehouse.relational.commits import RelationalMerger

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
Curator = Any
Load = Callable[..., LoadReport]


@pytest.fixture
def run(warehouse: Warehouse, lake: Lake, catalog: Catalog) -> Load:
    def loaded(**options: Any) -> LoadReport:
        return load(warehouse, lake, catalog, objects=["Order"], **options)

    return loaded


def record(key: str, hour: int, name: str = "", *, deleted: bool = False) -> dict[str, Any]:
    stamp = NOON + timedelta(hours=hour)
    return {
        "Id": key,
        "IsDeleted": deleted,
        "SystemModstamp": stamp,
        "LastModifiedDate": stamp,
        "Name": name or f"{key} at {hour}",
    }


def names(warehouse: Warehouse, table: str = "order") -> dict[str, str]:
    rows = select(warehouse, f'SELECT id, name FROM salesforce."{table}" ORDER BY id').to_pylist()
    return {row["id"]: row["name"] for row in rows}


def test_the_newest_version_of_each_key_wins(
    run: Load, warehouse: Warehouse, curator: Curator
) -> None:
    curator.file([record("a", 1), record("b", 1), record("c", 5)], run="run-1")
    first = run()
    curator.file([record("a", 2), record("c", 4), record("d", 1)], run="run-2")
    second = run()
    assert names(warehouse) == {"a": "a at 2", "b": "b at 1", "c": "c at 5", "d": "d at 1"}
    assert first.outcome == MergeOutcome(inserted=3)
    assert second.outcome == MergeOutcome(inserted=1, updated=1, superseded=1)
    assert (second.objects[0].files, second.objects[0].rows, second.ok) == (1, 3, True)


def test_loading_again_does_nothing(run: Load, warehouse: Warehouse, curator: Curator) -> None:
    curator.file([record("a", 1)])
    run()
    again = run()
    assert (again.files, again.outcome, again.ok) == (0, MergeOutcome(), True)
    assert names(warehouse) == {"a": "a at 1"}


def test_a_clean_copy_made_again_is_merged_again(
    run: Load, warehouse: Warehouse, curator: Curator
) -> None:
    """As after a retry of records that a rule had set aside: same key, more rows."""
    curator.file([record("a", 1)], rejected_rows="1", landed_rows="2")
    run()
    curator.file([record("a", 1), record("b", 1)])
    assert run().files == 1
    assert names(warehouse) == {"a": "a at 1", "b": "b at 1"}
    loads = select(warehouse, "SELECT curated_rows, rejected_rows, merged_rows FROM seil.loads")
    assert loads.to_pylist() == [{"curated_rows": 2, "rejected_rows": 0, "merged_rows": 2}]
    assert run().files == 0


def test_a_deleted_record_stays_deleted_when_an_older_version_comes_late(
    run: Load, warehouse: Warehouse, curator: Curator
) -> None:
    curator.file([record("a", 3, deleted=True), record("b", 1)], run="run-2")
    assert run().outcome == MergeOutcome(inserted=1, deleted=1)
    curator.file([record("a", 1), record("b", 2, deleted=True)], run="run-1")
    assert run().outcome == MergeOutcome(deleted=1, superseded=1)
    rows = select(warehouse, 'SELECT id, isdeleted FROM salesforce."order" ORDER BY id').to_pylist()
    assert rows == [{"id": "a", "isdeleted": True}, {"id": "b", "isdeleted": True}]


def test_the_same_version_read_later_brings_its_formulas(
    run: Load, warehouse: Warehouse, curator: Curator
) -> None:
    curator.file([record("a", 1, "old formula")], end="2024-01-02T00:00:00+00:00")
    run()
    curator.file([record("a", 1, "new")], run="run-2", end="2024-01-02T01:00:00+00:00")
    assert run().outcome == MergeOutcome(unchanged=1)
    assert names(warehouse) == {"a": "new"}


def test_every_row_of_one_file_with_the_same_key_is_counted(
    run: Load, warehouse: Warehouse, curator: Curator
) -> None:
    curator.file([record("a", 1), record("a", 3), record("a", 2), record("a", 3, "last")])
    assert run().outcome == MergeOutcome(inserted=1, superseded=3)
    assert names(warehouse) == {"a": "last"}


@pytest.mark.parametrize(
    "files",
    [
        [[record("a", 1), record("b", 1, deleted=True)], [record("c", 1)]],
        [[record("a", 1), record("b", 1)], [record("a", 2), record("c", 1)]],
        [[record("a", 2), record("a", 1), record("b", 1)]],
        [[record("a", 1), record("", 1)]],
    ],
    ids=["each once", "in two files", "in one file", "without key"],
)
def test_a_first_load_comes_to_the_same_as_one_beside_other_records(
    run: Load, warehouse: Warehouse, curator: Curator, files: Sequence[Sequence[dict[str, Any]]]
) -> None:
    for page, rows in enumerate(files):
        curator.file(rows, page=page)
    first = run()
    alone = select(warehouse, 'SELECT * FROM salesforce."order" ORDER BY id').to_pylist()
    database(warehouse).execute('DELETE FROM salesforce."order"')
    database(warehouse).execute("DELETE FROM seil.loads")
    database(warehouse).execute("INSERT INTO salesforce.\"order\" (id) VALUES ('other')")
    again = run()
    assert again.outcome == first.outcome
    beside = """SELECT * FROM salesforce."order" WHERE id != 'other' ORDER BY id"""
    assert select(warehouse, beside).to_pylist() == alone


def test_rows_without_a_key_are_counted_and_reported(
    run: Load, warehouse: Warehouse, curator: Curator
) -> None:
    curator.file([record("a", 1), {**record("", 1), "Id": None}, record("", 2)])
    report = run()
    assert report.outcome == MergeOutcome(inserted=1, without_key=2)
    assert report.objects[0].errors == ("2 row(s) of Order have no id",)
    assert not report.ok
    assert names(warehouse) == {"a": "a at 1"}


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ({"SystemModstamp": None}, {"SystemModstamp": NOON}),
        (
            {"SystemModstamp": NOON, "LastModifiedDate": None},
            {"SystemModstamp": NOON, "LastModifiedDate": NOON},
        ),
        ({"LastModifiedDate": NOON}, {"LastModifiedDate": NOON + timedelta(1)}),
        ({"SystemModstamp": NOON}, {"LastModifiedDate": NOON + timedelta(1)}),
    ],
    ids=["null stamp", "null date", "no stamp column", "stamp against date"],
)
def test_missing_stamps_are_older(
    run: Load,
    warehouse: Warehouse,
    curator: Curator,
    older: Mapping[str, Any],
    newer: Mapping[str, Any],
) -> None:
    curator.file([{"Id": "a", "Name": "newer", **newer}], run="run-1")
    run()
    curator.file([{"Id": "a", "Name": "older", **older}], run="run-2")
    assert run().outcome == MergeOutcome(superseded=1)
    assert names(warehouse) == {"a": "newer"}


def test_without_stamps_the_later_reading_wins(
    run: Load, warehouse: Warehouse, curator: Curator
) -> None:
    curator.file([{"Id": "a", "Name": "later"}], end="2024-01-03T00:00:00+00:00")
    curator.file([{"Id": "a", "Name": "earlier"}], run="run-2", end="2024-01-02T00:00:00+00:00")
    run()
    assert names(warehouse) == {"a": "later"}


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"end": "2024-01-05T06:00:00+00:00"}, datetime(2024, 1, 5, 6, tzinfo=UTC)),
        ({"end": "", "landed_at": "2024-01-04T00:00:00"}, datetime(2024, 1, 4, tzinfo=UTC)),
        ({"end": ""}, datetime(2024, 1, 2, 3, tzinfo=UTC)),
    ],
    ids=["window end", "landing time", "curated hour"],
)
def test_rows_know_when_and_where_they_were_read(
    run: Load,
    warehouse: Warehouse,
    curator: Curator,
    metadata: dict[str, str],
    expected: datetime,
) -> None:
    key = curator.file([record("a", 1)], **metadata)
    run()
    rows = select(warehouse, 'SELECT _extracted_at, _file FROM salesforce."order"').to_pylist()
    assert rows == [{"_extracted_at": expected, "_file": key}]


def test_a_file_without_time_or_hour_is_as_old_as_can_be(
    run: Load, warehouse: Warehouse, curator: Curator, lake: Lake
) -> None:
    key = curator.file([record("a", 1)], end="")
    lake.curated.move(key, "Salesforce-Order/by-hand/x.parquet")
    assert run().outcome == MergeOutcome(inserted=1)
    rows = select(warehouse, 'SELECT _extracted_at AS at FROM salesforce."order"').to_pylist()
    assert rows == [{"at": datetime(1970, 1, 1, tzinfo=UTC)}]


def test_lineage_columns_stay_in_the_lake(
    run: Load, warehouse: Warehouse, curator: Curator
) -> None:
    curator.file([record("a", 1)])
    run()
    columns = select(warehouse, 'SELECT * FROM salesforce."order"').column_names
    assert columns == [
        "id",
        "isdeleted",
        "systemmodstamp",
        "lastmodifieddate",
        "name",
        "_extracted_at",
        "_file",
    ]


def test_an_empty_file_is_merged_once(run: Load, warehouse: Warehouse, curator: Curator) -> None:
    curator.file(curator.table([record("a", 1)]).slice(0, 0))
    assert run().files == 1
    assert run().files == 0
    assert names(warehouse) == {}


def test_an_object_without_files_gets_no_table(run: Load, warehouse: Warehouse) -> None:
    report = run()
    assert report.objects[0].files == 0
    assert warehouse.tables("salesforce") == []


def test_an_unknown_object_is_a_configuration_error(
    warehouse: Warehouse, lake: Lake, catalog: Catalog
) -> None:
    with pytest.raises(ConfigurationError, match="Ordr"):
        load(warehouse, lake, catalog, objects=["Ordr"])


def test_damaged_files_are_left_out_and_good_ones_go_on(
    run: Load, warehouse: Warehouse, curator: Curator, lake: Lake
) -> None:
    curator.file([record("a", 1)], page=1)
    no_parquet = curator.file([record("b", 1)], page=2)
    lake.curated.put(no_parquet, b"PAR1 is how it starts")
    no_id = curator.file([{"Name": "x"}], page=3)
    damaged = curator.file([record(f"d{n}", 1) for n in range(1000)], page=4)
    whole = bytearray(lake.curated.get(damaged))
    whole[10:2000] = bytes(1990)
    lake.curated.put(damaged, bytes(whole))
    twins = curator.file(pa.table({"Id": ["t"], "name": ["x"], "NAME": ["y"]}), page=5)
    nested = curator.file(pa.table({"Id": ["n"], "Parts": [[1, 2]]}), page=6)
    curator.file([record("g", 1)], page=7)
    report = run()
    assert names(warehouse) == {"a": "a at 1", "g": "g at 1"}
    assert not report.ok
    errors = sorted(report.objects[0].errors)
    assert [error.split(": ")[0] for error in errors] == [no_parquet, no_id, damaged, twins, nested]
    reasons = ["not a whole Parquet", "no column Id", "not a whole Parquet", "in case", "list<"]
    assert all(reason in error for reason, error in zip(reasons, errors, strict=True))
    assert report.files == 2


def test_a_backlog_commits_step_by_step(
    warehouse: Warehouse, lake: Lake, catalog: Catalog, curator: Curator
) -> None:
    for page in range(5):
        curator.file([record(f"k{page}", 1), record("shared", page)], page=page)
    seen: list[int] = []

    class Watching:
        def step(self, name: str, total: int | None = None) -> Watching:
            assert (name, total) == ("load Order", 10)
            return self

        def advance(self, rows: int) -> None:
            count = select(warehouse, "SELECT count(*) AS n FROM seil.loads")["n"][0].as_py()
            seen.append(count)

        def expect(self, total: int) -> None: ...

        def conclude(self, message: str, *, ok: bool = True) -> None: ...

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *error: object) -> None: ...

    report = load(
        warehouse,
        lake,
        catalog,
        objects=["Order"],
        limits=BatchLimits(files=2),
        progress=Watching(),
    )
    assert seen == [2, 4, 5]
    assert report.outcome.rows == 10
    assert names(warehouse)["shared"] == "shared at 4"


def test_files_larger_than_a_transaction_go_alone(
    warehouse: Warehouse, lake: Lake, catalog: Catalog, curator: Curator
) -> None:
    for page in range(3):
        curator.file([record(f"k{page}", 1)], page=page)
    report = load(warehouse, lake, catalog, limits=BatchLimits(size=1))
    assert report.files == 3
    loads = select(warehouse, "SELECT count(DISTINCT loaded_at) AS n FROM seil.loads")
    assert loads["n"].to_pylist() == [3]


def test_rows_that_go_missing_roll_the_merge_back(
    run: Load, warehouse: Warehouse, curator: Curator, monkeypatch: pytest.MonkeyPatch
) -> None:
    curator.file([record("a", 1), record("b", 1)])
    merge = RelationalMerger.merge

    def losing(*args: Any, **options: Any) -> Mapping[str, MergeOutcome]:
        return {key: MergeOutcome(inserted=1) for key in merge(*args, **options)}

    monkeypatch.setattr(RelationalMerger, "merge", losing)
    with pytest.raises(WarehouseError, match="has 2 rows, but 1 of them"):
        run()
    monkeypatch.undo()
    assert names(warehouse) == {}
    assert run().outcome == MergeOutcome(inserted=2)


def test_a_statement_the_warehouse_refuses_ends_only_that_object(
    warehouse: Warehouse, lake: Lake, catalog: Catalog, curator: Curator
) -> None:
    curator.file([record("a", 1)])
    load(warehouse, lake, catalog)
    database(warehouse).execute('ALTER TABLE salesforce."order" DROP COLUMN _file')
    curator.file([record("b", 1)], run="run-2")
    curator.landing_name, curator.object = "Account", "Account"
    curator.file([record("acc", 1)], run="run-3")
    report = {entry.object: entry for entry in load(warehouse, lake, catalog).objects}
    assert "_file" in report["Order"].errors[0]
    assert (report["Order"].files, report["Account"].files) == (0, 1)


def test_columns_named_like_our_own_words_are_data(
    run: Load, warehouse: Warehouse, curator: Curator
) -> None:
    words = {"Key": "k", "Number": 7, "Path": "p", "Deleted": "d", "Stamp": "s", "Order": "o"}
    curator.file([{**record("a", 1), **words}])
    curator.file([{**record("a", 2), **words, "Key": "newer"}], run="run-2")
    run()
    rows = select(warehouse, 'SELECT * FROM salesforce."order"').to_pylist()
    lowered = {name.lower(): value for name, value in words.items()}
    assert {name: rows[0][name] for name in lowered} == {**lowered, "key": "newer"}


def test_folders_with_pattern_characters_are_read(
    warehouse: Warehouse, tmp_path: Path, catalog: Catalog, curator: Curator
) -> None:
    odd = Lake.at((tmp_path / "it's [odd] *").as_uri(), env="dev", project="seil")
    curator.lake = odd
    curator.file([record("a", 1), record("b", 1)])
    curator.file([record("b", 2, "twice"), record("b", 3), record("", 1)], run="run-2")
    report = load(warehouse, odd, catalog)
    assert report.outcome == MergeOutcome(inserted=2, superseded=2, without_key=1)
    assert names(warehouse) == {"a": "a at 1", "b": "b at 3"}


versions = st.tuples(
    st.sampled_from("abc"),
    st.one_of(st.none(), st.integers(0, 3)),
    st.one_of(st.none(), st.integers(0, 3)),
    st.booleans(),
)
files = st.lists(
    st.tuples(st.lists(versions, max_size=6), st.integers(0, 2)), min_size=1, max_size=5
)


@given(files=files, data=st.data())
@settings(
    max_examples=examples(12, many=100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_order_of_delivery_gives_the_newest_versions(
    catalog: Catalog,
    tmp_path_factory: pytest.TempPathFactory,
    curator: Curator,
    files: list[tuple[list[tuple[str, int | None, int | None, bool]], int]],
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    tables = [_versions(page, rows, end) for page, (rows, end) in enumerate(files)]
    expected = _newest(tables)
    order = data.draw(st.permutations(range(len(tables))))
    cuts = data.draw(st.sets(st.integers(0, len(tables))))
    target = Lake.at((folder / "lake").as_uri(), env="dev", project="seil")
    curator.lake = target
    with open_warehouse(WarehouseSettings(url=f"duckdb:{folder / 'w'}", threads=1)) as warehouse:
        for n, page in enumerate(order):
            rows, end = tables[page]
            curator.file(_typed(rows), page=page, end=f"2024-01-02T0{end}:00:00+00:00")
            if n in cuts:
                load(warehouse, target, catalog, objects=["Order"])
        load(warehouse, target, catalog, objects=["Order"])
        load(warehouse, target, catalog, objects=["Order"])
        assert names(warehouse) == expected
        counts = select(warehouse, "SELECT curated_rows = merged_rows AS whole FROM seil.loads")
        assert all(counts["whole"].to_pylist())


Rows = list[dict[str, Any]]


def _versions(page: int, rows: Sequence[tuple[Any, ...]], end: int) -> tuple[Rows, int]:
    def stamp(hour: int | None) -> datetime | None:
        return None if hour is None else NOON + timedelta(hours=hour)

    return [
        {
            "Id": key,
            "IsDeleted": deleted,
            "SystemModstamp": stamp(one),
            "LastModifiedDate": stamp(other),
            "Name": f"{page}-{n}",
        }
        for n, (key, one, other, deleted) in enumerate(rows)
    ], end


def _typed(rows: Rows) -> pa.Table:
    stamp = pa.timestamp("us", tz="UTC")
    columns: dict[str, Any] = {
        "Id": pa.string(),
        "IsDeleted": pa.bool_(),
        "SystemModstamp": stamp,
        "LastModifiedDate": stamp,
        "Name": pa.string(),
    }
    return pa.table({name: pa.array([r[name] for r in rows], t) for name, t in columns.items()})


def _newest(tables: Sequence[tuple[Rows, int]]) -> dict[str, str]:
    never = datetime.min.replace(tzinfo=UTC)
    ranked = sorted(
        (
            row["SystemModstamp"] or row["LastModifiedDate"] or never,
            row["LastModifiedDate"] or never,
            end,
            page,
            n,
            row["Id"],
            row["Name"],
        )
        for page, (rows, end) in enumerate(tables)
        for n, row in enumerate(rows)
    )
    return dict(sorted({entry[-2]: entry[-1] for entry in ranked}.items()))


_KILLED = """
import os, signal, sys
from seil.catalog import load_catalog
from seil.lake import Lake
from seil.settings import WarehouseSettings
from seil.sf_to_dw.load import loader as module
from seil.warehouse import open_warehouse
from seil.warehouse.relational.recorder import RelationalRecorder

url, lake, moment = sys.argv[1:]
append = RelationalRecorder.record_loads

def die(*arguments):
    if moment == "after":
        append(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

RelationalRecorder.record_loads = die
with open_warehouse(WarehouseSettings(url=url)) as warehouse:
    module.load(warehouse, Lake.at(lake, env="dev", project="seil"), load_catalog())
"""


@pytest.mark.parametrize("moment", [pytest.param("before", marks=pytest.mark.matrix), "after"])
def test_a_load_killed_in_its_transaction_leaves_nothing_of_it(
    settings: WarehouseSettings,
    tmp_path: Path,
    lake: Lake,
    catalog: Catalog,
    curator: Curator,
    moment: str,
) -> None:
    curator.file([record("a", 1), record("b", 1)])
    with open_warehouse(settings) as warehouse:
        load(warehouse, lake, catalog, objects=["Order"])
    newer = [{**record("a", 2), "New__c": 1}, record("c", 1) | {"New__c": 2}]
    curator.file(newer, run="run-2")
    command = [sys.executable, "-c", _KILLED, settings.url, (tmp_path / "lake").as_uri(), moment]
    killed = subprocess.run(command, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with open_warehouse(settings) as warehouse:
        assert names(warehouse) == {"a": "a at 1", "b": "b at 1"}
        assert load(warehouse, lake, catalog).outcome == MergeOutcome(inserted=1, updated=1)
        assert names(warehouse) == {"a": "a at 2", "b": "b at 1", "c": "c at 1"}
        assert load(warehouse, lake, catalog).outcome == MergeOutcome()


@pytest.mark.parametrize("moment", ["before", pytest.param("after", marks=pytest.mark.matrix)])
def test_a_shared_transaction_that_is_killed_leaves_nothing_of_any_object(
    settings: WarehouseSettings, tmp_path: Path, lake: Lake, curator: Curator, moment: str
) -> None:
    catalog = load_catalog()
    account = dataclasses.replace(curator, landing_name="Account", object="Account")
    curator.file([record("a", 1)])
    account.file([record("b", 1)])
    with open_warehouse(settings) as warehouse:
        load(warehouse, lake, catalog)
    curator.file([record("a", 2)], run="run-2")
    account.file([record("c", 1)], run="run-2")
    command = [sys.executable, "-c", _KILLED, settings.url, (tmp_path / "lake").as_uri(), moment]
    killed = subprocess.run(command, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with open_warehouse(settings) as warehouse:
        assert (names(warehouse), names(warehouse, "account")) == ({"a": "a at 1"}, {"b": "b at 1"})
        assert load(warehouse, lake, catalog).outcome == MergeOutcome(inserted=1, updated=1)
        after = {"b": "b at 1", "c": "c at 1"}
        assert (names(warehouse), names(warehouse, "account")) == ({"a": "a at 2"}, after)
        assert load(warehouse, lake, catalog).outcome == MergeOutcome()


@pytest.mark.parametrize(("shared", "transactions"), [(1 << 20, 1), (1, 2)])
def test_objects_with_little_to_load_share_a_transaction(
    warehouse: Warehouse,
    lake: Lake,
    catalog: Catalog,
    curator: Curator,
    shared: int,
    transactions: int,
) -> None:
    account = dataclasses.replace(curator, landing_name="Account", object="Account")
    curator.file([record("a", 1)])
    account.file([record("b", 1)])
    report = load(warehouse, lake, catalog, limits=BatchLimits(shared=shared))
    assert (report.ok, report.files) == (True, 2)
    loads = select(warehouse, "SELECT count(DISTINCT loaded_at) AS n FROM seil.loads")
    assert loads["n"].to_pylist() == [transactions]


def test_what_fails_in_a_shared_transaction_takes_nothing_with_it(
    warehouse: Warehouse, lake: Lake, catalog: Catalog, curator: Curator, bus: Any
) -> None:
    account = dataclasses.replace(curator, landing_name="Account", object="Account")
    contact = dataclasses.replace(curator, landing_name="Contact", object="Contact")
    curator.file([record("a", 1), record("", 1)])
    account.file([record("b", 1)])
    load(warehouse, lake, catalog)
    database(warehouse).execute("ALTER TABLE salesforce.account DROP COLUMN _file")
    curator.file([record("a", 2)], run="run-2")
    deletions = [{"Id": "a", "SystemModstamp": NOON + timedelta(hours=3), "IsDeleted": True}]
    curator.file(deletions, run="run-3", mode="deletions")
    account.file([record("c", 1)], run="run-2")
    contact.file([record("d", 1)], run="run-2")
    report = load(warehouse, lake, catalog, bus=bus)
    entries = {entry.object: entry for entry in report.objects if entry.files or entry.errors}
    assert {name: entry.files for name, entry in entries.items()} == {
        "Account": 0,
        "Contact": 1,
        "Order": 2,
    }
    assert "_file" in entries["Account"].errors[0]
    assert (entries["Order"].errors, entries["Contact"].errors) == ((), ())
    rows = select(warehouse, 'SELECT id, name, isdeleted FROM salesforce."order"').to_pylist()
    assert rows == [{"id": "a", "name": "a at 2", "isdeleted": True}]
    assert sorted(event.detail["state"] for event in bus.events) == ["error", "success", "success"]
    assert load(warehouse, lake, catalog).files == 0


def test_events_report_what_was_loaded(run: Load, curator: Curator, bus: Any) -> None:
    curator.file([record("a", 1)])
    run(bus=bus)
    run(bus=bus)
    (event,) = bus.events
    assert (event.source, event.detail_type) == ("seil.sf-to-dw", "load")
    assert event.detail["state"] == "success"
    assert event.detail["table"] == "salesforce.order"
    assert (event.detail["files"], event.detail["inserted"]) == (1, 1)
