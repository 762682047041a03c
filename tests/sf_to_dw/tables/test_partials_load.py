"""Deletions and formulas laid over current records: any order, any repeats, one result."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.engines import select
from tests.examples import examples

from seil.catalog import Catalog
from seil.lake import Lake
from seil.settings import WarehouseSettings
from seil.sf_to_dw.load.loader import load
from seil.warehouse import Warehouse, open_warehouse

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Word(NamedTuple):
    """What one file tells of one record; `stamp` and `read_at` in minutes."""

    mode: str
    id: str
    stamp: int
    read_at: int
    value: str


def at(minutes: int) -> datetime:
    return BEGIN + timedelta(minutes=minutes)


words = st.builds(
    Word,
    mode=st.sampled_from(["full", "deletions", "formulas"]),
    id=st.sampled_from(["a", "b"]),
    stamp=st.integers(1, 5),
    read_at=st.integers(1, 9),
    value=st.sampled_from(["x", "y", "z"]),
)


def distinct(readings: Sequence[Word]) -> list[Word]:
    """One reading of a record at a time says one thing."""
    return list({(w.mode, w.id, w.stamp, w.read_at): w for w in readings}.values())


def expected(readings: Sequence[Word]) -> dict[str, tuple[Any, ...]]:
    records = {}
    for record_id in {w.id for w in readings if w.mode == "full"}:
        mine = [w for w in readings if w.id == record_id]
        # The name of the file decides what is left: readings of the same minute.
        version = max((w for w in mine if w.mode == "full"), key=order)
        is_gone = any(
            w.stamp >= version.stamp and w.read_at >= version.read_at
            for w in mine
            if w.mode == "deletions"
        )
        value = version.value
        formulas = [w for w in mine if w.mode == "formulas" and w.read_at >= version.read_at]
        if formulas:
            value = max(formulas, key=lambda w: (w.read_at, name_of(w))).value
        records[record_id] = (at(version.stamp), is_gone, version.value, value)
    return records


def order(word: Word) -> tuple[int, int, str]:
    return word.stamp, word.read_at, name_of(word)


def name_of(word: Word) -> str:
    """A flow run's id: only of our own files is it known when they were read."""
    mode = {"full": "f", "deletions": "d", "formulas": "e"}[word.mode]
    return f"20260101T000000Z-{mode}{word.id}{word.stamp:03d}{word.read_at:03d}"


class Way:
    """A lake and a warehouse of their own for one example."""

    def __init__(self, curator_type: Any, folder: Path, catalog: Catalog) -> None:
        self.lake = Lake.at((folder / "lake").as_uri(), env="dev", project="seil")
        self.curator = curator_type(self.lake)
        self.catalog = catalog

    def deliver(self, word: Word) -> None:
        rows: dict[str, Any] = {"Id": pa.array([word.id])}
        stamp = pa.array([at(word.stamp)], pa.timestamp("us", tz="UTC"))
        if word.mode != "formulas":
            rows |= {"IsDeleted": pa.array([word.mode == "deletions"]), "SystemModstamp": stamp}
        if word.mode == "full":
            rows["Name"] = pa.array([word.value])
        if word.mode != "deletions":
            rows["Formula__c"] = pa.array([word.value])
        end = at(word.read_at).isoformat()
        self.curator.file(pa.table(rows), run=name_of(word), end=end, mode=word.mode)

    def load(self, warehouse: Warehouse) -> None:
        report = load(warehouse, self.lake, self.catalog, objects=["Order"])
        assert report.ok, report.objects

    def records(self, warehouse: Warehouse) -> dict[str, tuple[Any, ...]]:
        rows = select(
            warehouse,
            "SELECT id, systemmodstamp, isdeleted, name, formula__c FROM salesforce.order",
        ).to_pylist()
        return {row.pop("id"): tuple(row.values()) for row in rows}


