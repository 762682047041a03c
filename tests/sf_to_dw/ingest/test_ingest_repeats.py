from __future__ import annotations

import os
from typing import Any

import pyarrow as pa
import pytest

from seil.catalog import SyncedObject
from seil.salesforce.schema import Field, ObjectSchema
from seil.sf_to_dw.ingest.deliveries import free_key
from seil.sf_to_dw.schema.registry import SchemaRegistry

THING = SyncedObject(api_name="Thing__c")
MONEY = pa.decimal128(18, 2)


def records(count: int, start: int = 0) -> dict[str, Any]:
    return {"Id": [f"id-{n}" for n in range(start, start + count)], "Size": list(range(count))}


def test_file_delivered_again_changes_nothing(intake: Any) -> None:
    first = intake.ingest(records(3))
    os.utime(intake.lake.landing.path(first.archived_key), (0, 0))
    again = intake.ingest(records(3))
    assert (again.curated_key, again.archived_key) == (first.curated_key, first.archived_key)
    assert intake.curated_keys() == [first.curated_key]
    assert intake.keys() == [first.archived_key]


def test_file_delivered_again_in_a_later_hour_keeps_its_hour(intake: Any) -> None:
    key = intake.land(records(3))
    os.utime(intake.lake.landing.path(key), (1_000_000_000, 1_000_000_000))
    first = intake.ingestor.ingest(key)
    assert first.curated_key == "Salesforce-Thing/2001/09/09/01/curated_page.parquet"
    assert intake.ingest(records(3)).curated_key == first.curated_key
    assert intake.curated_keys() == [first.curated_key]


def test_other_content_under_the_same_name_is_kept_beside(intake: Any) -> None:
    first = intake.ingest(records(3))
    second = intake.ingest(records(4))
    third = intake.ingest(records(5))
    assert len({first.curated_key, second.curated_key, third.curated_key}) == 3
    assert len(intake.keys("processed/")) == 3
    assert [len(intake.rows(r, "Id")) for r in (first, second, third)] == [3, 4, 5]


def test_same_file_name_in_two_runs_of_an_hour(intake: Any) -> None:
    for run in ("run-1", "run-2"):
        intake.land(records(2), run=run)
    report = intake.ingestor.sweep()
    keys = sorted(file.curated_key for file in report.files)
    assert intake.curated_keys() == keys
    assert len(set(keys)) == 2
    plain = [key for key in keys if key.endswith("/curated_page.parquet")]
    assert len(plain) == 1


def test_only_folders_of_our_own_runs_go_when_they_are_empty(intake: Any) -> None:
    runs = {"20260309T120000Z-0a1b2c3d": False, "prepared-by-hand": True}
    for run, stays in runs.items():
        key = intake.land(records(2), run=run)
        intake.ingestor.ingest(key)
        assert intake.lake.landing.path(key).parent.exists() is stays
        assert intake.lake.landing.path(key).parent.parent.exists()
    assert list(intake.lake.staging.path("pending").rglob("2026*")) == []


def test_names_given_up_by_a_file_that_got_in_elsewhere_stay_its_own(intake: Any) -> None:
    """Its claim was given up by a run that had lost its lease, while the next took it in."""
    first = intake.ingest({"Id": ["a"], "Size": ["1"]})
    claim = f"claims/{first.curated_key}"
    intake.lake.staging.put(claim, b"")
    second = intake.ingest({"Id": ["b"], "Size": ["2"]})
    assert second.curated_key != first.curated_key
    assert [row["Id"] for row in intake.rows(first, "Id")] == ["a"]


def test_corrected_file_gets_the_plain_name(intake: Any) -> None:
    intake.describe(Id=pa.string(), Size=pa.int64())
    assert intake.ingest({"Id": ["a"], "Size": ["x"]}).state == "error"
    result = intake.ingest({"Id": ["a"], "Size": ["1"]})
    assert result.curated_key.endswith("/curated_page.parquet")


def test_set_aside_records_come_in_once_the_rule_is_right(intake: Any) -> None:
    first = intake.with_rule("Size <> 1").ingest(records(3))
    second = intake.with_rule("Size >= 0").ingest(records(3))
    assert second.curated_key == first.curated_key
    assert intake.curated_keys() == [first.curated_key]
    assert len(intake.rows(second, "Id")) == 3


def test_error_file_does_not_overwrite_another_one(intake: Any) -> None:
    intake.ingest(b"garbage one......")
    intake.ingest(b"garbage two......")
    intake.ingest(b"garbage two......")
    contents = [intake.lake.landing.get(key) for key in intake.keys("error/")]
    assert sorted(contents) == [b"garbage one......", b"garbage two......"]


def test_file_that_is_gone_is_nothing_to_do(intake: Any) -> None:
    result = intake.ingestor.ingest("in/dev-Salesforce-Thing/run-1/page.parquet")
    assert (result.state, result.ok) == ("gone", True)
    assert intake.events() == []


def test_two_files_may_widen_the_schema_at_once(intake: Any) -> None:
    intake.describe(Id=pa.string(), Amount=MONEY)
    intake.workers = 4
    for n in range(1, 9):
        amount = f"0.{'1' * n}"
        intake.land({"Id": ["a"], "Amount": [amount], f"New{n}": [1]}, file=f"{n}.parquet")
    report = intake.ingestor.sweep()
    assert len(report.succeeded) == 8
    schema = intake.registry.expected(THING)
    assert schema is not None
    amount_field = schema.get("Amount")
    assert amount_field is not None
    assert amount_field.arrow == pa.decimal128(24, 8)
    assert {f"New{n}" for n in range(1, 9)} <= {f.name for f in schema.fields}


class Overtaken(SchemaRegistry):
    """Before its second reading, another file widens the schema."""

    readings = 0

    def expected(self, obj: SyncedObject) -> ObjectSchema | None:
        self.readings += 1
        if self.readings == 2:
            wide = Field("Amount", "x", pa.decimal128(24, 8))
            self.extend(obj, [wide], expected=super().expected(obj), source="another file")
        return super().expected(obj)


def test_a_column_that_another_file_widened_further_stays_so(intake: Any) -> None:
    intake.registry = Overtaken(intake.lake)
    intake.describe(Id=pa.string(), Amount=MONEY)
    result = intake.ingest({"Id": ["a"], "Amount": ["0.111"]})
    assert intake.registry.expected(THING).get("Amount").arrow == pa.decimal128(24, 8)
    assert intake.read(result.curated_key).schema.field("Amount").type == pa.decimal128(24, 8)


class Deaf:
    def publish(self, events: object) -> None:
        raise RuntimeError("killed")


@pytest.mark.parametrize("again", ["sweep", "take_in"])
def test_event_that_a_killed_run_owes_is_published_by_the_next(intake: Any, again: str) -> None:
    key = intake.land(records(1))
    bus, intake.bus = intake.bus, Deaf()
    with pytest.raises(RuntimeError):
        intake.ingestor.ingest(key)
    intake.bus = bus
    if again == "sweep":
        assert intake.ingestor.sweep().files == []
    else:
        assert intake.ingestor.ingest(key).state == "gone"
    (event,) = intake.events()
    assert (event.detail["state"], event.detail["key"]) == ("success", key)
    assert list(intake.lake.staging.list("pending/")) == []


def test_missing_target_leaves_a_name_free(intake: Any) -> None:
    key = intake.land(b"one")
    assert free_key(intake.lake.landing, key, "error/x") == "error/x"
