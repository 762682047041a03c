from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from seil.catalog import SyncedObject
from seil.errors import LakeError
from seil.lake import Lake
from seil.salesforce.schema import UTC_MICROS, Field, ObjectSchema
from seil.sf_to_dw.schema.registry import (
    SchemaDiff,
    SchemaRegistry,
    holds,
    packaged_schema,
    parse_type,
    schema_diff,
)

THING = SyncedObject(api_name="Thing__c")
ACCOUNT = SyncedObject(api_name="Account", exclude=("Fax",))
MONEY = pa.decimal128(18, 2)
WIDER = pa.decimal128(20, 4)


def schema(name: str = "Thing__c", **types: pa.DataType) -> ObjectSchema:
    fields = tuple(Field(column, "string", arrow) for column, arrow in types.items())
    return ObjectSchema(name, fields, {"Photo__c": "binary content is not read in bulk"})


@pytest.fixture
def registry(tmp_path: Path) -> SchemaRegistry:
    return SchemaRegistry(Lake.at(tmp_path.as_uri(), env="dev", project="seil"))


@pytest.fixture
def other(tmp_path: Path) -> SchemaRegistry:
    """Of another process on the same lake."""
    return SchemaRegistry(Lake.at(tmp_path.as_uri(), env="dev", project="seil"))


def test_two_writers_of_one_schema_both_keep_their_change(
    registry: SchemaRegistry, other: SchemaRegistry
) -> None:
    registry.store(THING, schema(Id=pa.string()))
    before = other.expected(THING)
    news = [Field("Size__c", "double", MONEY)]
    in_turn = SchemaRegistry(
        registry.lake,
        clock=Interrupted(lambda: other.extend(THING, news, expected=before, source="a file")),
    )
    in_turn.store(THING, schema(Id=pa.string(), Name=pa.string()))
    expected = registry.expected(THING)
    assert expected is not None
    assert [field.name for field in expected.fields] == ["Id", "Name", "Size__c"]
    assert [entry["version"] for entry in registry.history(THING)] == [1, 2, 3]


class Interrupted:
    """A clock that lets somebody else come first, once."""

    def __init__(self, first: Callable[[], object]) -> None:
        self.first: Callable[[], object] | None = first

    def __call__(self) -> datetime:
        first, self.first = self.first, None
        if first:
            first()
        return datetime(2026, 11, 29, tzinfo=UTC)


def test_a_schema_that_moved_meanwhile_takes_no_fields(
    registry: SchemaRegistry, other: SchemaRegistry
) -> None:
    registry.store(THING, schema(Id=pa.string()))
    before = registry.expected(THING)
    other.store(THING, schema(Id=pa.string(), Name=pa.string()))
    news = [Field("Size__c", "double", MONEY)]
    assert registry.extend(THING, news, expected=before, source="a file") is None
    assert registry.entry(THING).seen == ()


def test_schema_comes_back_as_it_was_put(registry: SchemaRegistry) -> None:
    types: dict[str, pa.DataType] = {
        "a": pa.bool_(),
        "b": pa.int64(),
        "c": MONEY,
        "d": pa.string(),
        "e": pa.date32(),
        "f": UTC_MICROS,
        "g": pa.time64("us"),
        "h": pa.float64(),
    }
    fields = tuple(Field(name, "anything", arrow) for name, arrow in types.items())
    before = ObjectSchema("Thing__c", fields)
    registry.store(THING, before)
    assert registry.get(THING) == before


def test_object_without_a_schema_has_none(registry: SchemaRegistry) -> None:
    assert registry.get(THING) is None
    assert registry.expected(THING) is None


def test_put_says_what_changed_and_keeps_the_history(registry: SchemaRegistry) -> None:
    registry.store(THING, schema(Id=pa.string(), Old=pa.bool_(), Amount=MONEY, Age=pa.int64()))
    diff = registry.store(THING, schema(Id=pa.string(), New=pa.bool_(), Amount=WIDER, Age=MONEY))
    assert diff == SchemaDiff(
        added={"New": "bool"},
        removed={"Old": "bool"},
        widened={"Amount": (str(MONEY), str(WIDER))},
        incompatible={"Age": ("int64", str(MONEY))},
    )
    assert [change["version"] for change in registry.history(THING)] == [1, 2]
    assert registry.history(THING)[1]["widened"] == {"Amount": [str(MONEY), str(WIDER)]}


