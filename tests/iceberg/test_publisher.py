from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import hypothesis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.examples import examples
from tests.iceberg.tables import (
    MemorySource,
    folder_catalog,
    ordered,
    publish,
    read_by_duckdb,
    read_by_pyiceberg,
)

from seil.iceberg.changes import RowWriter
from seil.iceberg.engine import embedded_engine
from seil.iceberg.publisher import PublishMode
from seil.warehouse.sql import Sql

ODD = pa.table(
    {
        "id": pa.array(["a", "b", "c", None]),
        "at": pa.array(
            [
                datetime(1, 1, 1, tzinfo=UTC),
                datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
                datetime(1582, 10, 10, 0, 0, 0, 1, tzinfo=UTC),
                None,
            ],
            pa.timestamp("us", tz="UTC"),
        ),
        "day": pa.array([date(1, 1, 1), date(9999, 12, 31), date(1582, 10, 10), None]),
        "whole": pa.array([Decimal("9" * 38), Decimal("-" + "9" * 38), Decimal(0), None]).cast(
            pa.decimal128(38, 0)
        ),
        "exact": pa.array(
            [Decimal("9" * 28 + "." + "9" * 10), Decimal("-0.0000000001"), Decimal(0), None],
            pa.decimal128(38, 10),
        ),
        "count": pa.array([2**63 - 1, -(2**63), 0, None], pa.int64()),
        "flag": pa.array([True, False, None, True]),
        "text": pa.array(["", "emoji 🎉 ü" * 3, "x" * 32_000 + "\0", None]),
        "ratio": pa.array([float("inf"), -0.5, 1e308, None]),
        "select": pa.array(["reserved", None, "", "words"]),
        "mixed case": pa.array(["x", "y", None, "z"]),
    }
)


def test_a_table_is_read_value_by_value_as_it_was_published(tmp_path: Path) -> None:
    catalog = folder_catalog(tmp_path / "tables")
    (outcome,) = publish(catalog, MemorySource(ODD))
    assert (outcome.state, outcome.how, outcome.inserted) == ("published", "first", 4)
    assert read_by_pyiceberg(catalog) == ordered(ODD)
    assert read_by_duckdb(tmp_path / "tables") == ordered(ODD)


def test_a_version_that_was_published_costs_no_commit(tmp_path: Path) -> None:
    catalog = folder_catalog(tmp_path)
    first, again = (publish(catalog, MemorySource(ODD))[0] for _ in range(2))
    assert again.state == "unchanged"
    assert (again.snapshot_id, again.commit) == (first.snapshot_id, first.commit)


def orders(rows: dict[str, str | None]) -> pa.Table:
    return pa.table({"id": pa.array(list(rows)), "name": pa.array(list(rows.values()))})


BEFORE = orders({f"{n:03}": "same" for n in range(40)})
AFTER = orders({f"{n:03}": "new" if n == 7 else "same" for n in range(1, 42)})


@pytest.mark.parametrize("is_logged", [True, False], ids=["by key", "by comparison"])
def test_only_changed_rows_are_written(tmp_path: Path, is_logged: bool) -> None:
    catalog = folder_catalog(tmp_path)
    publish(catalog, MemorySource(BEFORE))
    versions = {"1": BEFORE} if is_logged else {}
    (outcome,) = publish(catalog, MemorySource(AFTER, "2", versions=versions))
    assert outcome.how == ("delta" if is_logged else "compared")
    assert (outcome.inserted, outcome.deleted) == (3, 2)
    assert read_by_pyiceberg(catalog) == ordered(AFTER)
    assert read_by_duckdb(tmp_path) == ordered(AFTER)


def test_a_row_of_one_column_has_two_hashes(tmp_path: Path) -> None:
    catalog = folder_catalog(tmp_path)
    publish(catalog, MemorySource(pa.table({"id": pa.array([f"{n:03}" for n in range(40)])})))
    with embedded_engine(threads=1) as engine:
        table = catalog.find(("seil", "orders"))
        assert table is not None
        after = pa.table({"id": pa.array([f"{n:03}" for n in range(1, 40)])})
        RowWriter(engine, table, table.schema()).compared(MemorySource(after, "2"))
        # Of a single column, hash(0, id) is hash(id): 64 bits of 128.
        row = engine.run(Sql("SELECT h, g, hash('000') FROM seil_differing")).fetchone()
        assert row is not None
        first, second, of_text = row
        assert first == of_text != second


class _BreaksOff(MemorySource):
    @contextmanager
    def rows(self) -> Iterator[pa.RecordBatchReader]:
        def batches() -> Iterator[pa.RecordBatch]:
            yield from self.table.to_batches()
            raise OSError("the source broke off")

        yield pa.RecordBatchReader.from_batches(self.columns, batches())


def test_a_publication_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    catalog = folder_catalog(tmp_path)
    (outcome,) = publish(catalog, _BreaksOff(BEFORE))
    assert outcome.state == "failed"
    assert not list(tmp_path.rglob("*.parquet"))
    (outcome,) = publish(catalog, MemorySource(BEFORE))
    assert outcome.how == "first"
    assert read_by_pyiceberg(catalog) == ordered(BEFORE)


@pytest.mark.parametrize("lost", ["*.avro", "*.parquet"])
def test_a_table_that_lost_its_files_fails_alone(tmp_path: Path, lost: str) -> None:
    catalog = folder_catalog(tmp_path)
    publish(catalog, MemorySource(BEFORE), MemorySource(BEFORE, name="others"))
    for file in (tmp_path / "seil" / "orders").rglob(lost):
        file.unlink()
    versions = {"1": BEFORE}
    broken, good = publish(
        catalog,
        MemorySource(AFTER, "2", versions=versions),
        MemorySource(AFTER, "2", name="others", versions=versions),
    )
    assert (broken.state, good.state) == ("failed", "published")
    assert str(tmp_path / "seil" / "orders") in broken.message
    # Written anew, it needs nothing of what was lost.
    (mended,) = publish(catalog, MemorySource(AFTER, "2"), mode="full")
    assert mended.how == "whole"
    assert read_by_pyiceberg(catalog) == ordered(AFTER)


KEYS = st.one_of(st.none(), st.sampled_from(["a", "b", "ü", ""]), st.integers(0, 9).map(str))
TABLES = st.dictionaries(KEYS, st.one_of(st.none(), st.sampled_from(["x", "y"])), max_size=12)


@given(
    st.lists(
        st.tuples(TABLES, st.booleans(), st.sampled_from(["changes", "changes", "check", "full"])),
        min_size=1,
        max_size=5,
    )
)
@hypothesis.settings(max_examples=examples(12, many=200))
def test_any_sequence_of_publications_gives_the_last_table(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[dict[str | None, str | None], bool, PublishMode]],
) -> None:
    catalog = folder_catalog(tmp_path_factory.mktemp("tables"))
    versions: dict[str, pa.Table] = {}
    for number, (rows, is_logged, mode) in enumerate(steps):
        table = pa.table(
            {
                "id": pa.array(list(rows), pa.string()),
                "name": pa.array(list(rows.values()), pa.string()),
            }
        )
        source = MemorySource(table, str(number), versions=versions if is_logged else {})
        (outcome,) = publish(catalog, source, mode=mode)
        assert outcome.message == ""
        versions[str(number)] = table
        assert read_by_pyiceberg(catalog) == ordered(table)
