from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from seil.catalog import SyncedObject
from seil.events.envelope import Event
from seil.lake import archived_file
from seil.sf_to_dw.ingest.files import list_files, why
from seil.sf_to_dw.ingest.retry import RetryResult, retry

GOOD = {"Id": ["a", "b"], "Size": [1, 2]}


@pytest.fixture
def lake_of_all(intake: Any) -> Any:
    """A file in every state."""
    intake.with_rule("Size <> 1").ingest(GOOD, file="good.parquet")
    intake.ingest(b"garbage", file="bad.parquet")
    intake.ingest(b"garbage", "Contact", file="bad.parquet")
    intake.land(GOOD, run="run-2", file="new.parquet")
    return intake


def test_every_file_is_listed_with_its_state(lake_of_all: Any) -> None:
    entries = [
        (f.state, f.landing_name, f.flow_run_id, f.key.rpartition("/")[2])
        for f in list_files(lake_of_all.lake)
    ]
    assert entries == [
        ("in", "Thing", "run-2", "new.parquet"),
        ("processed", "Thing", "run-1", "good.parquet"),
        ("error", "Contact", "run-1", "bad.parquet"),
        ("error", "Thing", "run-1", "bad.parquet"),
        ("curated", "Thing", "", "curated_good.parquet"),
        ("exceptions", "Thing", "", "exceptions_good.parquet"),
    ]


def test_files_of_one_state_and_object_are_listed(lake_of_all: Any) -> None:
    contact = lake_of_all.catalog["Contact"]
    (file,) = list_files(lake_of_all.lake, "error", contact)
    assert (file.landing_name, file.size) == ("Contact", 7)
    assert file.modified.tzinfo is not None
    assert list(list_files(lake_of_all.lake, "in", contact)) == []


def test_why_shows_the_reason_and_the_history(lake_of_all: Any) -> None:
    (file,) = list_files(lake_of_all.lake, "error", lake_of_all.catalog["Thing__c"])
    story = why(lake_of_all.lake, lake_of_all.bus, file.key)
    assert story.file == file
    assert story.reason == "the file has 7 bytes, fewer than the minimum of 12"
    assert [event.detail["state"] for _, event in story.events] == ["error"]


def test_why_counts_the_reasons_of_set_aside_records(lake_of_all: Any) -> None:
    (file,) = list_files(lake_of_all.lake, "exceptions")
    key = next(iter(lake_of_all.events())).detail["key"]
    lake_of_all.bus.publish([Event("seil.sf-to-dw", "schema-drift", {"key": key, "message": "x"})])
    story = why(lake_of_all.lake, lake_of_all.bus, key)
    assert story.reason == "1 of 2 rows curated; 1 set aside (1 broken); added Id, Size"
    assert file.key == lake_of_all.events()[0].detail["exceptions_key"]


def test_why_adds_what_to_do(intake: Any) -> None:
    result = intake.ingest(GOOD, "Nothing")
    assert "Add the object to objects.toml" in why(intake.lake, intake.bus, result.key).reason


class NoHistory:
    def history(self, key: str) -> list[tuple[int, Event]]:
        return []


@pytest.mark.parametrize(
    ("name", "history", "reason"),
    [
        ("in/dev-Salesforce-Thing/run-2/new.parquet", NoHistory(), "waits for the next ingest"),
        ("in/dev-Salesforce-Thing/run-2/none", NoHistory(), "there is no such file"),
        ("error/unrecognised/x", NoHistory(), "there is no event about it"),
        ("error/unrecognised/x", None, "there is no journal"),
    ],
)
def test_why_without_events(lake_of_all: Any, name: str, history: Any, reason: str) -> None:
    lake_of_all.lake.landing.put("error/unrecognised/x", b"x")
    assert reason in why(lake_of_all.lake, history, name).reason


