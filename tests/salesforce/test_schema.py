from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from seil.salesforce.schema import UTC_MICROS, arrow_type, parse_describe

REAL = Path(__file__).parents[3] / "shared" / "real" / "describe"
FILES = [f for f in sorted(REAL.glob("*.json")) if f.stem != "Global"]


@pytest.mark.parametrize(
    ("kind", "precision", "scale", "expected"),
    [
        ("currency", 18, 2, pa.decimal128(18, 2)),
        ("double", 18, 15, pa.decimal128(18, 15)),
        ("double", 0, 0, pa.decimal128(18, 0)),
        ("percent", 2, 2, pa.decimal128(3, 2)),
        ("double", 60, 0, pa.decimal128(38, 0)),
        ("int", 0, 0, pa.int64()),
        ("long", 0, 0, pa.int64()),
        ("boolean", 0, 0, pa.bool_()),
        ("date", 0, 0, pa.date32()),
        ("datetime", 0, 0, UTC_MICROS),
        ("time", 0, 0, pa.time64("us")),
        ("multipicklist", 0, 0, pa.string()),
        ("not invented yet", 0, 0, pa.string()),
    ],
)
def test_arrow_type(kind: str, precision: int, scale: int, expected: pa.DataType) -> None:
    assert arrow_type(kind, precision, scale) == expected


def described(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"name": "Lead", "fields": list(fields)}


def test_what_is_left_out_is_named() -> None:
    kinds = ["address", "location", "complexvalue", "base64"]
    schema = parse_describe(described(*({"name": k, "type": k} for k in kinds)))
    assert schema.fields == ()
    assert list(schema.left_out) == kinds


def test_fields_are_found_in_any_case() -> None:
    schema = parse_describe(
        described({"name": "OwnerId", "type": "reference", "referenceTo": ["User", "Group"]})
    )
    field = schema.get("ownerid")
    assert field is not None
    assert field.reference_to == ("User", "Group")
    assert schema.get("Owner") is None


def test_without_says_why() -> None:
    names = ("Id", "Secret__c", "Name")
    schema = parse_describe(described(*({"name": n, "type": "string"} for n in names)))
    smaller = schema.without(["secret__C", "Unknown"], "excluded in the catalog")
    assert [f.name for f in smaller.fields] == ["Id", "Name"]
    assert smaller.left_out == {"Secret__c": "excluded in the catalog"}
    assert smaller.fingerprint != schema.fingerprint


def test_fingerprint_ignores_order_and_case() -> None:
    one = described({"name": "Id", "type": "id"}, {"name": "A", "type": "int"})
    other = described({"name": "a", "type": "int"}, {"name": "ID", "type": "id"})
    wider = described({"name": "a", "type": "double"}, {"name": "ID", "type": "id"})
    assert parse_describe(one).fingerprint == parse_describe(other).fingerprint
    assert parse_describe(one).fingerprint != parse_describe(wider).fingerprint


@pytest.mark.parametrize("file", FILES or [None], ids=lambda f: f.stem if f else "absent")
def test_real_describes_are_understood(file: Path | None) -> None:
    if file is None:
        pytest.skip("no real describes here")
    answer = json.loads(file.read_text("utf-8"))
    schema = parse_describe(answer)
    names = {f.name for f in schema.fields} | set(schema.left_out)
    assert names == {f["name"] for f in answer["fields"]}
    assert all(f["type"] == "address" for f in answer["fields"] if f["name"] in schema.left_out)
    assert schema.arrow.names == [f.name for f in schema.fields]
