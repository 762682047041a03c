"""What lies beside a rejected file, and reading the records that were set aside."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seil.errors import LakeError
from seil.lake import Lake
from seil.lake.keys import ERROR_PREFIX
from seil.sf_to_dw.ingest.files import key_of, list_files, why
from seil.sf_to_dw.ingest.reasons import read_reason
from seil.sf_to_dw.ingest.retry import retry
from seil.sf_to_dw.ingest.set_aside import records_set_aside
from seil.sf_to_dw.schema.registry import SchemaRegistry

GOOD = {"Id": ["a", "b"], "Size": [1, 2]}


def in_error(intake: Any) -> list[str]:
    return [entry.key for entry in intake.lake.landing.list(ERROR_PREFIX)]


@pytest.mark.parametrize("name", ["Thing", "Nothing"], ids=["broken", "of no object"])
def test_reason_lies_beside_a_rejected_file(intake: Any, name: str) -> None:
    result = intake.ingest(b"garbage", name)
    assert in_error(intake) == [result.archived_key, f"{result.archived_key}.reason.json"]
    document = read_reason(intake.lake.landing, result.archived_key)
    [event] = intake.events()
    assert document == {
        "schema": "seil.reason/1",
        "key": result.key,
        "archived_key": result.archived_key,
        "object": event.detail["object"],
        "flow_run_id": "run-1",
        "check": result.check,
        "message": result.message,
        **({"hint": result.hint} if result.hint else {}),
        "bytes": 7,
        "at": "2026-03-09T12:30:00+00:00",
        "event_id": event.id,
        "retry": f"seil files retry {result.archived_key}",
    }


def test_retry_takes_the_reason_away(intake: Any) -> None:
    key = intake.ingest(b"garbage").archived_key
    [retried] = retry(intake.lake, intake.bus, [key])
    assert retried.target
    assert in_error(intake) == []


def test_reason_is_no_file_of_the_lake(intake: Any) -> None:
    key = intake.ingest(b"garbage").archived_key
    assert [file.key for file in list_files(intake.lake)] == [key]
    [refused] = retry(intake.lake, intake.bus, [f"{key}.reason.json"])
    assert refused.refused == "says why the file beside it was rejected: retry that one"


def test_a_rejected_file_with_the_name_of_a_reason_is_a_file(intake: Any) -> None:
    result = intake.ingest(b"garbage", file="x.parquet.reason.json")
    assert [file.key for file in list_files(intake.lake, "error")] == [result.archived_key]
    assert retry(intake.lake, intake.bus, [result.archived_key])[0].target


def test_why_reads_the_reason_where_no_event_has_it(intake: Any) -> None:
    key = intake.ingest(b"garbage").archived_key
    assert (
        why(intake.lake, None, key).reason == "the file has 7 bytes, fewer than the minimum of 12"
    )


def test_a_kill_before_the_reason_is_made_good(
    intake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing, put = intake.lake.landing, intake.lake.landing.put

    def killed(key: str, data: bytes, **options: Any) -> bool:
        if key.endswith(".reason.json"):
            raise KeyboardInterrupt
        written: bool = put(key, data, **options)
        return written

    monkeypatch.setattr(landing, "put", killed)
    with pytest.raises(KeyboardInterrupt):
        intake.ingest(b"garbage")
    monkeypatch.undo()
    intake.ingestor.sweep()
    [file, reason] = in_error(intake)
    assert reason == f"{file}.reason.json"
    assert json.loads(landing.get(reason))["event_id"] == intake.events()[0].id


def test_a_file_sent_back_after_a_kill_leaves_no_reason(
    intake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(events: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(intake.bus, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            intake.ingest(b"garbage")
    [file] = list_files(intake.lake, "error")
    retry(intake.lake, intake.bus, [file.key])
    intake.ingestor.sweep()
    assert len(in_error(intake)) == 2


def test_records_set_aside_are_read_with_their_reasons(intake: Any) -> None:
    result = intake.with_rule("Size <> 1").ingest(GOOD)
    [entry] = records_set_aside(intake.lake, [result.exceptions_key])
    assert (entry.key, entry.landed_key) == (result.exceptions_key, result.key)
    assert entry.messages == ("broken",)
    assert (entry.record["Id"], entry.record["Size"]) == ("a", 1)


def test_a_column_called_messages_is_not_taken_for_the_reasons(intake: Any) -> None:
    result = intake.with_rule("Size <> 1").ingest({**GOOD, "messages": ["mine", "yours"]})
    [entry] = records_set_aside(intake.lake, [result.exceptions_key])
    assert entry.messages == ("broken",)
    assert entry.record["messages"] == "mine"


@pytest.mark.parametrize("key", ["exceptions/none.parquet", "Salesforce-Thing/x.parquet"])
def test_a_key_that_holds_no_records_set_aside_is_named(intake: Any, key: str) -> None:
    with pytest.raises(LakeError, match="there is no exceptions file of that key") as caught:
        list(records_set_aside(intake.lake, [key]))
    assert key in str(caught.value)


def test_a_place_on_disk_stands_for_its_key(intake: Any) -> None:
    intake.with_rule("Size <> 1").ingest(GOOD)
    for file in list_files(intake.lake):
        assert key_of(intake.lake, file.place) == file.key
        assert key_of(intake.lake, file.key) == file.key
        bucket = intake.lake.curated if file.state == "exceptions" else intake.lake.landing
        if file.state in ("exceptions", "processed"):
            assert key_of(intake.lake, bucket.uri(file.key)) == file.key


def test_a_damaged_clean_copy_is_made_again_by_a_retry(intake: Any) -> None:
    result = intake.ingest(GOOD)
    whole = intake.lake.curated.get(result.curated_key)
    intake.lake.curated.put(result.curated_key, whole[:-20])
    [retried] = retry(intake.lake, intake.bus, [result.curated_key])
    assert retried.target == result.key
    [again] = intake.ingestor.sweep().files
    assert again.curated_key == result.curated_key
    assert intake.rows(again, "Id", "Size") == [{"Id": "a", "Size": 1}, {"Id": "b", "Size": 2}]


def test_reason_comes_and_goes_on_s3(intake: Any, s3_url: str) -> None:
    intake.lake = Lake.at(s3_url, env="dev", project="seil")
    intake.registry = SchemaRegistry(intake.lake)
    result = intake.ingest(b"garbage")
    assert in_error(intake) == [result.archived_key, f"{result.archived_key}.reason.json"]
    [file] = list_files(intake.lake, "error")
    assert file.place == intake.lake.landing.uri(result.archived_key)
    assert key_of(intake.lake, file.place) == file.key
    [retried] = retry(intake.lake, intake.bus, [file.key])
    assert retried.target == result.key
    assert in_error(intake) == []