def test_putting_the_same_schema_again_adds_no_version(registry: SchemaRegistry) -> None:
    registry.store(THING, schema(Id=pa.string()))
    assert not registry.store(THING, schema(Id=pa.string()))
    assert len(registry.history(THING)) == 1


def test_compare_ignores_case() -> None:
    assert not schema_diff(schema(Id=pa.string()), schema(ID=pa.string()))


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        (pa.string(), pa.int64(), True),
        (WIDER, MONEY, True),
        (pa.decimal128(19, 4), MONEY, False),
        (pa.decimal128(19, 0), pa.int64(), True),
        (MONEY, pa.int64(), False),
        (UTC_MICROS, pa.date32(), True),
        (pa.date32(), UTC_MICROS, False),
        (pa.int64(), pa.string(), False),
    ],
)
def test_wider_type_holds_every_value(
    wide: pa.DataType, narrow: pa.DataType, *, expected: bool
) -> None:
    assert holds(wide, narrow) is expected


def test_accepted_fields_extend_the_expected_schema(registry: SchemaRegistry) -> None:
    registry.store(THING, schema(Id=pa.string(), Amount=MONEY))
    expected = registry.expected(THING)
    news = [Field("Amount", "currency", WIDER), Field("Extra__c", "", pa.bool_())]
    diff = registry.extend(THING, news, expected=expected, source="in/a")
    assert diff == SchemaDiff(
        added={"Extra__c": "bool"}, widened={"Amount": (str(MONEY), str(WIDER))}
    )
    now = registry.expected(THING)
    assert now is not None
    assert {f.name: f.arrow for f in now.fields} == {
        "Id": pa.string(),
        "Amount": WIDER,
        "Extra__c": pa.bool_(),
    }
    assert registry.history(THING)[-1]["source"] == "in/a"


def test_what_files_added_leaves_the_described_schema_alone(registry: SchemaRegistry) -> None:
    described = schema(Id=pa.string())
    registry.store(THING, described)
    expected = registry.expected(THING)
    registry.extend(THING, [Field("X", "", pa.bool_())], expected=expected, source="in/a")
    assert registry.get(THING) == described


def test_acceptance_is_refused_when_the_schema_has_moved(registry: SchemaRegistry) -> None:
    registry.extend(THING, [Field("X", "", pa.bool_())], expected=None, source="in/a")
    assert (
        registry.extend(THING, [Field("X", "", pa.int64())], expected=None, source="in/b") is None
    )


def test_describe_takes_over_what_files_added(registry: SchemaRegistry) -> None:
    registry.extend(
        THING,
        [Field("X", "", pa.int64()), Field("Amount", "", WIDER), Field("Y", "", pa.bool_())],
        expected=None,
        source="in/a",
    )
    registry.store(THING, schema(Id=pa.string(), X=pa.bool_(), Amount=MONEY))
    assert [f.name for f in registry.entry(THING).seen] == ["Amount", "Y"]
    expected = registry.expected(THING)
    assert expected is not None
    assert {f.name: f.arrow for f in expected.fields} == {
        "Id": pa.string(),
        "X": pa.bool_(),
        "Amount": WIDER,
        "Y": pa.bool_(),
    }


def test_packaged_list_stands_in_for_a_describe(registry: SchemaRegistry) -> None:
    expected = registry.expected(ACCOUNT)
    assert expected is not None
    assert (expected.get("Id"), expected.get("SystemModstamp")) != (None, None)
    assert expected.get("fax") is None


def test_object_that_is_unknown_has_no_packaged_schema() -> None:
    assert packaged_schema(THING) is None


def test_foreign_file_in_the_registry_is_an_error(registry: SchemaRegistry, tmp_path: Path) -> None:
    registry.store(THING, schema(Id=pa.string()))
    (file,) = tmp_path.rglob("schemas/*.json")
    file.write_text('{"described": 1}')
    with pytest.raises(LakeError, match="not a schema that SEIL wrote"):
        registry.get(THING)


def test_type_that_is_never_stored_is_refused() -> None:
    with pytest.raises(ValueError, match="list"):
        parse_type("list<item: int64>")
