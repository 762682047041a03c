from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.examples import examples

from seil.catalog import ColumnMapping, FlowSettings, SyncedObject
from seil.errors import ConfigurationError
from seil.observe.progress import SILENT
from seil.sf_to_dw.extract.flows import manifest_key
from seil.sf_to_dw.ingest.conform import LINEAGE

MONEY = pa.decimal128(18, 2)
STAMP = datetime(2020, 8, 6, 14, 16, 8, tzinfo=UTC)


def records(count: int, start: int = 0) -> dict[str, Any]:
    return {"Id": [f"id-{n}" for n in range(start, start + count)], "Size": list(range(count))}


def whole(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def test_good_file_is_curated_with_lineage_moved_and_published(intake: Any) -> None:
    result = intake.ingest(records(3), run="20260309T120000Z-0badcafe")
    hour = f"{datetime.now(UTC):%Y/%m/%d/%H}"
    assert result.curated_key == f"Salesforce-Thing/{hour}/curated_page.parquet"
    run = "20260309T120000Z-0badcafe"
    assert intake.keys() == [f"processed/Salesforce-Thing/{hour}/{run}/page.parquet"]
    (row, *_) = intake.rows(result, "Id", "Size", *LINEAGE.names)
    assert row == {
        "Id": "id-0",
        "Size": 0,
        "filename": intake.lake.landing.uri(f"in/dev-Salesforce-Thing/{run}/page.parquet"),
        "function_name": "seil-ingest",
        "function_version": row["function_version"],
        "aws_request_id": "processing-1",
        "appflow_id": run,
        "processed_ts": datetime(2026, 3, 9, 12, 30, tzinfo=UTC),
    }
    (event,) = intake.events()
    assert event.source == "seil.sf-to-dw"
    expected = {"state": "success", "object": "Thing__c", "landed_rows": 3, "curated_rows": 3}
    assert expected.items() <= event.detail.items()
    assert json.loads(event.to_json())["detail"]["archived_key"] == intake.keys()[0]


def test_curated_file_says_where_it_comes_from(intake: Any) -> None:
    result = intake.ingest(records(3), metadata={"seil.mode": "full", "seil.expected_rows": "3"})
    with intake.lake.curated.reader(result.curated_key) as file:
        metadata = pq.read_metadata(file).metadata
    entries = {
        k.decode(): v.decode() for k, v in (metadata or {}).items() if k.startswith(b"seil.")
    }
    assert entries.pop("seil.landed_sha256")
    assert datetime.fromisoformat(entries.pop("seil.landed_at")).tzinfo
    assert entries == {
        "seil.object": "Thing__c",
        "seil.mode": "full",
        "seil.expected_rows": "3",
        "seil.landed_key": result.key,
        "seil.archived_key": result.archived_key,
        "seil.landed_rows": "3",
        "seil.curated_rows": "3",
        "seil.rejected_rows": "0",
        "seil.lineage": ",".join(LINEAGE.names),
    }


def test_file_that_names_its_own_object_is_believed(intake: Any) -> None:
    data = {"Id": ["003000000000001AAA"], "FirstName": ["A"], "LastName": ["B"], "Email": ["c@d"]}
    result = intake.ingest(data, "Account", metadata={"seil.object": "Account"})
    assert result.state == "success"


def test_empty_delta_is_processed(intake: Any) -> None:
    result = intake.ingest(pa.table({"Id": pa.array([], pa.string())}))
    assert (result.state, result.landed_rows) == ("success", 0)
    assert intake.read(result.curated_key).column_names == ["Id", *LINEAGE.names]


def test_all_text_file_gets_the_types_of_the_packaged_list(intake: Any) -> None:
    """As AppFlow writes it: no name's suffix, no metadata, everything text."""
    data = {
        "id": ["001000000000001AAA", "001000000000002AAA"],
        "systemmodstamp": ["2020-08-06T14:16:08.000+0000", "2020-08-06T14:16:08.000Z"],
        "isdeleted": ["false", "true"],
        "name": ["NA", "007"],
        "annualrevenue": ["1.0E7", ""],
        "numberofemployees": ["12", None],
        "lastactivitydate": ["2020-08-06", None],
    }
    file = "5a2f0e1c-7d41-4f0b-9a3b-0c2d5e6f7a8b-2020-08-06T14-16-08"
    result = intake.ingest(data, "Account", run="5a2f0e1c-7d41-4f0b", file=file)
    assert result.curated_key.endswith(f"/curated_{file}.parquet")
    first, second = intake.rows(
        result, "Id", "SystemModstamp", "IsDeleted", "Name", "AnnualRevenue", "NumberOfEmployees"
    )
    assert first == {
        "Id": "001000000000001AAA",
        "SystemModstamp": STAMP,
        "IsDeleted": False,
        "Name": "NA",
        "AnnualRevenue": Decimal(10_000_000),
        "NumberOfEmployees": 12,
    }
    assert (second["Name"], second["IsDeleted"], second["AnnualRevenue"]) == ("007", True, None)


def test_file_of_another_tool_is_read(intake: Any, tmp_path: Path) -> None:
    path = tmp_path / "duck.parquet"
    duckdb.sql(
        "COPY (SELECT 'id-' || i AS Id, i::HUGEINT::DECIMAL(38,3) AS Amount, [i] AS Tags,"
        " TIMESTAMP_NS '2020-08-06 14:16:08' AS CreatedDate, DATE '2020-08-06' AS Day,"
        f" i % 2 = 0 AS Even FROM range(3) t(i)) TO '{path}'"
    )
    intake.describe(Id=pa.string(), Amount=MONEY)
    result = intake.ingest(path.read_bytes())
    row = intake.rows(result, "Id", "Amount", "Tags", "CreatedDate", "Day", "Even")[1]
    assert row == {
        "Id": "id-1",
        "Amount": Decimal("1.00"),
        "Tags": "[1]",
        "CreatedDate": STAMP,
        "Day": STAMP.date(),
        "Even": False,
    }


def test_int96_timestamps_far_ahead_are_kept(intake: Any) -> None:
    far = datetime(4000, 12, 31, tzinfo=UTC)
    moments = pa.array([far], pa.timestamp("us"))
    result = intake.ingest(
        pa.table({"Id": ["a"], "At": moments}), use_deprecated_int96_timestamps=True
    )
    assert intake.rows(result, "At") == [{"At": far}]


def test_landing_name_in_other_case_finds_its_object(intake: Any) -> None:
    result = intake.ingest(records(1), "thing")
    assert result.curated_key.startswith("Salesforce-Thing/")


# Bad files


def corrupt(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, write_page_checksum=True, row_group_size=30_000)
    data = bytearray(sink.getvalue().to_pybytes())
    middle = len(data) * 3 // 4
    data[middle : middle + 64] = bytes(64)
    return bytes(data)


BAD: dict[str, tuple[Any, dict[str, Any], str, str]] = {
    "not Parquet": (b"Id,Name\n1,a\n" * 50, {}, "format", "is not Parquet"),
    "truncated": (whole(pa.table(records(99)))[:-100], {}, "whole", "cut off"),
    "zero bytes": (b"", {}, "size", "is empty"),
    "damaged page": (corrupt(pa.table(records(90_000))), {}, "whole", "cannot be read"),
    "wrong object": (records(1), {"metadata": {"seil.object": "Account"}}, "object", "Account"),
    "missing column": ({"Name": ["a"]}, {}, "columns", "missing: Id"),
    "row count": (records(2), {"metadata": {"seil.expected_rows": "3"}}, "rows", "says 3"),
    "two spellings": ({"Id": ["a"], "ID": ["a"]}, {}, "columns", "Id, ID"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_file_is_set_aside_whole_with_its_reason(intake: Any, case: str) -> None:
    data, options, check, reason = BAD[case]
    result = intake.ingest(data, **options)
    assert (result.state, result.check) == ("error", check)
    assert reason in result.message
    (key,) = intake.keys()
    assert key == result.archived_key
    assert key.startswith("error/Salesforce-Thing/")
    assert key.endswith("/run-1/page.parquet")
    assert intake.curated_keys() == []
    (event,) = intake.events()
    assert event.detail["state"] == "error"
    assert reason in event.detail["message"]


def test_bad_file_is_moved_as_it_was(intake: Any) -> None:
    result = intake.ingest(b"garbage" * 10)
    assert intake.lake.landing.get(result.archived_key) == b"garbage" * 10


def test_garbage_of_100_mb_is_turned_away_at_once(intake: Any) -> None:
    key = intake.land(b"x")
    with intake.lake.landing.path(key).open("wb") as file:
        file.truncate(100 << 20)
    assert intake.ingestor.ingest(key).check == "format"
    assert intake.lake.landing.head(intake.keys()[0]).size == 100 << 20


def test_unknown_object_is_an_error(intake: Any) -> None:
    result = intake.ingest(records(1), "Nothing")
    assert result.check == "object"
    assert intake.keys()[0].startswith("error/Salesforce-Nothing/")


@pytest.mark.parametrize("key", ["in/stray.parquet", "in/prod-Salesforce-Thing/run/a.parquet"])
def test_file_out_of_place_is_kept_apart(intake: Any, key: str) -> None:
    intake.lake.landing.put(key, whole(pa.table(records(1))))
    (result,) = intake.ingestor.sweep().files
    assert result.check == "place"
    assert intake.keys() == ["error/unrecognised/" + key.removeprefix("in/")]


def test_empty_file_is_an_error_where_the_flow_says_so(intake: Any) -> None:
    intake.with_object(SyncedObject(api_name="Thing__c", flow=FlowSettings(allow_empty=False)))
    assert intake.ingest(pa.table({"Id": pa.array([], pa.string())})).check == "rows"


@pytest.mark.parametrize(("count", "state"), [(2, "success"), (5, "error")])
def test_rows_must_agree_with_the_runs_manifest(intake: Any, count: int, state: str) -> None:
    key = intake.land(records(2))
    other = {"key": "in/dev-Salesforce-Thing/run-1/other.parquet", "rows": 77}
    body = {"pages": [other, {"key": key, "rows": count}]}
    intake.lake.staging.put(manifest_key("Thing", "run-1"), json.dumps(body).encode())
    assert intake.ingestor.ingest(key).state == state


def test_contacts_in_the_folder_of_accounts_are_noticed_without_metadata(intake: Any) -> None:
    data = {"Id": ["003000000000001AAA"], "FirstName": ["A"], "LastName": ["B"], "Email": ["c@d"]}
    result = intake.ingest(data, "Account")
    assert result.check == "object"
    assert "Contact" in result.message


def test_good_files_go_on_beside_bad_ones(intake: Any) -> None:
    for n in range(4):
        intake.land(records(2), file=f"good-{n}.parquet")
        intake.land(b"garbage" * n, file=f"bad-{n}.parquet")
    seen: list[str] = []
    report = intake.ingestor.sweep(on_file=lambda file: seen.append(file.key))
    assert (len(report.succeeded), len(report.failed), report.curated_rows) == (4, 4, 8)
    assert not report.ok
    assert sorted(seen) == [file.key for file in report.files]
    assert intake.keys("in/") == []
    assert "error: in/dev-Salesforce-Thing/run-1/bad-0.parquet: the file is empty" in "\n".join(
        map(str, report.files)
    )


def test_sweep_of_some_objects_leaves_the_others(intake: Any) -> None:
    intake.land(records(1))
    intake.land({"Id": ["a"]}, "Contact")
    report = intake.ingestor.sweep([intake.catalog["Contact"]], SILENT)
    assert [file.object for file in report.files] == ["Contact"]
    assert report.ok
    assert intake.keys("in/") == ["in/dev-Salesforce-Thing/run-1/page.parquet"]


# Rules


def test_record_that_breaks_a_rule_is_set_aside_with_its_messages(intake: Any) -> None:
    result = intake.with_rule("Size <> 1").ingest(records(3))
    assert (result.landed_rows, result.curated_rows, result.rejected_rows) == (3, 2, 1)
    assert not result.ok
    assert [row["Id"] for row in intake.rows(result, "Id")] == ["id-0", "id-2"]
    assert intake.rejected_rows(result, "Id", "Size", "messages", "appflow_id") == [
        {"Id": "id-1", "Size": 1, "messages": ["broken"], "appflow_id": "run-1"}
    ]
    hour = f"{datetime.now(UTC):%Y/%m/%d/%H}"
    assert result.exceptions_key == f"exceptions/Salesforce-Thing/{hour}/exceptions_page.parquet"
    assert intake.read(result.exceptions_key).column_names[-1] == "messages"
    assert result.rules[0]["records"] == 1


def test_report_counts_what_was_set_aside(intake: Any) -> None:
    intake.with_rule("Size <> 1").land(records(3))
    report = intake.ingestor.sweep()
    assert (report.ok, report.curated_rows, report.rejected_rows) == (False, 2, 1)


def test_rule_of_level_error_rejects_the_file(intake: Any) -> None:
    result = intake.with_rule("Size < 2", "error").ingest(records(3))
    assert (result.state, result.check) == ("error", "rule")
    assert "row 3 (id-2): broken" in result.message
    assert intake.curated_keys() == []


def test_warning_is_reported_and_nothing_else(intake: Any) -> None:
    result = intake.with_rule("Size < 1", "warning").ingest(records(3))
    assert (result.ok, result.curated_rows) == (True, 3)
    assert "warning: 2 rows: broken" in result.message


def test_mapped_column_is_in_curated(intake: Any) -> None:
    mapping = ColumnMapping(target="Double", sql="Size * 2", type="BIGINT")
    intake.with_object(SyncedObject(api_name="Thing__c", mappings=(mapping,)))
    result = intake.ingest(records(2))
    assert intake.rows(result, "Double") == [{"Double": 0}, {"Double": 2}]


@pytest.mark.parametrize("described", [False, True])
def test_a_file_without_a_rules_column_is_taken_in(intake: Any, described: bool) -> None:
    """Null passes."""
    if described:
        intake.describe(Id=pa.string(), Size=pa.int64())
    result = intake.with_rule("Size > 0", level="error").ingest({"Id": ["a"]})
    assert (result.state, result.curated_rows) == ("success", 1)
    with_size = intake.ingest({"Id": ["a"], "Size": [0]}, run="run-2")
    assert with_size.check == "rule"


def test_rule_that_cannot_be_evaluated_blocks_its_object_alone(intake: Any) -> None:
    intake.with_rule("Nothing = 1")
    blocked = intake.land(records(1))
    intake.land(records(1), name="Account")
    with pytest.raises(ConfigurationError, match=r"objects\.Thing__c\.columns\.Size"):
        intake.ingestor.ingest(blocked)
    report = intake.ingestor.sweep()
    assert {file.object: file.state for file in report.files} == {
        "Account": "success",
        "Thing__c": "blocked",
    }
    assert "objects.Thing__c.columns.Size" in report.blocked[0].message
    assert not report.ok
    keys = intake.keys()
    assert "in/dev-Salesforce-Thing/run-1/page.parquet" in keys
    assert intake.with_rule("Size >= 0").ingestor.sweep().ok


@settings(
    max_examples=examples(8, many=60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    sizes=st.lists(st.none() | st.integers(0, 9), max_size=50),
    limit=st.integers(0, 9),
    group=st.integers(1, 20),
)
def test_what_landed_is_curated_or_set_aside(
    new_intake: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[int | None],
    limit: int,
    group: int,
) -> None:
    intake = new_intake(tmp_path_factory.mktemp("lake")).with_rule(f"Size <= {limit}")
    ids = [f"id-{n}" for n in range(len(sizes))]
    table = pa.table({"Id": pa.array(ids, pa.string()), "Size": pa.array(sizes, pa.int64())})
    result = intake.ingest(table, row_group_size=group)
    curated = [row["Id"] for row in intake.rows(result, "Id")]
    aside = (
        [row["Id"] for row in intake.rejected_rows(result, "Id")] if result.exceptions_key else []
    )
    assert result.landed_rows == result.curated_rows + result.rejected_rows == len(ids)
    assert sorted(curated + aside) == sorted(ids)
    assert aside == [f"id-{n}" for n, size in enumerate(sizes) if size is not None and size > limit]
