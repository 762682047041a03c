"""Rows into the org: every row is accounted for, whatever goes wrong on the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from tests.bookings import NAME, ROWS, bookings, by_job

from seil.errors import ObjectRejectedError, QuotaExhaustedError, SeilError
from seil.salesforce.org import Org
from seil.salesforce.writes.batch import BEFORE, CLEAR, PARENT, WriteTarget, parts
from seil.salesforce.writes.writer import (
    Writer,
    WriterOptions,
)
from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.server import OrgServer
from seil.state.outcomes import OutcomeFilter, OutcomeLog
from seil.state.store import State

UPSERT = WriteTarget(NAME, "upsert", "Key__c")
UPDATE = WriteTarget(NAME, "update")
INSERT = WriteTarget(NAME, "insert", "Number__c")
DELETE = WriteTarget(NAME, "delete")
OPTIONS = {"collections": WriterOptions(pause=0), "job": by_job()}

pytestmark = pytest.mark.parametrize("way", OPTIONS)


def records(org: Org, fields: str = "Key__c, Note__c") -> list[dict[str, Any]]:
    return list(org.query(f"SELECT {fields} FROM {NAME} ORDER BY Key__c"))


def states(state: State) -> dict[str, int]:
    return state.outcomes.counts(OutcomeFilter(flow="test"))


def test_upsert_creates_then_updates(org: Org, log: OutcomeLog, state: State, way: str) -> None:
    writer = Writer(org, log, OPTIONS[way])
    assert writer.write(UPSERT, [bookings(5)], rows=5) == {"written": 5}
    changed = bookings(7, Note__c='a "b",\nc é', Amount__c="12345678901234.56")
    assert writer.write(UPSERT, [changed], rows=7) == {"written": 7}
    rows = records(org, "Key__c, Note__c, Amount__c")
    assert [row["Key__c"] for row in rows] == [f"k{n:05d}" for n in range(7)]
    assert {row["Note__c"] for row in rows} == {'a "b",\nc é'}
    assert {str(row["Amount__c"]) for row in rows} == {"12345678901234.56"}
    assert states(state) == {"written": 7}


def test_null_leaves_a_field_and_a_mark_clears_it(
    org: Org, log: OutcomeLog, ids: list[str], way: str
) -> None:
    rows = pa.table({"Id": ids[:1], "Note__c": [CLEAR], "Name": pa.array([None], pa.string())})
    Writer(org, log, OPTIONS[way]).write(UPDATE, [rows], rows=1)
    (record, *_) = records(org, "Note__c, Name, Amount__c, Key__c")
    assert (record["Note__c"], record["Name"], str(record["Amount__c"])) == (None, "B", "10.25")


def test_columns_that_are_ours_are_not_sent(
    org: Org, log: OutcomeLog, state: State, ids: list[str], way: str
) -> None:
    rows = pa.table(
        {"Id": ids[:1], "Note__c": ["new"], PARENT: ["p"], BEFORE: ['{"Note__c": "old"}']}
    )
    Writer(org, log, OPTIONS[way]).write(UPDATE, [rows], rows=1)
    (outcome,) = state.outcomes.find(OutcomeFilter(flow="test"))
    assert (outcome.fields, outcome.image_before) == ({"Note__c": "new"}, {"Note__c": "old"})
    assert (outcome.key, outcome.record_id, outcome.state) == (ids[0], ids[0], "written")


def test_one_rejected_row_stops_no_other(
    org: Org, log: OutcomeLog, state: State, ids: list[str], way: str
) -> None:
    amounts = ["1.00", "many", "3.00"]
    rows = pa.table({"Id": ids[:3], "Amount__c": amounts})
    counts = Writer(org, log, OPTIONS[way]).write(UPDATE, [rows], rows=3)
    assert counts == {"written": 2, "rejected": 1}
    (outcome,) = state.outcomes.find(OutcomeFilter(state="rejected"))
    assert outcome.key == ids[1]
    assert "many" in outcome.reason or outcome.code


def test_deleted_record_is_missing(org: Org, log: OutcomeLog, ids: list[str], way: str) -> None:
    writer = Writer(org, log, OPTIONS[way])
    assert writer.write(DELETE, [pa.table({"Id": ids[:2]})], rows=2) == {"written": 2}
    rows = pa.table({"Id": ids[1:3], "Note__c": ["x", "x"]})
    assert writer.write(UPDATE, [rows], rows=2) == {"missing": 1, "written": 1}
    assert len(records(org)) == ROWS - 2


@pytest.mark.parametrize(
    "target", [replace(INSERT, key="Id"), replace(UPDATE, key="Key__c")], ids=["insert", "update"]
)
def test_target_without_its_key_is_refused(
    org: Org, log: OutcomeLog, target: WriteTarget, way: str
) -> None:
    with pytest.raises(ObjectRejectedError, match=NAME):
        Writer(org, log, OPTIONS[way]).write(target, [bookings(1)], rows=1)


def test_deletion_whose_answer_was_lost_is_written(
    org: Org, server: OrgServer, log: OutcomeLog, state: State, ids: list[str], way: str
) -> None:
    path = "composite/sobjects" if way == "collections" else r"jobs/ingest/\w+$"
    lost = OrgFault(path=path, commit=True, status=500, code="X", times=1)
    server.faults.add(lost)
    rows = pa.table({"Id": ids[:2]})
    assert Writer(org, log, OPTIONS[way]).write(DELETE, [rows], rows=2) == {"written": 2}
    assert (states(state), len(records(org))) == ({"written": 2}, ROWS - 2)


def test_write_beyond_the_budget_is_refused_before_anything_is_sent(
    org: Org, server: OrgServer, log: OutcomeLog, state: State, way: str
) -> None:
    used = {"Sforce-Limit-Info": "api-usage=89999/100000"}
    server.faults.add(OrgFault(path="describe", set_headers=used))
    with pytest.raises(QuotaExhaustedError, match="writing 5 rows takes about"):
        Writer(org, log, replace(OPTIONS[way], call_rows=1)).write(UPSERT, [bookings(5)], rows=5)
    assert states(state) == {}


def test_quota_that_ends_in_the_middle_names_what_was_sent(
    org: Org, server: OrgServer, log: OutcomeLog, state: State, ids: list[str], way: str
) -> None:
    path = "composite/sobjects" if way == "collections" else "batches"
    fault = OrgFault(path=path, status=403, code="REQUEST_LIMIT_EXCEEDED", after=1)
    server.faults.add(fault)
    tables = [pa.table({"Id": [record_id], "Note__c": ["new"]}) for record_id in ids]
    options = replace(OPTIONS[way], job_rows=10, jobs_at_once=1, call_rows=10)
    with pytest.raises(QuotaExhaustedError, match=f"; 10 of {ROWS} rows of {NAME} were sent"):
        Writer(org, log, options).write(UPDATE, tables, rows=ROWS)
    assert states(state) == {"written": 10, "retrying": 10}
    [row, *_] = state.outcomes.find(OutcomeFilter(state="retrying"))
    assert row.code == "NOT_SENT"


def test_quota_that_ends_after_a_lost_answer_leaves_the_rows_in_doubt(
    org: Org, server: OrgServer, log: OutcomeLog, state: State, ids: list[str], way: str
) -> None:
    path = "composite/sobjects" if way == "collections" else "batches"
    server.faults.add(OrgFault(path=path, commit=True, status=500, code="X", times=1))
    server.faults.add(OrgFault(path=path, status=403, code="REQUEST_LIMIT_EXCEEDED"))
    table = pa.table({"Id": ids, "Note__c": ["new"] * ROWS})
    with pytest.raises(QuotaExhaustedError):
        Writer(org, log, OPTIONS[way]).write(UPDATE, [table], rows=ROWS)
    assert states(state) == {"in_doubt": ROWS}


LOST = {
    "collections": OrgFault(path="composite/sobjects", commit=True, status=500, code="X"),
    "job": OrgFault(path="jobs/ingest", commit=True, status=500, code="X", every=2, times=20),
}


@pytest.mark.parametrize("target", [INSERT, UPSERT], ids=["insert", "upsert"])
def test_lost_answers_double_nothing(
    org: Org, server: OrgServer, log: OutcomeLog, state: State, target: WriteTarget, way: str
) -> None:
    server.faults.add(LOST[way].model_copy(update={"times": 3 if way == "collections" else 20}))
    writer = Writer(org, log, OPTIONS[way])
    for _ in range(4):
        writer.recover()
        if states(state) == {"written": 5}:
            break
        try:
            writer.write(target, [bookings(5)], rows=5)
        except SeilError:
            server.faults.clear()
    assert states(state) == {"written": 5}
    assert len(records(org)) == 5


def test_locked_rows_are_tried_again(
    org: Org, server: OrgServer, log: OutcomeLog, state: State, ids: list[str], way: str
) -> None:
    rows = pa.table({"Id": ids, "Note__c": ["new"] * ROWS})
    path = "composite/sobjects" if way == "collections" else "batches"
    fault = OrgFault(path=path, status=400, code="UNABLE_TO_LOCK_ROW", times=1)
    server.faults.add(fault)
    counts = Writer(org, log, OPTIONS[way]).write(UPDATE, [rows], rows=ROWS)
    assert counts == {"written": ROWS}
    assert {record["Note__c"] for record in records(org)} == {"new"}


def test_parts_end_where_the_parent_changes(way: str) -> None:
    parents = ["a"] * 3 + ["b"] * 2 + ["c"] * 9
    table = pa.table({"Id": [f"{n}" for n in range(14)], PARENT: parents})
    cut = list(parts([table.slice(0, 6), table.slice(6)], rows=4))
    assert [part.rows[PARENT].to_pylist() for part in cut] == [
        ["a"] * 3, ["b"] * 2, ["c"] * 4, ["c"] * 4, ["c"],
    ]  # fmt: skip
    assert [part.follows for part in cut] == [False, False, False, True, True]
    assert way
