"""From a query to the org and back: plan, apply, undo."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.bookings import NAME, by_job
from tests.dw_to_sf.conftest import ROWS, BookingSource, push
from tests.rest_writes import write

from seil.dw_to_sf.apply import Application
from seil.dw_to_sf.definition import PushDefinition
from seil.dw_to_sf.plan import Plan, PlanRefusedError, first_values, make_plan, read_plan
from seil.errors import ConfigurationError, UnavailableError
from seil.salesforce.org import Org
from seil.salesforce.writes.rules import FieldRule
from seil.salesforce.writes.writer import WriterOptions
from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.server import OrgServer
from seil.state.outcomes import OutcomeFilter
from seil.state.store import State

SOME = """
SELECT id AS "Id", CASE WHEN key__c < 'k00002' THEN 'new' ELSE note__c END AS note,
    CAST(amount__c AS DECIMAL(18, 2)) AS amount FROM mirror
"""
WAYS = {"collections": WriterOptions(pause=0), "job": by_job()}


def plan_of(definition: PushDefinition, org: Org, source: BookingSource, folder: Path) -> Plan:
    return make_plan(definition, org.write_rules(NAME), source, folder)


def application(org: Org, state: State, run_id: str, way: str = "collections") -> Application:
    log = state.outcomes.log("push:notes", run_id)
    return Application(org, org.write_rules(NAME), log, WAYS[way], lambda _: None)


def new_booking(operation: str, key: str) -> PushDefinition:
    query = f"""SELECT 'n1' AS "{key}", 'N' AS name, 'made' AS note"""
    fields = {"Name": "name", "Note__c": "note"}
    return push(query, operation=operation, key=key, fields=fields)


def values(org: Org, fields: str = "Note__c") -> list[Any]:
    records = org.query(f"SELECT {fields} FROM {NAME} ORDER BY Key__c")
    return [record[fields] for record in records]


def rows_of(plan: Plan) -> list[dict[str, Any]]:
    return duckdb.read_parquet(str(plan.path)).to_arrow_table().to_pylist()


@pytest.mark.parametrize("way", WAYS)
def test_only_what_differs_is_planned_written_and_undone(
    org: Org, state: State, source: BookingSource, tmp_path: Path, way: str
) -> None:
    plan = plan_of(push(SOME), org, source, tmp_path)
    assert (plan.counts.records, plan.counts.same, plan.counts.changed) == (ROWS, ROWS - 2, 2)
    assert [(r["field"], r["old"], r["new"], r["verdict"]) for r in rows_of(plan)] == [
        ("Note__c", "old", "new", "ours")
    ] * 2
    assert application(org, state, "run-1", way).apply(plan) == {"written": 2}
    assert values(org) == ["new", "new", *["old"] * (ROWS - 2)]
    assert application(org, state, "run-2", way).apply(plan) == {"unchanged": 2}
    assert application(org, state, "run-3", way).undo(state.outcomes, "run-1") == {"written": 2}
    assert values(org) == ["old"] * ROWS
    assert state.outcomes.counts(OutcomeFilter(run_id="run-1")) == {"undone": 2}


def test_record_edited_after_the_plan_is_refused_and_the_others_are_written(
    org: Org, server: OrgServer, state: State, source: BookingSource, tmp_path: Path
) -> None:
    plan = plan_of(push(SOME), org, source, tmp_path)
    edited = rows_of(plan)[0]["key"]
    write(server.url, "PATCH", f"{NAME}/{edited}", {"Note__c": "theirs"})
    assert application(org, state, "run-1").apply(plan) == {"rejected": 1, "written": 1}
    (refused,) = state.outcomes.find(OutcomeFilter(state="rejected"))
    assert (refused.key, refused.code) == (edited, "CHANGED_SINCE")
    assert refused.reason == "Note__c is 'theirs' now, it was 'old'"
    assert values(org)[:2] == ["theirs", "new"]


def test_record_deleted_after_the_plan_is_missing(
    org: Org, server: OrgServer, state: State, source: BookingSource, tmp_path: Path
) -> None:
    plan = plan_of(push(SOME), org, source, tmp_path)
    write(server.url, "DELETE", f"{NAME}/{rows_of(plan)[0]['key']}")
    assert application(org, state, "run-1").apply(plan) == {"missing": 1, "written": 1}


def test_picklist_value_that_was_retired_since_is_rejected_with_its_reason(
    org: Org, state: State, source: BookingSource, tmp_path: Path
) -> None:
    # The plan was made while the value was active.
    rules = org.write_rules(NAME)
    stage = replace(rules.get("Stage__c") or FieldRule("", ""), values=("Open", "Retired"))
    others = [rule for rule in rules.fields if rule.name != "Stage__c"]
    rules = replace(rules, fields=(*others, stage))
    query = """SELECT id AS "Id", CASE key__c WHEN 'k00000' THEN 'Retired' ELSE 'Open' END AS stage
        FROM mirror WHERE key__c < 'k00003'"""
    plan = make_plan(push(query, fields={"Stage__c": "stage"}), rules, source, tmp_path)
    assert plan.writes == 3
    assert application(org, state, "run-1").apply(plan) == {"rejected": 1, "written": 2}
    (outcome,) = state.outcomes.find(OutcomeFilter(state="rejected"))
    assert outcome.code == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    assert "Retired" in outcome.reason


def test_plan_of_an_older_version_is_refused(
    org: Org, source: BookingSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seil.dw_to_sf.plan.VERSION", 0)
    plan = plan_of(push(SOME), org, source, tmp_path)
    monkeypatch.undo()
    with pytest.raises(PlanRefusedError, match="it has version 0, this is 2"):
        read_plan(tmp_path, "notes", plan.hash)


def test_brakes_depend_on_nothing_beside_the_plan(
    org: Org, source: BookingSource, tmp_path: Path
) -> None:
    plan = plan_of(push(SOME, brakes={"share": 0.1}), org, source, tmp_path)
    assert [file.name for file in plan.path.parent.iterdir()] == [plan.path.name]
    plan.path.with_suffix(".json").write_text('{"mirrored": 100000, "x": 1}')
    stored = read_plan(tmp_path, "notes", plan.hash)
    assert stored.counts == plan.counts
    assert stored.over_the_brakes == ["33% of the object, brake 10%"]


@pytest.mark.parametrize("part", ["cut", "named by its hash"])
def test_damaged_plan_is_refused_by_name(
    org: Org, source: BookingSource, tmp_path: Path, part: str
) -> None:
    path = plan_of(push(SOME), org, source, tmp_path).path
    content = path.read_bytes()[:-20]
    if part == "named by its hash":
        path = path.with_stem(hashlib.sha256(content).hexdigest()[:16])
    path.write_bytes(content)
    with pytest.raises(PlanRefusedError, match=f"plan {path.stem} of push notes") as caught:
        read_plan(tmp_path, "notes", path.stem)
    assert "`seil push plan notes`" in caught.value.hint


def test_undo_leaves_what_somebody_wrote_since(
    org: Org, server: OrgServer, state: State, source: BookingSource, tmp_path: Path
) -> None:
    plan = plan_of(push(SOME), org, source, tmp_path)
    application(org, state, "run-1").apply(plan)
    write(server.url, "PATCH", f"{NAME}/{rows_of(plan)[1]['key']}", {"Note__c": "theirs"})
    counts = application(org, state, "run-2").undo(state.outcomes, "run-1")
    assert counts == {"written": 1, "rejected": 1}
    assert values(org)[:2] == ["old", "theirs"]
    assert state.outcomes.counts(OutcomeFilter(run_id="run-1")) == {"undone": 1, "written": 1}


def test_inserted_records_are_deleted_by_undo(
    org: Org, state: State, source: BookingSource, tmp_path: Path
) -> None:
    plan = plan_of(new_booking("insert", "Number__c"), org, source, tmp_path)
    assert (plan.counts.new, plan.counts.changed) == (1, 0)
    assert application(org, state, "run-1").apply(plan) == {"written": 1}
    assert application(org, state, "run-2").apply(plan) == {"unchanged": 1}
    assert "made" in values(org)
    assert application(org, state, "run-3").undo(state.outcomes, "run-1") == {"written": 1}
    assert values(org) == ["old"] * ROWS


@pytest.mark.parametrize("lost", [1, 3], ids=["sent again by the run", "found by the next run"])
def test_undo_names_a_record_whose_creation_was_not_answered(
    org: Org, server: OrgServer, state: State, source: BookingSource, tmp_path: Path, lost: int
) -> None:
    plan = plan_of(new_booking("upsert", "Key__c"), org, source, tmp_path)
    fault = OrgFault(path="composite/sobjects", method="PATCH", commit=True, status=500, code="X")
    server.faults.add(fault.model_copy(update={"times": lost}))
    with suppress(UnavailableError):
        application(org, state, "run-1").apply(plan)
    application(org, state, "run-2").apply(plan)
    (written,) = state.outcomes.find(OutcomeFilter(run_id="run-1"))
    assert (written.state, written.created) == ("written", False)
    assert written.image_before == {"Id": None, "Name": None, "Note__c": None}
    assert application(org, state, "run-3").undo(state.outcomes, "run-1") == {"rejected": 1}
    (refused,) = state.outcomes.find(OutcomeFilter(run_id="run-3"))
    assert (refused.code, refused.record_id) == ("NO_IMAGE_BEFORE", written.record_id)
    assert "made" in values(org)


def test_undo_settles_records_that_an_interrupted_undo_restored(
    org: Org, server: OrgServer, state: State, source: BookingSource, tmp_path: Path
) -> None:
    plan = plan_of(push(SOME), org, source, tmp_path)
    application(org, state, "run-1").apply(plan)
    write(server.url, "PATCH", f"{NAME}/{rows_of(plan)[0]['key']}", {"Note__c": "old"})
    counts = application(org, state, "run-2").undo(state.outcomes, "run-1")
    assert counts == {"written": 1, "unchanged": 1}
    assert state.outcomes.counts(OutcomeFilter(run_id="run-1")) == {"undone": 2}


def test_undo_settles_created_records_that_are_deleted_already(
    org: Org, server: OrgServer, state: State, source: BookingSource, tmp_path: Path
) -> None:
    plan = plan_of(new_booking("insert", "Number__c"), org, source, tmp_path)
    application(org, state, "run-1").apply(plan)
    (created,) = state.outcomes.find(OutcomeFilter(run_id="run-1"))
    write(server.url, "DELETE", f"{NAME}/{created.record_id}")
    assert application(org, state, "run-2").undo(state.outcomes, "run-1") == {"unchanged": 1}
    assert state.outcomes.counts(OutcomeFilter(run_id="run-1")) == {"undone": 1}


def test_undo_names_fields_that_the_user_no_longer_sees(
    org: Org, state: State, source: BookingSource, tmp_path: Path
) -> None:
    application(org, state, "run-1").apply(plan_of(push(SOME), org, source, tmp_path))
    later = application(org, state, "run-2")
    fields = tuple(rule for rule in later.rules.fields if rule.name != "Note__c")
    later = replace(later, rules=replace(later.rules, fields=fields))
    with pytest.raises(ConfigurationError, match="Note__c: is no longer visible"):
        later.undo(state.outcomes, "run-1")


def test_ids_of_fifteen_characters_are_the_same_records(
    org: Org, state: State, source: BookingSource, tmp_path: Path
) -> None:
    short = push(SOME.replace("id AS", "left(id, 15) AS"))
    plan = plan_of(short, org, source, tmp_path)
    assert (plan.counts.changed, plan.counts.missing) == (2, 0)
    assert {len(row["key"]) for row in rows_of(plan)} == {18}
    assert application(org, state, "run-1").apply(plan) == {"written": 2}
    twice = SOME + "UNION ALL SELECT left(id, 15), note__c, amount__c FROM mirror"
    with pytest.raises(ConfigurationError, match="6 keys that are there twice"):
        plan_of(push(twice), org, source, tmp_path)


@pytest.mark.parametrize("new", [0, 2], ids=["changes", "changes and new records"])
def test_calls_of_a_plan_are_those_that_apply_makes(
    org: Org, server: OrgServer, state: State, source: BookingSource, tmp_path: Path, new: int
) -> None:
    query = f"""SELECT key__c AS "Key__c", 'N' AS name, 'new' AS note FROM mirror
        UNION ALL SELECT 'n' || i, 'N', 'new' FROM range({new}) t(i)"""
    fields = {"Name": "name", "Note__c": "note"}
    definition = push(query, operation="upsert", key="Key__c", fields=fields)
    plan = plan_of(definition, org, source, tmp_path)
    assert (plan.counts.new, plan.counts.changed) == (new, ROWS)
    before = org.usage.used if org.usage else 0
    assert application(org, state, "run-1").apply(plan) == {"written": ROWS + new}
    assert org.usage
    assert org.usage.used - before == plan.calls


@pytest.mark.parametrize(("operation", "key"), [("insert", "Number__c"), ("upsert", "Key__c")])
def test_record_created_after_the_plan_is_not_overwritten(
    org: Org,
    server: OrgServer,
    state: State,
    source: BookingSource,
    tmp_path: Path,
    operation: str,
    key: str,
) -> None:
    plan = plan_of(new_booking(operation, key), org, source, tmp_path)
    write(server.url, "POST", NAME, {key: "n1", "Name": "N", "Note__c": "theirs"})
    assert application(org, state, "run-1").apply(plan) == {"rejected": 1}
    assert "made" not in values(org)


def test_field_in_another_case_is_written(
    org: Org, state: State, source: BookingSource, tmp_path: Path
) -> None:
    plan = plan_of(push(SOME, fields={"note__C": "note"}), org, source, tmp_path)
    assert application(org, state, "run-1").apply(plan) == {"written": 2}
    assert values(org)[:2] == ["new", "new"]


@pytest.mark.parametrize(
    ("owner", "mirror", "writes"),
    [
        *(("ours", "x", 1), ("theirs", "x", 0), ("if_empty", "x", 0)),
        *(("ours", None, 1), ("theirs", None, 0), ("if_empty", None, 1)),
    ],
)
def test_owner_decides(
    org: Org, source: BookingSource, tmp_path: Path, owner: str, mirror: str | None, writes: int
) -> None:
    source.database.execute("UPDATE mirror SET note__c = ? WHERE key__c = 'k00000'", [mirror])
    query = """SELECT id AS "Id", 'new' AS note FROM mirror WHERE key__c = 'k00000'"""
    fields = {"Note__c": {"column": "note", "owner": owner}}
    assert plan_of(push(query, fields=fields), org, source, tmp_path).writes == writes


def test_verdicts_of_the_three_way_diff(
    org: Org, state: State, source: BookingSource, tmp_path: Path
) -> None:
    query = """SELECT id AS "Id", 'mine' AS note, 10.25 AS amount FROM mirror"""
    application(org, state, "run-1").apply(plan_of(push(query), org, source, tmp_path))
    source.read_org(org)
    now = "UPDATE mirror SET note__c = 'theirs' WHERE key__c IN ('k00000', 'k00001')"
    source.database.execute(now)
    later = """
        SELECT id AS "Id", CASE key__c WHEN 'k00000' THEN 'mine' ELSE 'newer' END AS note,
            10.25 AS amount FROM mirror WHERE key__c < 'k00003'"""
    plan = plan_of(push(later), org, source, tmp_path)
    assert [row["verdict"] for row in rows_of(plan)] == ["theirs", "conflict", "ours"]


def reject(org: Org, server: OrgServer, state: State, plan: Plan) -> None:
    errors = [{"statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "no", "fields": []}]
    results = json.dumps([{"success": False, "errors": errors}] * plan.writes)
    server.faults.add(OrgFault(method="PATCH", path="composite", text=results, times=1))
    assert application(org, state, "run-1").apply(plan) == {"rejected": plan.writes}


HELD_BACK: dict[str, tuple[dict[str, str], timedelta, str, int]] = {
    "nothing changed": ({}, timedelta(hours=23), "", 2),
    "row changed": ({}, timedelta(), "newer", 0),
    "record changed": ({}, timedelta(), "theirs", 1),
    "a day later": ({}, timedelta(hours=25), "", 0),
    "pause, row changed": ({"when": "pause"}, timedelta(), "newer", 2),
    "pause is over": ({"when": "pause", "pause": "1h"}, timedelta(hours=2), "", 0),
    "each run": ({"when": "each_run"}, timedelta(), "", 0),
}


@pytest.mark.parametrize("case", HELD_BACK)
def test_rejected_record_is_sent_again_by_policy(
    org: Org, server: OrgServer, state: State, source: BookingSource, tmp_path: Path, case: str
) -> None:
    retry, later, change, waiting = HELD_BACK[case]
    reject(org, server, state, plan_of(push(SOME, retry=retry), org, source, tmp_path))
    query = SOME.replace("'new'", "'newer'") if change == "newer" else SOME
    if change == "theirs":
        source.database.execute("UPDATE mirror SET note__c = 'x' WHERE key__c = 'k00000'")
    now = datetime.now(UTC) + later
    definition = push(query, retry=retry)
    plan = make_plan(definition, org.write_rules(NAME), source, tmp_path, now=now)
    assert (plan.counts.held, plan.counts.changed, plan.counts.refused) == (waiting, 2 - waiting, 0)
    assert plan.counts.fields.get("held", 0) == waiting
    problems = [row["problem"] for row in rows_of(plan) if row["held"]]
    assert all("FIELD_CUSTOM_VALIDATION_EXCEPTION: no; sent again " in p for p in problems)


BAD_VALUES = {
    "text too long": ("Name", "repeat('x', 300)", "300 characters, the field takes 255"),
    "no number": ("Amount__c", "'many'", "'many' is not a number"),
    "decimal places": ("Amount__c", "1.234", "'1.234' has more than 2 decimal places"),
    "digits": ("Amount__c", "12345678901234567", "digits before the point"),
    "NUL": ("Note__c", "'a' || chr(0)", "has a control character"),
    "control character": ("Note__c", "'a' || chr(11) || 'b'", "has a control character"),
    "mark": ("Note__c", "'#N/A'", "#N/A means null"),
}


@pytest.mark.parametrize("case", BAD_VALUES)
def test_value_that_salesforce_would_refuse_is_not_sent(
    org: Org, source: BookingSource, tmp_path: Path, case: str
) -> None:
    field, value, reason = BAD_VALUES[case]
    query = f"""SELECT id AS "Id", {value} AS bad, 'new' AS note FROM mirror LIMIT 1"""
    fields = {field: "bad"} | ({} if field == "Note__c" else {"Note__c": "note"})
    plan = plan_of(push(query, fields=fields), org, source, tmp_path)
    assert (plan.writes, plan.counts.refused) == (0, 1)
    assert any(reason in (row["problem"] or "") for row in rows_of(plan))


def test_values_with_a_problem_are_shown_first(
    org: Org, source: BookingSource, tmp_path: Path
) -> None:
    query = """SELECT id AS "Id",
        CASE key__c WHEN 'k00004' THEN chr(7) ELSE 'new' END AS note FROM mirror"""
    plan = plan_of(push(query, fields={"Note__c": "note"}), org, source, tmp_path)
    problems = [bool(value["problem"]) for value in first_values(plan, limit=3)]
    assert problems == [True, False, False]
    assert len(first_values(plan, limit=100)) == ROWS


BAD_KEYS = {
    "control character": ("'n' || chr(11)", "has a control character"),
    "mark": ("'#N/A'", "#N/A means null"),
    "too long": ("repeat('x', 300)", "300 characters, the field takes 255"),
}


@pytest.mark.parametrize("case", BAD_KEYS)
@pytest.mark.parametrize(("operation", "key"), [("insert", "Number__c"), ("upsert", "Key__c")])
def test_new_record_whose_key_salesforce_would_refuse_is_not_sent(
    org: Org, source: BookingSource, tmp_path: Path, operation: str, key: str, case: str
) -> None:
    value, reason = BAD_KEYS[case]
    query = f'''SELECT key AS "{key}", 'N' AS name FROM (VALUES ('n1'), ({value})) t(key)'''
    definition = push(query, operation=operation, key=key, fields={"Name": "name"})
    plan = plan_of(definition, org, source, tmp_path)
    assert (plan.counts.new, plan.counts.refused) == (1, 1)
    (problem,) = (row["problem"] for row in rows_of(plan) if row["problem"])
    assert problem.startswith(f"key {key}: ")
    assert reason in problem


NUMBERS = {
    "of 30 digits": (
        "1.5e30::DOUBLE",
        "15" + 29 * "0",
        " has more than 16 digits before the point",
    ),
    "of 40 digits": ("1.5e40::DOUBLE", "1.5e+40", " is too large a number"),
    "infinite": ("'inf'::DOUBLE", "inf", " is not a number"),
    "not a number": ("'nan'::DOUBLE", "nan", " is not a number"),
    "long and exact": (
        "123456789012345678901234.5",
        "123456789012345678901234.5",
        " has more than 16 digits before the point",
    ),
    "a float of 17 digits": (
        "12345678901234567::DOUBLE",
        "12345678901234568",
        " has more than 16 digits before the point",
    ),
    "a float with decimals": ("12.625::DOUBLE", "12.625", " has more than 2 decimal places"),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_number_out_of_range_is_refused_as_it_is_and_the_others_stay(
    org: Org, source: BookingSource, tmp_path: Path, case: str
) -> None:
    value, text, reason = NUMBERS[case]
    query = f"""SELECT id AS "Id", CASE WHEN key__c < 'k00001' THEN {value} ELSE 7 END AS number
        FROM mirror WHERE key__c < 'k00002'"""
    plan = plan_of(push(query, fields={"Amount__c": "number"}), org, source, tmp_path)
    assert (plan.counts.refused, plan.counts.changed) == (1, 1)
    assert [(r["new"], r["problem"]) for r in rows_of(plan)] == [
        (text, f"'{text}'{reason}"),
        ("7.00", None),
    ]


def test_float_is_written_with_its_digits(org: Org, source: BookingSource, tmp_path: Path) -> None:
    query = """SELECT id AS "Id", 1234567890123457::DOUBLE AS number FROM mirror LIMIT 1"""
    plan = plan_of(push(query, fields={"Amount__c": "number"}), org, source, tmp_path)
    assert [row["new"] for row in rows_of(plan)] == ["1234567890123457.00"]


BAD_PUSHES: dict[str, tuple[dict[str, Any], str]] = {
    "no key": ({"query": "SELECT 'x' AS note, 1 AS amount"}, "gives no column Id"),
    "key twice": (
        {"query": """SELECT m.id AS "Id", 'x' AS note, 1 AS amount FROM mirror m, mirror"""},
        "keys that are there twice",
    ),
    "null key": (
        {"query": """SELECT NULL AS "Id", 'x' AS note, 1 AS amount"""},
        "rows without a key",
    ),
    "unknown field": ({"fields": {"Nte__c": "note"}}, "is no field of Booking__c"),
    "not updateable": ({"fields": {"CreatedDate": "note"}}, "cannot be updated"),
    "no column": ({"fields": {"Note__c": "nte"}}, "gives no column nte (did you mean note?)"),
    "no external id": ({"operation": "upsert", "key": "Number__c"}, "is no external id"),
    "key in another case": ({"operation": "upsert", "key": "key__c"}, "write Key__c"),
    "unknown external id": ({"operation": "upsert", "key": "X__c"}, "is no field of"),
}


@pytest.mark.parametrize("case", BAD_PUSHES)
def test_push_that_cannot_be_right_is_refused_by_name(
    org: Org, source: BookingSource, tmp_path: Path, case: str
) -> None:
    changes, reason = BAD_PUSHES[case]
    query = """SELECT id AS "Id", key__c AS "Number__c", 'x' AS note, 1 AS amount FROM mirror"""
    definition = push(**({"query": query} | changes))
    with pytest.raises(ConfigurationError) as caught:
        plan_of(definition, org, source, tmp_path)
    assert reason in str(caught.value)
    assert not list(tmp_path.rglob("*.parquet"))
