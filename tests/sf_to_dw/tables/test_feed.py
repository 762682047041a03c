from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from seil.catalog import Catalog
from seil.errors import ConfigurationError, LakeError
from seil.modeling.build import build
from seil.sf_to_dw import feed as module
from seil.sf_to_dw.feed import Feed, export_feed, packaged_feeds
from seil.sf_to_dw.load.loader import load
from seil.sf_to_dw.site_models import site_models
from seil.warehouse import TableName, Warehouse
from seil.warehouse.types import TEXT, TIMESTAMP

ODD_TYPES: dict[str, pa.DataType] = {
    "id": TEXT,
    "t": TEXT,
    "f": pa.bool_(),
    "d": pa.decimal128(18, 2),
    "s": pa.decimal128(38, 8),
    "day": pa.date32(),
    "moment": TIMESTAMP,
    "n": pa.int64(),
}
AT = datetime(2024, 6, 1, 10, 30, 5, tzinfo=timezone(timedelta(hours=10)))


@pytest.fixture
def odd_feed(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """A feed `Odd` of a table with every kind of value."""
    columns = {
        "Key": "id",
        "Text": "t",
        "Placeholder": None,
        "Flag": "f",
        "Amount": "d",
        "Small": "s",
        "Day": "day",
        "At": "moment",
        "Whole": "n",
    }
    monkeypatch.setattr(module, "packaged_feeds", lambda: {"Odd": Feed("Odd", "odd", columns)})
    nulls = (None,) * 6
    rows = [
        (
            *("b", 'say "hi", ok', True, Decimal("10.50"), Decimal("1E-8"), date(2024, 2, 29)),
            *(datetime(2024, 2, 29, 23, 59, 59, 123_456, UTC), 7),
        ),
        (
            *("a", "two\r\nlines ünd 😀", False, Decimal("-0.10"), Decimal(0), date(1999, 12, 31)),
            *(datetime(2024, 2, 28, 14, tzinfo=UTC), 2**63 - 1),
        ),
        ("c", None, *nulls),
        ("d", "", *nulls),
    ]
    records = [dict(zip(ODD_TYPES, row, strict=True)) for row in rows]
    store(warehouse, "odd", pa.Table.from_pylist(records, pa.schema(ODD_TYPES)))


def store(warehouse: Warehouse, name: str, rows: pa.Table) -> None:
    warehouse.prepare()
    with warehouse.commit(name) as commit:
        commit.tables.replace(TableName("", name), rows, key=rows.column_names[0])


def test_values_are_written_as_documented(
    warehouse: Warehouse, tmp_path: Path, odd_feed: None
) -> None:
    (written,) = export_feed(warehouse, tmp_path.as_uri(), at=AT)
    assert (written.feed, written.rows) == ("Odd", 4)
    file = tmp_path / "Synth-Odd_2024-06-01 003005.csv"
    assert [path.name for path in tmp_path.glob("*.csv")] == [file.name]
    raw = file.read_bytes()
    assert raw.startswith(b"Key,Text,Placeholder,Flag,Amount,Small,Day,At,Whole\r\n")
    assert raw.count(b"\r\n") == 6
    late = ["1999-12-31", "2024-02-28T14:00:00.000Z", "9223372036854775807"]
    early = ["2024-02-29", "2024-02-29T23:59:59.123Z", "7"]
    with file.open(encoding="utf-8", newline="") as text:
        assert list(csv.reader(text, strict=True))[1:] == [
            ["a", "two\r\nlines ünd 😀", "", "false", "-0.10", "0.00000000", *late],
            ["b", 'say "hi", ok', "", "true", "10.50", "0.00000001", *early],
            ["c", "", "", "", "", "", "", "", ""],
            ["d", "", "", "", "", "", "", "", ""],
        ]


@pytest.fixture
def loaded(warehouse: Warehouse, catalog: Catalog, curator: Any) -> None:
    """A file without rows: nothing at all would not be exported."""
    curator.file(pa.table({"Id": pa.array([], pa.string())}))
    assert load(warehouse, curator.lake, catalog).ok


def test_the_packaged_feeds_have_the_legacy_headers(
    warehouse: Warehouse, catalog: Catalog, tmp_path: Path, loaded: None
) -> None:
    build(warehouse, site_models(catalog))
    written = export_feed(warehouse, tmp_path.as_uri(), at=AT, prefix="Test")
    assert [entry.feed for entry in written] == list(packaged_feeds())
    for feed in packaged_feeds().values():
        file = tmp_path / f"Test-{feed.name}_2024-06-01 003005.csv"
        assert file.read_bytes() == (",".join(feed.columns) + "\r\n").encode()


def test_chosen_feeds_only(
    warehouse: Warehouse, catalog: Catalog, tmp_path: Path, loaded: None
) -> None:
    build(warehouse, site_models(catalog), tables=["products"])
    (written,) = export_feed(warehouse, tmp_path.as_uri(), at=AT, feeds=["Product"])
    assert written.url == f"{tmp_path.as_uri()}/Synth-Product_2024-06-01 003005.csv"


@pytest.mark.parametrize(
    ("feeds", "message"),
    [
        (["Prodct"], r"Prodct: is not a feed \(did you mean Product"),
        (["Product"], r"table products is not built \(run `seil build`\)"),
    ],
)
def test_what_cannot_be_exported_is_named_before_anything_is_written(
    warehouse: Warehouse, tmp_path: Path, feeds: list[str], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        export_feed(warehouse, (tmp_path / "out").as_uri(), at=AT, feeds=feeds)
    assert not (tmp_path / "out").exists()


def test_a_table_without_a_column_of_the_feed_is_named(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    store(warehouse, "products", pa.table({"product_key": pa.array(["1"])}))
    with pytest.raises(ConfigurationError, match=r"Product_Name needs column products\.product_na"):
        export_feed(warehouse, tmp_path.as_uri(), at=AT, feeds=["Product"])


def test_a_failing_export_leaves_no_file(
    warehouse: Warehouse, tmp_path: Path, odd_feed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_csv", full)
    with pytest.raises(LakeError, match="No space left"):
        export_feed(warehouse, tmp_path.as_uri(), at=datetime(2024, 1, 1, tzinfo=UTC))
    assert list(tmp_path.glob("*.csv*")) == []
