"""The current-record table grows with what arrives, and says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from tests.engines import select

from seil.catalog import Catalog
from seil.lake import Lake
from seil.sf_to_dw.load.loader import LoadReport, load
from seil.state import state_in_memory
from seil.warehouse import TableName, Warehouse
from seil.warehouse.types import type_name

Curator = Any
Load = Callable[..., LoadReport]
ORDERS = TableName("salesforce", "order")
DAY = datetime(2024, 2, 29, 10, 30, tzinfo=UTC)


@pytest.fixture
def run(warehouse: Warehouse, lake: Lake, catalog: Catalog) -> Load:
    def loaded(**options: Any) -> LoadReport:
        return load(warehouse, lake, catalog, objects=["Order"], **options)

    return loaded


def column(key: str, values: Any, kind: pa.DataType | None, name: str = "V__c") -> pa.Table:
    return pa.table({"Id": [key], name: pa.array([values], kind)})


def column_state(warehouse: Warehouse) -> tuple[str, dict[str, Any]]:
    columns = warehouse.columns(ORDERS)
    assert columns is not None
    rows = select(warehouse, 'SELECT id, v__c FROM salesforce."order" ORDER BY id').to_pylist()
    return type_name(columns.field("v__c").type), {row["id"]: row["v__c"] for row in rows}


INT, DOUBLE, TEXT, FLAG = pa.int64(), pa.float64(), pa.string(), pa.bool_()
STAMP = pa.timestamp("us", tz="UTC")


@pytest.mark.parametrize(
    ("first", "second", "kind", "expected"),
    [
        ((7, INT), (Decimal("1.25"), pa.decimal128(18, 2)), "decimal(21,2)", "7.00"),
        (
            (Decimal("1.50"), pa.decimal128(18, 2)),
            (Decimal("0.1234"), pa.decimal128(16, 4)),
            "decimal(20,4)",
            "1.5000",
        ),
        ((date(2024, 1, 1), pa.date32()), (DAY, STAMP), "timestamp with time zone", None),
        ((1, INT), (0.5, DOUBLE), "double", "1.0"),
        ((1, pa.int8()), (2, pa.uint32()), "bigint", "1"),
        (("text", TEXT), (True, FLAG), "text", "text"),
        ((None, pa.null()), (5, INT), "bigint", "None"),
    ],
    ids=["int-decimal", "decimal", "date", "double", "int", "text", "nothing"],
)
def test_types_are_widened_whichever_comes_first(
    run: Load,
    warehouse: Warehouse,
    curator: Curator,
    first: tuple[Any, pa.DataType],
    second: tuple[Any, pa.DataType],
    kind: str,
    expected: str | None,
) -> None:
    curator.file(column("a", *first), run="run-1")
    run()
    curator.file(column("b", *second), run="run-2")
    report = run()
    assert report.ok, report
    is_type, values = column_state(warehouse)
    assert is_type == kind
    if expected:
        assert str(values["a"]) == expected
    assert values["b"] == second[0] or str(values["b"]).lower() == str(second[0]).lower()
    # The narrower again, after the wider.
    curator.file(column("c", *first), run="run-3")
    assert run().objects[0].changes == ()
    assert column_state(warehouse)[1]["c"] == values["a"]


def test_a_new_column_is_added_recorded_and_announced(
    run: Load, warehouse: Warehouse, curator: Curator, bus: Any
) -> None:
    curator.file([{"ID": "a"}], run="run-1")
    assert run(bus=bus).objects[0].changes == ()
    key = curator.file(column("b", 7, INT, "NEW__c"), run="run-2")
    (change,) = run(bus=bus).objects[0].changes
    assert str(change) == "salesforce.order.new__c: new-column bigint"
    recorded = select(warehouse, "SELECT * FROM seil.schema_changes").drop_columns("changed_at")
    assert recorded.to_pylist() == [
        {
            "table_name": "salesforce.order",
            "column_name": "new__c",
            "change": "new-column",
            "old_type": "",
            "new_type": "bigint",
            "provisional": False,
            "curated_key": key,
        }
    ]
    drift = [event for event in bus.events if event.detail_type == "schema-drift"]
    assert [event.detail["column"] for event in drift] == ["new__c"]
    rows = select(warehouse, 'SELECT id, new__c FROM salesforce."order" ORDER BY id').to_pylist()
    assert rows == [{"id": "a", "new__c": None}, {"id": "b", "new__c": 7}]


def test_a_removed_column_keeps_its_values(
    run: Load, warehouse: Warehouse, curator: Curator
) -> None:
    curator.file(pa.table({"Id": ["a", "b"], "V__c": [1, 2]}), run="run-1")
    run()
    curator.file([{"Id": "b"}], run="run-2", end="2024-01-03T00:00:00+00:00")
    assert run().ok
    assert column_state(warehouse) == ("bigint", {"a": 1, "b": 2})


def test_a_column_that_ingest_added_is_no_drift(
    run: Load, warehouse: Warehouse, curator: Curator
) -> None:
    curator.file(pa.table({"Id": ["a", "b"], "V__c": [1, 2]}), run="run-1")
    run()
    added = pa.table({"Id": ["b"], "V__c": pa.array([None], pa.int64())})
    curator.file(added, run="run-2", end="2024-01-03T00:00:00+00:00", missing='["V__c"]')
    assert run().ok
    assert column_state(warehouse) == ("bigint", {"a": 1, "b": 2})
    curator.file(added, run="run-3", end="2024-01-04T00:00:00+00:00")
    assert run().ok
    assert column_state(warehouse) == ("bigint", {"a": 1, "b": None})


def test_order_and_case_of_columns_do_not_matter(
    run: Load, warehouse: Warehouse, curator: Curator
) -> None:
    curator.file(pa.table({"Id": ["a"], "V__c": [1]}), run="run-1")
    curator.file(pa.table({"v__C": [2], "ID": ["b"]}), run="run-2")
    assert run().ok
    assert column_state(warehouse) == ("bigint", {"a": 1, "b": 2})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((1, INT), (True, FLAG)),
        ((DAY, STAMP), (1, INT)),
        ((Decimal(1), pa.decimal128(18, 2)), (0.1, DOUBLE)),
        ((Decimal(1), pa.decimal128(38, 2)), (Decimal("0.1"), pa.decimal128(38, 20))),
        ((1, INT), ("12 apples", TEXT)),
    ],
    ids=["flag", "number for time", "double", "too wide", "text"],
)
def test_an_incompatible_file_is_left_out_with_its_cure(
    run: Load,
    warehouse: Warehouse,
    curator: Curator,
    first: tuple[Any, pa.DataType],
    second: tuple[Any, pa.DataType],
) -> None:
    curator.file(column("a", *first), run="run-1")
    run()
    before = column_state(warehouse)
    bad = column("b", *second).append_column("Other__c", [["x"]])
    key = curator.file(bad, run="run-2")
    curator.file(column("c", *first), run="run-3")
    report = run()
    (error,) = report.objects[0].errors
    assert error.startswith(f"{key}: column salesforce.order.v__c is {before[0]}, but the file has")
    assert "seil load --as-text order.v__c" in error
    assert report.objects[0].changes == ()
    assert column_state(warehouse) == (before[0], {**before[1], "c": first[0]})
    assert warehouse.columns(ORDERS) is not None
    assert "other__c" not in select(warehouse, 'SELECT * FROM salesforce."order"').column_names


def test_the_error_says_which_values_do_not_fit(run: Load, curator: Curator) -> None:
    curator.file(column("a", 1, INT), run="run-1")
    curator.file(pa.table({"Id": ["b", "c", "d"], "V__c": ["1", "two", "3.5"]}), run="run-2")
    (error,) = run().objects[0].errors
    assert "but the file has text there" in error
    assert "2 do not, such as '3.5'" in error


def test_a_column_may_be_allowed_to_become_text(
    run: Load, warehouse: Warehouse, curator: Curator
) -> None:
    curator.file(column("a", 1, INT), run="run-1")
    curator.file(column("b", "12 apples", TEXT), run="run-2")
    assert not run().ok
    with state_in_memory() as state:
        report = run(as_text=["Order.V__c"], decisions=state.decisions)
        decided = state.decisions.get("Order")
    assert report.ok
    assert [(entry.column, entry.policy) for entry in decided] == [("v__c", "text")]
    assert [str(c) for c in report.objects[0].changes] == [
        "salesforce.order.v__c: new-type text (was bigint)"
    ]
    assert column_state(warehouse) == ("text", {"a": "1", "b": "12 apples"})


def test_text_that_reads_as_the_columns_type_is_read(
    run: Load, warehouse: Warehouse, curator: Curator
) -> None:
    curator.file(column("a", Decimal("1.50"), pa.decimal128(18, 2)), run="run-1")
    run()
    texts = pa.table({"Id": ["b", "c", "d"], "V__c": ["12345678901234.56", "", None]})
    curator.file(texts, run="run-2", schema_fingerprint="")
    assert run().ok
    kind, values = column_state(warehouse)
    assert kind == "decimal(18,2)"
    assert values == {"a": Decimal("1.50"), "b": Decimal("12345678901234.56"), "c": None, "d": None}


def untyped(curator: Curator, run: str, values: list[str | None]) -> str:
    table = pa.table({"Id": [f"{run}-{n}" for n in range(len(values))], "V__c": values})
    return str(curator.file(table, run=run, schema_fingerprint=""))


def test_a_column_nobody_described_is_narrowed_once_it_is(
    run: Load, warehouse: Warehouse, curator: Curator
) -> None:
    untyped(curator, "run-1", ["2024-02-29", "", None])
    assert run().objects[0].changes == ()
    assert column_state(warehouse)[0] == "text"
    untyped(curator, "run-2", ["2023-01-01"])
    curator.file(column("z", date(2024, 3, 1), pa.date32()), run="run-3")
    (change,) = run().objects[0].changes
    assert (change.old_type, change.new_type) == ("text", "date")
    assert column_state(warehouse)[1] == {
        "run-1-0": date(2024, 2, 29),
        "run-1-1": None,
        "run-1-2": None,
        "run-2-0": date(2023, 1, 1),
        "z": date(2024, 3, 1),
    }


def test_a_column_nobody_described_stays_text_when_a_value_would_not_fit(
    run: Load, warehouse: Warehouse, curator: Curator
) -> None:
    untyped(curator, "run-1", ["2024-02-29", "soon"])
    run()
    curator.file(column("z", date(2024, 3, 1), pa.date32()), run="run-2")
    assert run().ok
    assert column_state(warehouse)[0] == "text"
    assert column_state(warehouse)[1]["z"] == "2024-03-01"


def test_a_described_text_column_is_not_narrowed(
    run: Load, warehouse: Warehouse, curator: Curator
) -> None:
    curator.file(column("a", "007", TEXT), run="run-1")
    run()
    curator.file(column("b", 7, INT), run="run-2")
    assert run().ok
    assert column_state(warehouse) == ("text", {"a": "007", "b": "7"})


def test_first_files_of_two_types_agree_on_the_wider(
    run: Load, warehouse: Warehouse, curator: Curator
) -> None:
    curator.file(column("a", 7, INT), run="run-1")
    curator.file(column("b", Decimal("1.25"), pa.decimal128(18, 2)), run="run-2")
    assert run().ok
    assert column_state(warehouse) == (
        "decimal(21,2)",
        {"a": Decimal("7.00"), "b": Decimal("1.25")},
    )
