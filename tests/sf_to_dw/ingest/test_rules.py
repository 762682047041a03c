from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from seil.catalog import CatalogColumn, ColumnMapping, SyncedObject, Validation
from seil.errors import ConfigurationError
from seil.salesforce.schema import UTC_MICROS, Field, ObjectSchema
from seil.sf_to_dw.ingest.checks import UnfitError
from seil.sf_to_dw.ingest.rules import RuleBook, RuleVerdict, validate_rules

MONEY = pa.decimal128(18, 2)
TYPES: dict[str, pa.DataType] = {
    "Id": pa.string(),
    "Name": pa.string(),
    "Amount": MONEY,
    "Moment": UTC_MICROS,
    "IsDeleted": pa.bool_(),
}
SCHEMA = pa.schema(TYPES)
AT = datetime(2020, 8, 6, 14, 16, 8, tzinfo=UTC)


def batch(*records: dict[str, Any]) -> pa.RecordBatch:
    filled = [{"Id": f"id-{n}", **record} for n, record in enumerate(records)]
    return pa.RecordBatch.from_pylist(filled, schema=SCHEMA)


def with_rule(column: str, *validations: Validation) -> SyncedObject:
    return SyncedObject(
        api_name="Thing__c", columns=(CatalogColumn(name=column, validations=validations),)
    )


def sql(rule: str, level: Any = "reject", message: str = "") -> Validation:
    return Validation(type="sql", rule=rule, level=level, message=message)


def pattern(rule: str, level: Any = "reject", message: str = "") -> Validation:
    return Validation(type="re", rule=rule, level=level, message=message)


def mapped(*mappings: ColumnMapping) -> SyncedObject:
    return SyncedObject(api_name="Thing__c", mappings=mappings)


def judge(obj: SyncedObject, *records: dict[str, Any]) -> RuleVerdict:
    with closing(RuleBook(obj, SCHEMA)) as book:
        return book.judge(batch(*records), 1)


def ids(part: pa.RecordBatch) -> list[str]:
    return part.column("Id").to_pylist()  # type: ignore[return-value]


def test_record_that_breaks_reject_rules_goes_with_all_its_messages() -> None:
    obj = with_rule(
        "Name", pattern("[A-Z].*", message="no capital"), sql("Amount > 0", message="owed")
    )
    verdict = judge(obj, {"Name": "ok", "Amount": -1}, {"Name": "Ok", "Amount": 1}, {"Name": "ko"})
    assert ids(verdict.good) == ["id-1"]
    assert ids(verdict.set_aside) == ["id-0", "id-2"]
    assert verdict.messages.to_pylist() == [["no capital", "owed"], ["no capital"]]


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("Name", "001", r"\d{3}"),
        ("Name", None, r"never"),
        ("Name", "two\nlines", r"two\slines"),
        ("Name", "not a test", r"(?!test).*"),
        ("Amount", Decimal("12.50"), r"12\.50"),
        ("Moment", AT, r"2020-08-06T14:16:08\.000Z"),
        ("IsDeleted", False, "false"),
    ],
)
def test_pattern_must_match_the_whole_value_as_text(column: str, value: object, rule: str) -> None:
    assert judge(with_rule(column, pattern(rule)), {column: value}).set_aside.num_rows == 0
    other = judge(with_rule(column, pattern(rule + "x")), {column: value})
    assert other.set_aside.num_rows == (value is not None)


@pytest.mark.parametrize(
    ("rule", "record", "passes"),
    [
        ("Amount BETWEEN 1 AND 2", {"Amount": Decimal("1.50")}, True),
        ("amount BETWEEN 1 AND 2", {"Amount": Decimal("2.50")}, False),
        ("Amount > 0", {"Amount": None}, True),
        ("Name = 'O''Neil'  -- a comment", {"Name": "O'Neil"}, True),
        ("Moment < now()", {"Moment": AT}, True),
        ("NOT IsDeleted", {"IsDeleted": True}, False),
        ("Name IS NOT NULL", {"Name": None}, False),
        ("CAST(Name AS INTEGER) > 0", {"Name": "5"}, True),
        ("CAST(Name AS INTEGER) > 0", {"Name": "five"}, False),
        ("CAST(Name AS INTEGER) > 0", {"Name": None}, True),
    ],
)
def test_expression_must_not_be_false_nor_fail(
    rule: str, record: dict[str, Any], *, passes: bool
) -> None:
    verdict = judge(with_rule("Name", sql(rule)), record)
    assert verdict.good.num_rows == passes
    assert verdict.set_aside.num_rows == (not passes)