@settings(
    max_examples=examples(12, many=100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(readings=st.lists(words, min_size=1, max_size=8).map(distinct), data=st.data())
def test_order_and_batches_make_no_difference(
    readings: list[Word],
    data: st.DataObject,
    curator: Any,
    catalog: Catalog,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    readings = [Word("full", "a", 0, 0, "x"), *readings]
    shuffled = data.draw(st.permutations(readings))
    folder = tmp_path_factory.mktemp("way")
    way = Way(type(curator), folder, catalog)
    with open_warehouse(
        WarehouseSettings(url=f"duckdb:{folder / 'w.duckdb'}", memory="256MB", threads=1)
    ) as warehouse:
        for word in shuffled:
            way.deliver(word)
            if data.draw(st.booleans()):
                way.load(warehouse)
        way.load(warehouse)
        assert way.records(warehouse) == expected(readings)


def test_a_formula_that_comes_later_keeps_its_own_readings(
    curator: Any, catalog: Catalog, lake: Lake, warehouse: Warehouse
) -> None:
    """Two refreshes with different columns: each column has its own newest word."""
    stamp = pa.array([at(0)], pa.timestamp("us", tz="UTC"))
    whole = {"Id": ["a"], "SystemModstamp": stamp, "One__c": ["1"], "Two__c": ["1"]}
    curator.file(pa.table(whole), run="r0", end=at(0).isoformat())
    curator.file(
        pa.table({"Id": ["a"], "One__c": ["3"]}), run="r2", end=at(2).isoformat(), mode="formulas"
    )
    load(warehouse, lake, catalog, objects=["Order"])
    both = pa.table({"Id": ["a"], "One__c": ["2"], "Two__c": ["2"]})
    curator.file(both, run="r1", end=at(1).isoformat(), mode="formulas")
    assert load(warehouse, lake, catalog, objects=["Order"]).ok
    rows = select(warehouse, "SELECT one__c, two__c FROM salesforce.order").to_pylist()
    assert rows == [{"one__c": "3", "two__c": "2"}]


@settings(
    max_examples=examples(12, many=100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_of_versions_without_some_columns_the_newest_that_has_one_counts(
    data: st.DataObject,
    curator: Any,
    catalog: Catalog,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Files of other tools: when they landed says nothing of the versions in them."""
    columns = st.frozensets(st.sampled_from(["One__c", "Two__c"]))
    files = data.draw(st.lists(columns, min_size=1, max_size=4))
    folder = tmp_path_factory.mktemp("way")
    way = Way(type(curator), folder, catalog)
    last: dict[str, str | None] = {"one__c": None, "two__c": None}
    landings = data.draw(st.permutations(range(len(files))))
    with open_warehouse(
        WarehouseSettings(url=f"duckdb:{folder / 'w.duckdb'}", memory="256MB", threads=1)
    ) as warehouse:
        for landed, stamp in enumerate(landings):
            values = {name: pa.array([str(stamp)]) for name in sorted(files[stamp])}
            stamps = pa.array([at(stamp)], pa.timestamp("us", tz="UTC"))
            rows = pa.table({"Id": pa.array(["a"]), "SystemModstamp": stamps, **values})
            way.curator.file(rows, run=f"import-{stamp}", end=at(landed).isoformat())
            if data.draw(st.booleans()):
                way.load(warehouse)
        way.load(warehouse)
        for stamp, names in enumerate(files):
            last |= {name.lower(): str(stamp) for name in names}
        (row,) = select(warehouse, "SELECT * FROM salesforce.order").to_pylist()
        assert {name: row.get(name) for name in last} == last


OURS = ["_version", "_read_at", "_place", "_is_kept", "key", "stamp", "modified", "deleted"]


@pytest.mark.parametrize("mode", ["full", "formulas"])
def test_kept_columns_may_be_called_as_a_statement_calls_its_own(
    curator: Any, catalog: Catalog, lake: Lake, warehouse: Warehouse, mode: str
) -> None:
    stamps = [pa.array([at(n)], pa.timestamp("us", tz="UTC")) for n in (0, 1)]
    values = {name: [f"is {name}"] for name in OURS}
    bare = {"Id": ["a"], "SystemModstamp": stamps[1]}
    whole = {"Id": ["a"], "SystemModstamp": stamps[0], **values}
    curator.file(pa.table(whole), run="r0", end=at(0).isoformat())
    assert load(warehouse, lake, catalog, objects=["Order"]).ok
    readings = bare if mode == "full" else {"Id": ["a"], **values}
    curator.file(pa.table(readings), run="r1", end=at(1).isoformat(), mode=mode)
    assert load(warehouse, lake, catalog, objects=["Order"]).ok
    (row,) = select(warehouse, "SELECT * FROM salesforce.order").to_pylist()
    assert {name: row[name] for name in OURS} == {name: value[0] for name, value in values.items()}