def test_retry_sends_a_failed_file_round_again_and_keeps_its_history(intake: Any) -> None:
    failed = intake.ingest({"Id": ["a"], "Size": [1]}, "Late")
    intake.with_object(SyncedObject(api_name="Late__c"))
    (retried,) = retry(intake.lake, intake.bus, [failed.archived_key])
    assert retried == RetryResult(failed.archived_key, failed.key)
    assert intake.ingestor.ingest(failed.key).state == "success"
    states = [e.detail["state"] for _, e in intake.bus.history(failed.key) if "state" in e.detail]
    assert states == ["error", "retry", "success"]
    (created,) = intake.events("Object Created")
    assert created.detail["object"]["key"] == failed.key


def test_file_that_fails_again_is_reported_again(intake: Any) -> None:
    failed = intake.ingest(b"garbage")
    retry(intake.lake, intake.bus, [failed.archived_key])
    again = intake.ingestor.ingest(failed.key)
    assert again.state == "error"
    assert [event.detail["state"] for event in intake.events()] == ["error", "error"]


def test_retried_file_is_new(intake: Any) -> None:
    failed = intake.ingest(b"garbage")
    before = datetime.now(UTC)
    retry(intake.lake, intake.bus, [failed.archived_key])
    entry = intake.lake.landing.head(failed.key)
    assert abs((entry.modified - before).total_seconds()) < 5


def test_unrecognised_file_goes_back_where_it_lay(intake: Any) -> None:
    intake.lake.landing.put("in/stray", b"x")
    (file,) = intake.ingestor.sweep().files
    (retried,) = retry(intake.lake, intake.bus, [file.archived_key])
    assert retried.target == "in/stray"
    assert intake.keys() == ["in/stray"]


def test_retry_does_not_overwrite_what_has_landed_since(intake: Any) -> None:
    failed = intake.ingest(b"garbage one")
    intake.land(b"something else")
    (retried,) = retry(intake.lake, intake.bus, [failed.archived_key])
    assert retried.target != failed.key
    assert len(intake.keys("in/")) == 2


def test_records_set_aside_are_retried_with_their_file(intake: Any) -> None:
    first = intake.with_rule("Size <> 1").ingest(GOOD)
    (retried,) = retry(intake.lake, intake.bus, [first.exceptions_key])
    assert retried.target == first.key
    second = intake.with_rule("Size > 0").ingestor.ingest(first.key)
    assert (second.curated_key, second.rejected_rows) == (first.curated_key, 0)
    assert [row["Id"] for row in intake.rows(second, "Id")] == ["a", "b"]
    assert intake.curated_keys() == [first.curated_key]


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("processed/Salesforce-Thing/2026/03/09/12/run-1/a", "only files below error/"),
        ("in/dev-Salesforce-Thing/run-1/a", "only files below error/"),
        ("error/Salesforce-Thing/2026/03/09/12/run-1/a", "there is no error/"),
        ("exceptions/Salesforce-Thing/2026/03/09/12/a.parquet", "there is no exceptions/"),
        ("exceptions/foreign.parquet", "does not name"),
    ],
)
def test_what_cannot_be_retried_is_refused(intake: Any, key: str, reason: str) -> None:
    intake.lake.curated.put("exceptions/foreign.parquet", b"x")
    (retried,) = retry(intake.lake, intake.bus, [key])
    assert reason in retried.refused
    assert intake.bus.events == {}


def test_exceptions_whose_file_is_gone_are_refused(intake: Any) -> None:
    result = intake.with_rule("Size <> 1").ingest(GOOD)
    intake.lake.landing.delete(result.archived_key)
    (retried,) = retry(intake.lake, intake.bus, [result.exceptions_key])
    assert retried.refused == f"there is no {result.archived_key}"


def test_archived_key_is_read_back(intake: Any) -> None:
    archived = archived_file(intake.ingest(GOOD).archived_key)
    assert archived is not None
    assert archived.landed_file("dev").key == "in/dev-Salesforce-Thing/run-1/page.parquet"