def test_rule_of_level_error_rejects_the_file_and_names_the_row() -> None:
    obj = with_rule("Amount", sql("Amount < 100", "error", "too much"))
    with closing(RuleBook(obj, SCHEMA)) as book, pytest.raises(UnfitError) as caught:
        book.judge(batch({"Amount": 1}, {"Amount": 500}), 11)
    assert caught.value.check == "rule"
    assert caught.value.reason.startswith("row 12 (id-1): too much")


def test_warning_only_counts() -> None:
    obj = with_rule("Amount", sql("Amount < 100", "warning", "much"))
    with closing(RuleBook(obj, SCHEMA)) as book:
        verdict = book.judge(batch({"Amount": 500}, {"Amount": 1}, {"Amount": 501}), 1)
        assert verdict.good.num_rows == 3
        (count,) = book.counts
    assert count.to_dict() == {
        "column": "Amount",
        "type": "sql",
        "rule": "Amount < 100",
        "level": "warning",
        "message": "much",
        "records": 2,
    }


def test_rule_without_a_message_says_what_it_is() -> None:
    verdict = judge(with_rule("Name", pattern("a"), sql("Name <> 'b'")), {"Name": "b"})
    assert verdict.messages.to_pylist() == [["Name does not match a", "Name breaks Name <> 'b'"]]


def test_record_without_a_key_is_set_aside() -> None:
    with closing(RuleBook(SyncedObject(api_name="Thing__c"), SCHEMA)) as book:
        verdict = book.judge(batch({}, {"Id": None}, {"Id": ""}), 1)
        assert book.reasons == {"Id is empty": 2}
    assert ids(verdict.good) == ["id-0"]
    assert verdict.messages.to_pylist() == [["Id is empty"], ["Id is empty"]]


def test_mappings_append_columns() -> None:
    obj = mapped(
        ColumnMapping(target="Whole", source="amount", type="BIGINT"),
        ColumnMapping(target="Shout", sql="upper(Name)"),
        ColumnMapping(target="Day", sql="Moment", type="DATE"),
        ColumnMapping(target="Parts", sql="{'n': Name}"),
    )
    verdict = judge(obj, {"Name": "a", "Amount": 3, "Moment": AT}, {})
    assert verdict.good.schema.names == [*SCHEMA.names, "Whole", "Shout", "Day", "Parts"]
    assert verdict.good.select(["Whole", "Shout", "Day"]).to_pylist() == [
        {"Whole": 3, "Shout": "A", "Day": AT.date()},
        {"Whole": None, "Shout": None, "Day": None},
    ]
    assert verdict.good.schema.field("Parts").type == pa.string()


def test_mapping_onto_its_own_column_replaces_it() -> None:
    obj = mapped(ColumnMapping(target="Amount", source="Amount", type="DOUBLE"))
    good = judge(obj, {"Amount": 3}).good
    assert good.schema.names == SCHEMA.names
    assert good.column("Amount").to_pylist() == [3.0]


def test_record_that_cannot_be_mapped_is_set_aside() -> None:
    obj = mapped(ColumnMapping(target="Number", source="Name", type="INTEGER"))
    verdict = judge(obj, {"Name": "7"}, {"Name": "seven"})
    assert ids(verdict.good) == ["id-0"]
    assert verdict.messages.to_pylist() == [["Number cannot be made from Name"]]
    assert verdict.set_aside.schema.names == SCHEMA.names


def test_empty_batch_has_the_columns_too() -> None:
    obj = mapped(ColumnMapping(target="Whole", source="Amount", type="BIGINT"))
    verdict = judge(obj)
    assert verdict.good.num_rows == 0
    assert verdict.good.schema.field("Whole").type == pa.int64()


