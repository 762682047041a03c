from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from seil.catalog import SyncedObject
from seil.sf_to_dw.ingest.conform import LINEAGE
from seil.state.decisions import Decision

THING = SyncedObject(api_name="Thing__c")
MONEY = pa.decimal128(18, 2)


def records(count: int, start: int = 0) -> dict[str, Any]:
    return {"Id": [f"id-{n}" for n in range(start, start + count)], "Size": list(range(count))}


def test_missing_optional_column_is_null(intake: Any) -> None:
    intake.describe(Id=pa.string(), Amount=MONEY, Size=pa.int64())
    result = intake.ingest(records(1))
    assert intake.rows(result, "Id", "Amount", "Size") == [
        {"Id": "id-0", "Amount": None, "Size": 0}
    ]
    assert intake.events()[0].detail["missing"] == ["Amount"]
    assert not result.drift


def test_new_column_is_taken_in_and_reported_once(intake: Any) -> None:
    intake.describe(Id=pa.string())
    first = intake.ingest(records(1), run="run-1")
    second = intake.ingest(records(1), run="run-2")
    assert intake.rows(first, "Size") == [{"Size": 0}]
    assert dict(first.drift.added) == {"Size": "int64"}
    assert not second.drift
    (event,) = intake.events("schema-drift")
    assert event.detail["added"] == {"Size": "int64"}
    schema = intake.registry.expected(THING)
    assert schema is not None
    assert [f.name for f in schema.fields] == ["Id", "Size"]


def test_number_that_needs_more_digits_widens_its_column(intake: Any) -> None:
    intake.describe(Id=pa.string(), Amount=MONEY)
    values = ["1.25"] * 70_000 + ["1.2345"]
    ids = [str(n) for n in range(len(values))]
    result = intake.ingest({"Id": ids, "Amount": values})
    assert dict(result.drift.widened) == {"Amount": (str(MONEY), "decimal128(20, 4)")}
    assert result.curated_rows == len(values)
    assert intake.rows(result, "Amount")[-1] == {"Amount": Decimal("1.2345")}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"Id": ["a", "b"], "Amount": ["1", "x"]}, "column Amount, row 2: 'x' is not a number"),
        ({"Id": ["a"], "Amount": [True]}, "column Amount, row 1: 'true' is of type bool"),
        ({"Id": ["a"], "Amount": [{"x": 1}]}, "column Amount, row 1"),
        ({"Id": [7], "Amount": ["1"]}, "column Id, row 1: '7' is of type int64, expected text"),
        (
            pa.table({"Id": ["a"], "Odd": pa.array([1], pa.duration("s"))}),
            "column Odd is of type duration[s], which no field of Salesforce has",
        ),
    ],
    ids=["text", "bool", "struct", "number for text", "no such type"],
)
def test_incompatible_type_is_an_error_that_names_the_value(
    intake: Any, data: Any, reason: str
) -> None:
    intake.describe(Id=pa.string(), Amount=MONEY)
    result = intake.ingest(data)
    assert (result.state, result.check) == ("error", "types")
    assert reason in result.message
    assert intake.curated_keys() == []


def test_misfit_far_down_the_file_is_named_by_its_row(intake: Any) -> None:
    intake.describe(Id=pa.string(), Amount=MONEY)
    amounts = ["1"] * 70_000 + ["x"]
    result = intake.ingest({"Id": [str(n) for n in range(len(amounts))], "Amount": amounts})
    assert "row 70001: 'x'" in result.message
    assert intake.curated_keys() == []


def test_custom_field_of_the_packaged_list_is_only_a_guess(intake: Any) -> None:
    """A typed file knows better what an org's own field is; standard fields are held to theirs."""
    packaged = intake.registry.expected(intake.catalog["Account"])
    assert packaged is not None
    guess = next(f for f in packaged.fields if f.name.endswith("__c") and f.arrow == pa.string())
    result = intake.ingest({"Id": ["a"], guess.name: [5]}, "Account")
    assert intake.rows(result, guess.name) == [{guess.name: 5}]
    assert dict(result.drift.incompatible) == {guess.name: ("string", "int64")}
    assert intake.ingest({"Id": ["b"], "Name": [5]}, "Account").check == "types"


