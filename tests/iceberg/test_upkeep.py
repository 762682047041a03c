from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from tests.iceberg.tables import (
    MemorySource,
    folder_catalog,
    ordered,
    publish,
    read_by_duckdb,
    read_by_pyiceberg,
)

from seil.errors import IcebergError
from seil.iceberg.catalog import IcebergCatalog
from seil.iceberg.engine import embedded_engine
from seil.iceberg.live_rows import LiveRows
from seil.iceberg.published import published_state
from seil.iceberg.upkeep import Upkeep, UpkeepOutcome, UpkeepRules

NAME = ("seil", "orders")


def version(number: int) -> pa.Table:
    """20 rows, one of them changed in each version."""
    return pa.table(
        {
            "id": pa.array([str(n) for n in range(20)]),
            "name": pa.array([str(number) if n == number else "same" for n in range(20)]),
        }
    )


def publish_versions(catalog: IcebergCatalog, count: int) -> None:
    for number in range(count):
        publish(catalog, MemorySource(version(number), str(number)))


def keep_up(
    catalog: IcebergCatalog, *, only_due: bool = False, compact_after: int = 50, days: int = 30
) -> UpkeepOutcome:
    def later() -> datetime:
        return datetime.now(UTC) + timedelta(days=days)

    with embedded_engine(memory="256MB", threads=1) as engine:
        rules = UpkeepRules(compact_after=compact_after)
        return Upkeep(catalog, engine, rules, now=later).run(NAME, only_due=only_due)


def test_upkeep_rewrites_files_and_removes_what_no_snapshot_has(tmp_path: Path) -> None:
    catalog = folder_catalog(tmp_path)
    publish_versions(catalog, 3)
    (tmp_path / "seil/orders/data/killed.parquet").write_bytes(b"half")
    outcome = keep_up(catalog)
    assert (outcome.message, outcome.compacted, outcome.expired) == ("", 5, 3)
    table = catalog.find(NAME)
    assert table is not None
    assert len(list(tmp_path.rglob("*.parquet"))) == len(LiveRows(table).files) == 1
    assert read_by_pyiceberg(catalog) == read_by_duckdb(tmp_path) == ordered(version(2))


def test_the_last_commit_outlives_compaction_and_expiry(tmp_path: Path) -> None:
    catalog = folder_catalog(tmp_path)
    publish_versions(catalog, 3)
    keep_up(catalog)
    table = catalog.find(NAME)
    assert table is not None
    assert published_state(table).version == "2"
    (again,) = publish(catalog, MemorySource(version(2), "2"))
    assert again.state == "unchanged"
    (changed,) = publish(catalog, MemorySource(version(3), "3", versions={"2": version(2)}))
    assert (changed.how, read_by_pyiceberg(catalog)) == ("delta", ordered(version(3)))


@pytest.mark.parametrize(("compact_after", "files"), [(2, 5), (3, 0)], ids=["due", "not due"])
def test_a_publication_compacts_what_is_due(tmp_path: Path, compact_after: int, files: int) -> None:
    catalog = folder_catalog(tmp_path)
    publish_versions(catalog, 3)
    outcome = keep_up(catalog, only_due=True, compact_after=compact_after, days=0)
    assert (outcome.compacted, outcome.expired, outcome.removed_files) == (files, 0, 0)
    assert read_by_pyiceberg(catalog) == ordered(version(2))


@pytest.mark.parametrize("is_folder", [False, True], ids=["a file", "a folder"])
def test_upkeep_removes_nothing_behind_a_link(tmp_path: Path, *, is_folder: bool) -> None:
    catalog = folder_catalog(tmp_path / "published")
    publish_versions(catalog, 1)
    mine = tmp_path / "mine" / "letter.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    link = tmp_path / "published/seil/orders/data/link"
    link.symlink_to(mine.parent if is_folder else mine)
    assert keep_up(catalog).message == ""
    assert mine.read_text() == "mine"
    assert link.exists()


@pytest.mark.parametrize("name", ["a#b", "a?b", "a%20b"])
def test_a_folder_that_readers_would_not_find_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(IcebergError, match=f"has {name[1]} in its name".replace("?", r"\?")):
        folder_catalog(tmp_path / name)
    assert not list(tmp_path.iterdir())