@pytest.mark.parametrize(
    ("obj", "place", "reason"),
    [
        (with_rule("Nme", pattern("a")), "columns.Nme.validations.0", "no column 'Nme'"),
        (with_rule("Nme", sql("true")), "columns.Nme.validations.0", "no column 'Nme'"),
        (with_rule("Name", pattern("a"), sql("Nme = 1")), "columns.Name.validations.1", "Nme"),
        (with_rule("Name", sql("Name =")), "columns.Name.validations.0", "Parser Error"),
        (with_rule("Name", sql("true, false")), "columns.Name.validations.0", "single expression"),
        (with_rule("Name", sql("true; drop table record")), "columns.Name.validations.0", "Parser"),
        (with_rule("Name", sql("length(Name)")), "columns.Name.validations.0", "not a truth value"),
        (with_rule("Name", sql("count(*) > 1")), "columns.Name.validations.0", "aggregates"),
        (with_rule("Name", sql("(SELECT 1) = 1")), "columns.Name.validations.0", "subquery"),
        (with_rule("Name", sql("random() > 0.5")), "columns.Name.validations.0", "volatile"),
        (mapped(ColumnMapping(target="X", source="Nme", type="INT")), "mappings.X", "'Nme'"),
        (mapped(ColumnMapping(target="X", source="Name", type="NOPE")), "mappings.X", "NOPE"),
        (mapped(ColumnMapping(target="X", sql="nope(Name)")), "mappings.X", "nope"),
        (mapped(ColumnMapping(target="X", sql="INTERVAL 1 DAY")), "mappings.X", "cannot be kept"),
        (mapped(ColumnMapping(target="filename", sql="1")), "mappings.filename", "already"),
        (mapped(ColumnMapping(target="ID", sql="1")), "mappings.ID", "already written"),
    ],
)
def test_rule_that_cannot_be_evaluated_is_a_problem(
    obj: SyncedObject, place: str, reason: str
) -> None:
    (problem,) = validate_rules(obj, SCHEMA)
    assert problem.place == f"objects.Thing__c.{place}"
    assert reason in problem.reason
    with pytest.raises(ConfigurationError):
        RuleBook(obj, SCHEMA)


def test_good_rules_have_no_problems_with_a_described_schema() -> None:
    described = ObjectSchema("Thing__c", (Field("Id", "id", pa.string()),))
    assert validate_rules(with_rule("id", pattern("a"), sql("Id <> ''")), described) == []


@pytest.mark.parametrize(
    "expression",
    [
        "(SELECT count(*) FROM read_csv('/etc/hostname')) > 0",
        "length(getenv('HOME')) > 0",
        "Name = (SELECT content FROM read_text('/etc/hostname'))",
    ],
)
def test_rule_reaches_nothing_but_the_record(expression: str) -> None:
    assert validate_rules(with_rule("Name", sql(expression)), SCHEMA)


record = st.fixed_dictionaries(
    {
        "Id": st.sampled_from(["a", "b", None, ""]),
        "Name": st.none() | st.text(st.characters(codec="utf-8"), max_size=4),
        "Amount": st.none() | st.decimals(-5, 5, places=2),
    }
)
rule = st.sampled_from(
    [
        pattern("[a-m]*"),
        pattern(r"\w+", "warning"),
        sql("Amount >= 0"),
        sql("length(Name) < 3"),
        sql("CAST(Name AS INTEGER) <> 7"),
        sql("Amount IS NOT NULL", "warning"),
    ]
)


@settings(max_examples=examples(15, many=150), deadline=None)
@given(st.lists(record, max_size=30), st.lists(rule, max_size=4))
def test_every_record_is_kept_or_set_aside_and_only_one_of_them(
    records: list[dict[str, Any]], validations: list[Validation]
) -> None:
    numbered = [{**r, "Moment": datetime.fromtimestamp(n, UTC)} for n, r in enumerate(records)]
    verdict = judge(with_rule("Name", *validations), *numbered)
    parts = [
        verdict.good.column("Moment").to_pylist(),
        verdict.set_aside.column("Moment").to_pylist(),
    ]
    assert sorted(str(at) for part in parts for at in part) == sorted(
        str(r["Moment"]) for r in numbered
    )
    assert all(messages for messages in verdict.messages.to_pylist())
    assert all(r["Id"] for r in verdict.good.to_pylist())