def test_schema_that_another_file_changes_meanwhile_is_read_again(
    intake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both add the column; the second file is conformed to the type that the first one stored."""
    extend = intake.registry.extend

    def extend_after_other_file(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(intake.registry, "extend", extend)
        assert intake.ingest({"Id": ["a"], "New": ["text"]}, file="other.parquet").state
        return extend(*args, **options)

    monkeypatch.setattr(intake.registry, "extend", extend_after_other_file)
    result = intake.ingest({"Id": ["a"], "New": [1]})
    assert result.message == "column New, row 1: '1' is of type int64, expected text"


def test_columns_that_are_not_kept_are_named(intake: Any) -> None:
    intake.with_object(SyncedObject(api_name="Thing__c", exclude=("Secret__c",)))
    empty = pa.array([None], pa.null())
    data = pa.table({"Id": ["a"], "secret__c": ["x"], "Empty": empty})
    result = intake.ingest(data)
    assert intake.read(result.curated_key).column_names == ["Id", *LINEAGE.names]
    assert set(intake.events()[0].detail["left_out"]) == {"secret__c", "Empty"}


@pytest.mark.parametrize("name", ["FileName", "filename", "Processed_TS", "APPFLOW_ID"])
def test_a_field_named_like_a_lineage_column_keeps_its_name_and_values(
    intake: Any, name: str
) -> None:
    result = intake.ingest({"Id": ["a"], name: ["price list.pdf"]})
    given_way = f"seil_{name.lower()}"
    assert intake.rows(result, name) == [{name: "price list.pdf"}]
    assert given_way in intake.read(result.curated_key).column_names
    assert intake.events()[0].detail["left_out"] == {}


@pytest.mark.parametrize("column", ["Size", "FileName"])
def test_a_curated_file_that_is_landed_again_gets_its_lineage_anew(
    intake: Any, column: str
) -> None:
    """Whether or not some of it had to give way."""
    first = intake.ingest({"Id": ["a"], column: ["x"]})
    with intake.lake.curated.reader(first.curated_key) as file:
        curated = file.read()
    again = intake.ingest(curated, run="run-2")
    names = intake.read(first.curated_key).column_names
    assert intake.read(again.curated_key).column_names == names
    assert set(intake.events()[-1].detail["left_out"]) == set(names[2:])
    assert intake.rows(again, column) == [{column: "x"}]


def test_messages_of_a_record_set_aside_stand_beside_a_field_of_that_name(intake: Any) -> None:
    result = intake.with_rule("Size > 0").ingest({"Id": ["a"], "Size": [0], "Messages": ["mine"]})
    assert intake.rejected_rows(result, "Messages", "seil_messages") == [
        {"Messages": "mine", "seil_messages": ["broken"]}
    ]


def test_compound_field_is_kept_as_json_in_every_file(intake: Any) -> None:
    address = [{"city": "Perth", "postalCode": "6000"}]
    for run in ("run-1", "run-2"):
        result = intake.ingest({"Id": ["a"], "Address": address}, run=run)
        assert json.loads(intake.rows(result, "Address")[0]["Address"]) == address[0]


def test_the_index_of_a_data_frame_is_left_out_and_named(intake: Any) -> None:
    result = intake.ingest({"Id": ["a"], "__index_level_0__": [7], "__index_level_12__": [7]})
    assert intake.read(result.curated_key).column_names == ["Id", *LINEAGE.names]
    assert "left out __index_level_0__: the index of a pandas data frame" in result.message


FINE = [1_767_323_045_123_456_789, -1, None, 0, -1_500_000_000_000]
CUT = [1_767_323_045_123_456, -1, None, 0, -1_500_000_000]


@pytest.mark.parametrize("int96", [False, True], ids=["int64", "int96"])
@pytest.mark.parametrize("zone", ["UTC", "Australia/Sydney"])
def test_nanoseconds_are_truncated_to_the_microsecond_with_a_warning(
    intake: Any, int96: bool, zone: str
) -> None:
    at = pa.array(FINE, pa.timestamp("ns", zone))
    whole = pa.array([10**9, None, 0, 0, 0], pa.timestamp("ns", zone))
    data = pa.table({"Id": list("abcde"), "Exported_At": at, "Whole": whole})
    result = intake.ingest(data, use_deprecated_int96_timestamps=int96)
    values = intake.read(result.curated_key)["Exported_At"]
    assert values.type == pa.timestamp("us", "UTC")
    assert values.cast(pa.int64()).to_pylist() == CUT
    assert result.notes == ("cut nanoseconds to microseconds in Exported_At",)


def test_a_time_of_day_in_nanoseconds_is_cut(intake: Any) -> None:
    result = intake.ingest({"Id": ["a"], "At": pa.array([1_001], pa.time64("ns"))})
    assert intake.read(result.curated_key)["At"].cast(pa.int64()).to_pylist() == [1]
    assert result.notes == ("cut nanoseconds to microseconds in At",)


RATIO = pa.decimal128(18, 4)
INFINITE = float("inf")
TINY, LARGE = "2.220446049250313E-16", "12345678.5"


@pytest.mark.parametrize(
    ("values", "kind", "curated", "messages"),
    [
        (
            ["1.2500", "NaN", "-Infinity", "2.5"],
            pa.string(),
            ["1.2500", "2.5000"],
            ["Ratio: 'NaN' is not a number", "Ratio: '-Infinity' is not a number"],
        ),
        ([TINY, LARGE], pa.string(), ["12345678.5000"], [f"Ratio: '{TINY}' needs more than 38"]),
        ([LARGE, TINY], pa.string(), ["12345678.5000"], [f"Ratio: '{TINY}' needs more than 38"]),
        (["1E+99999", "1"], pa.string(), ["1.0000"], ["Ratio: '1E+99999' is not a number"]),
        ([1.5, INFINITE], pa.float64(), ["1.5000"], ["Ratio: 'inf' is not a number"]),
        ([1.5, 1e300], pa.float64(), ["1.5000"], ["Ratio: '1E+300' needs more than 38"]),
        (
            [Decimal(f"{Decimal(TINY):f}"), Decimal("2.5")],
            pa.decimal128(38, 31),
            ["2.5000"],
            [f"Ratio: '{TINY}' needs more than 38"],
        ),
    ],
    ids=["no number", "tiny", "tiny last", "exponent", "float", "large float", "decimal"],
)
def test_a_number_that_no_decimal_holds_is_set_aside_alone(
    intake: Any, values: list[Any], kind: pa.DataType, curated: list[str], messages: list[str]
) -> None:
    intake.describe(Id=pa.string(), Ratio=RATIO)
    ids = [str(n) for n in range(len(values))]
    result = intake.ingest(pa.table({"Id": ids, "Ratio": pa.array(values, kind)}))
    assert [str(row["Ratio"]) for row in intake.rows(result, "Ratio")] == curated
    aside = [row["messages"][0] for row in intake.rejected_rows(result, "messages")]
    assert [text[: len(message)] for text, message in zip(aside, messages, strict=True)] == messages
    assert "seil schema accept Thing__c.Ratio --as text" in result.message
    assert sum(intake.events()[0].detail["set_aside"].values()) == len(messages)


@pytest.mark.parametrize(
    ("values", "kind", "texts"),
    [
        (["1.2500", "NaN", ""], pa.string(), ["1.2500", "NaN", None]),
        ([Decimal("1.2500"), None], RATIO, ["1.2500", None]),
        ([7], pa.int64(), ["7"]),
    ],
    ids=["text", "decimal", "int"],
)
def test_a_column_accepted_as_text_is_kept_as_written(
    intake: Any, values: list[Any], kind: pa.DataType, texts: list[str | None]
) -> None:
    """What is known of it stays, so that the org's change of its type is noticed."""
    intake.describe(Id=pa.string(), Ratio=RATIO)
    decision = Decision("ratio", "text", "me", "2026-01-01T00:00:00+00:00")
    intake.decisions.add("Thing__c", [decision])
    ids = [str(n) for n in range(len(values))]
    result = intake.ingest(pa.table({"Id": ids, "Ratio": pa.array(values, kind)}))
    assert [row["Ratio"] for row in intake.rows(result, "Ratio")] == texts
    assert (result.rejected_rows, bool(result.drift)) == (0, False)
