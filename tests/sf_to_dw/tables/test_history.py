"""Every version, in intervals that no order of delivery changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.duckdb_file import relational_database as database
from tests.engines import select
from tests.examples import examples

from seil.catalog import Catalog, SyncedObject
from seil.lake import Lake
from seil.settings import WarehouseSettings
from seil.sf_to_dw.load.batches import BatchLimits
from seil.sf_to_dw.load.loader import load
from seil.warehouse import Warehouse, open_warehouse

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
CATALOG = Catalog([SyncedObject(api_name="Order", history=True)])
Interval = tuple[str, str, datetime, datetime | None, bool]


class Version(NamedTuple):
    """`kind` is live, deleted (in the recycle bin) or told (in the list of deletions)."""

    kind: str
    id: str
    stamp: int
    read_at: int
    value: str


def at(minutes: int) -> datetime:
    return BEGIN + timedelta(minutes=minutes)


def name_of(version: Version) -> str:
    return f"{version.kind}-{version.id}-{version.stamp}-{version.read_at}"


def distinct(versions: Sequence[Version]) -> list[Version]:
    return list({name_of(v): v for v in versions}.values())


versions = st.builds(
    Version,
    kind=st.sampled_from(["live", "live", "deleted", "told"]),
    id=st.sampled_from(["a", "b"]),
    stamp=st.integers(1, 6),
    read_at=st.integers(1, 6),
    value=st.sampled_from(["x", "y", "z"]),
)


def expected(given_versions: Sequence[Version]) -> list[Interval]:
    intervals: list[Interval] = []
    for record_id in sorted({v.id for v in given_versions}):
        newest: dict[tuple[int, bool], Version] = {}
        for v in sorted(given_versions, key=lambda v: (v.read_at, name_of(v))):
            if v.id == record_id:
                newest[v.stamp, v.kind == "told"] = v
        moments = sorted(newest.values(), key=lambda v: (v.stamp, v.read_at, v.kind == "told"))
        for n, v in enumerate(moments):
            after = moments[n + 1].stamp if n + 1 < len(moments) else None
            if v.kind == "live" and after != v.stamp:
                end = None if after is None else at(after)
                intervals.append((record_id, v.value, at(v.stamp), end, after is None))
    return intervals


def deliver(curator: Any, version: Version) -> None:
    rows = {
        "Id": pa.array([version.id]),
        "IsDeleted": pa.array([version.kind != "live"]),
        "SystemModstamp": pa.array([at(version.stamp)], pa.timestamp("us", tz="UTC")),
    }
    if version.kind != "told":
        rows["Name"] = pa.array([version.value])
    mode = "deletions" if version.kind == "told" else "full"
    end = at(version.read_at).isoformat()
    curator.file(pa.table(rows), run=name_of(version), end=end, mode=mode)


def intervals(warehouse: Warehouse) -> list[Interval]:
    rows = select(
        warehouse,
        "SELECT id, name, valid_from, valid_to, is_current FROM salesforce_history.order"
        " ORDER BY id, valid_from",
    ).to_pylist()
    return [tuple(row.values()) for row in rows]


def loaded(warehouse: Warehouse, lake: Lake) -> None:
    report = load(warehouse, lake, CATALOG)
    assert report.ok, report.objects


def opened(folder: Path, name: str) -> Warehouse:
    url = f"duckdb:{folder / name}"
    return open_warehouse(WarehouseSettings(url=url, memory="256MB", threads=1))


@settings(
    max_examples=examples(5, many=60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(some=st.lists(versions, min_size=1, max_size=10).map(distinct), data=st.data())
def test_history_does_not_depend_on_the_order(
    some: list[Version], data: st.DataObject, curator: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    some = [Version("live", "a", 0, 0, "x"), *some]
    folder = tmp_path_factory.mktemp("way")
    lake = Lake.at((folder / "lake").as_uri(), env="dev", project="seil")
    own = type(curator)(lake)
    with opened(folder, "w.duckdb") as warehouse:
        for version in data.draw(st.permutations(some)):
            deliver(own, version)
            if data.draw(st.booleans()):
                loaded(warehouse, lake)
        loaded(warehouse, lake)
        assert intervals(warehouse) == expected(some)
        # Each file once more, as after a retry.
        database(warehouse).execute("DELETE FROM seil.loads")
        loaded(warehouse, lake)
        assert intervals(warehouse) == expected(some)
    with opened(folder, "again.duckdb") as rebuilt:
        loaded(rebuilt, lake)
        assert intervals(rebuilt) == expected(some)


NO_HISTORY = Catalog([SyncedObject(api_name="Order")])


@pytest.mark.parametrize("files", [1, 200])
def test_history_switched_on_later_takes_versions_from_curated(
    curator: Any, lake: Lake, warehouse: Warehouse, files: int
) -> None:
    """And again after it was off for a while; nothing new has to come for it."""
    deliveries = [Version("live", "a", n, n, str(n)) for n in range(1, 6)]
    deliveries += [Version("told", "a", 7, 7, ""), Version("live", "b", 1, 1, "x")]
    for number, version in enumerate(deliveries):
        deliver(curator, version)
        if number < 3 or number == 5:
            assert load(warehouse, lake, NO_HISTORY).ok
        if number == 3:
            loaded(warehouse, lake)
            assert intervals(warehouse) == expected(deliveries[:4])
    assert load(warehouse, lake, NO_HISTORY).ok
    assert load(warehouse, lake, CATALOG, limits=BatchLimits(files=files)).files == 0
    assert intervals(warehouse) == expected(deliveries)


def test_history_of_files_that_are_gone_begins_with_the_current_records(
    curator: Any, lake: Lake, warehouse: Warehouse
) -> None:
    first, second = (Version("live", "a", n, n, str(n)) for n in (1, 2))
    deliver(curator, first)
    assert load(warehouse, lake, NO_HISTORY).ok
    for entry in list(lake.curated.list()):
        lake.curated.delete(entry.key)
    deliver(curator, second)
    loaded(warehouse, lake)
    assert intervals(warehouse) == expected([first, second])
    loaded(warehouse, lake)
    assert intervals(warehouse) == expected([first, second])


def test_history_follows_new_and_wider_columns(
    curator: Any, lake: Lake, warehouse: Warehouse
) -> None:
    stamps = [pa.array([at(n)], pa.timestamp("us", tz="UTC")) for n in (1, 2)]
    curator.file(pa.table({"Id": ["a"], "SystemModstamp": stamps[0], "Size": [1]}), run="r1")
    loaded(warehouse, lake)
    wider = {"Id": ["a"], "SystemModstamp": stamps[1], "Size": [1.5], "New": ["n"]}
    curator.file(pa.table(wider), run="r2")
    loaded(warehouse, lake)
    rows = select(
        warehouse,
        'SELECT size, "new", is_current FROM salesforce_history.order ORDER BY valid_from',
    ).to_pylist()
    assert [tuple(row.values()) for row in rows] == [(1.0, None, False), (1.5, "n", True)]
