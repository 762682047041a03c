"""`seil push` and `seil outcomes`, on a synced site."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.bookings import NAME, bookings, client, make_org
from tests.cli.conftest import Seil
from tests.rest_writes import write

from seil.app.site import open_site
from seil.salesforce.writes.batch import WriteTarget
from seil.salesforce.writes.writer import Writer
from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.server import OrgServer
from seil.sf_to_dw.lock import run_lock
from seil.state.store import state_in_memory

ROWS = 4
SETTINGS = """
[salesforce]
login_url = "{url}"
[push]
folder = "pushes"
plans = "plans"
"""
CATALOG = """
[objects.Booking__c.flow]
lag = "0s"
"""
PUSH = """
object = "Booking__c"
query = "SELECT id AS \\"Id\\", 'new' AS note FROM salesforce.booking WHERE key__c < 'k00002'"
[fields]
Note__c = "note"
[brakes]
share = 1.0
changes = {changes}
"""


@pytest.fixture
def org(home: Path, seil: Seil) -> Iterator[OrgServer]:
    """A site that has read it lies in the working folder."""
    with OrgServer(make_org(home / "org")) as server:
        with client(server) as org, state_in_memory() as state:
            target = WriteTarget(NAME, "upsert", "Key__c")
            writer = Writer(org, state.outcomes.log("setup", "run-0"))
            writer.write(target, [bookings(ROWS)], rows=ROWS)
        (home / "seil.toml").write_text(SETTINGS.format(url=server.url))
        (home / "objects.toml").write_text(CATALOG)
        (home / "pushes").mkdir()
        (home / "pushes" / "notes.toml").write_text(PUSH.format(changes=10))
        assert seil("run", NAME).code == 0
        yield server


def test_a_plan_is_seen_applied_listed_and_undone(seil: Seil, org: OrgServer) -> None:
    summary = seil("push", "plan", "notes")
    assert "4 records" not in summary.out
    assert "records   2: 0 same, 2 to change, 0 new" in summary.out
    plan = seil("push", "plan", "notes", "--json").json
    assert [(v["field"], v["old"], v["new"]) for v in plan["values"]] == [
        ("Note__c", "old", "new")
    ] * 2
    edited = plan["values"][0]["key"]
    write(org.url, "PATCH", f"{NAME}/{edited}", {"Note__c": "theirs"})
    applied = seil("push", "apply", "notes", plan["hash"], "--json")
    assert (applied.code, applied.json["states"]) == (1, {"rejected": 1, "written": 1})
    (refused,) = applied.json["not_written"]
    assert (refused["key"], refused["code"]) == (edited, "CHANGED_SINCE")
    run = applied.json["run_id"]
    assert "Note__c is 'theirs' now" in seil("outcomes", "--run", run, "--state", "rejected").out
    assert "incomplete" in seil("runs", "show", run).out
    in_sql = "SELECT state, count(*) AS n FROM seil.outcomes GROUP BY ALL ORDER BY ALL"
    states = seil("query", in_sql, "--csv").out
    assert states == "state,n\nrejected,1\nwritten,1\n"
    assert seil("rebuild").code == 0
    assert seil("query", in_sql, "--csv").out == states
    (Path("pushes") / "notes.toml").unlink()
    assert seil("push", "undo", "notes", run, "--json").json["states"] == {"written": 1}
    assert seil("outcomes", "--run", run, "--json").json["states"] == {"rejected": 1, "undone": 1}


def test_rejected_rows_are_exported_and_sent_again(seil: Seil, org: OrgServer, home: Path) -> None:
    refusal = {"statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "closed", "fields": []}
    failed = [{"success": False, "errors": [refusal]}] * 2
    org.faults.add(OrgFault(method="PATCH", path="composite/sobjects", text=json.dumps(failed)))
    plan = seil("push", "plan", "notes", "--json").json
    applied = seil("push", "apply", "notes", plan["hash"], "--json")
    assert applied.json["states"] == {"rejected": 2}
    filters = ("--state", "rejected", "--code", refusal["statusCode"])
    assert "2 outcomes" in seil("outcomes", *filters, "--output", "bad.jsonl").out
    rows = [json.loads(line) for line in (home / "bad.jsonl").read_text().splitlines()]
    assert [(row["fields"], row["image_before"], row["reason"]) for row in rows] == [
        ({"Note__c": "new"}, {"Note__c": "old"}, "closed")
    ] * 2
    assert seil("outcomes", "retry", *filters, "--json").code == 1
    org.faults.clear()
    again = seil("outcomes", "retry", "--flow", "push:notes", "--json")
    assert (again.code, again.json["flows"][0]["states"]) == (0, {"written": 2})
    assert seil("outcomes", "--json").json["states"] == {"written": 2}
    assert {o["attempts"] for o in seil("outcomes", "--json").json["outcomes"]} == {3}
    assert "No rows" in seil("outcomes", "retry").out
    run = again.json["flows"][0]["run_id"]
    assert seil("push", "undo", "notes", run, "--json").json["states"] == {"written": 2}


def test_above_the_brakes_nothing_is_applied_without_a_yes(
    seil: Seil, org: OrgServer, home: Path
) -> None:
    (home / "pushes" / "notes.toml").write_text(PUSH.format(changes=1))
    plan_hash = seil("push", "plan", "notes", "--json").json["hash"]
    stopped = seil("push", "apply", "notes", plan_hash)
    assert stopped.code == 2
    assert "2 records, brake 1" in stopped.err
    assert seil("outcomes", "--json").json["states"] == {}
    assert seil("push", "apply", "notes", plan_hash[:6], "--yes").code == 0


WRONG = {
    "no such push": (("plan", "nots"), 2, "has no push 'nots'"),
    "no such plan": (("apply", "notes", "abc"), 1, "plan abc of push notes: there is no such plan"),
    "no such run": (("undo", "notes", "r1"), 2, "run 'r1' wrote nothing"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_there_is_named(seil: Seil, org: OrgServer, case: str) -> None:
    arguments, code, reason = WRONG[case]
    refused = seil("push", *arguments)
    assert (refused.code, reason in refused.err) == (code, True)


def test_rows_in_doubt_are_settled_and_sent_again(seil: Seil, org: OrgServer) -> None:
    for status, code in ((500, "X"), (403, "REQUEST_LIMIT_EXCEEDED")):
        fault = OrgFault(method="PATCH", path="composite/sobjects", status=status, code=code)
        org.faults.add(fault.model_copy(update={"times": 1}))
    plan = seil("push", "plan", "notes", "--json").json
    assert seil("push", "apply", "notes", plan["hash"]).code == 4
    assert seil("outcomes", "--json").json["states"] == {"in_doubt": 2}
    assert "No rows" in seil("outcomes", "retry", "--state", "rejected").out
    assert seil("outcomes", "retry").code == 0
    assert seil("outcomes", "--json").json["states"] == {"written": 2}


def test_values_beyond_the_limit_are_counted_and_their_file_named(
    seil: Seil, org: OrgServer
) -> None:
    assert "\n1 more, in " in seil("push", "plan", "notes", "--limit", "1").out


NO_SELECT = {"deletion": "DELETE FROM salesforce.booking", "two": "SELECT 1; SELECT 2"}


@pytest.mark.parametrize("case", NO_SELECT)
def test_query_that_is_not_one_select_is_refused_by_name(
    seil: Seil, org: OrgServer, home: Path, case: str
) -> None:
    content = f'object = "{NAME}"\nquery = "{NO_SELECT[case]}"\nfields = {{ Note__c = "note" }}\n'
    (home / "pushes" / "notes.toml").write_text(content)
    refused = seil("push", "plan", "notes")
    assert (refused.code, "push notes: query: is not one SELECT" in refused.err) == (2, True)


def test_a_wrong_flow_is_named_with_those_there_are(seil: Seil, org: OrgServer) -> None:
    refused = seil("outcomes", "--flow", "push:note")
    assert (refused.code, "did you mean push:notes?" in refused.err) == (2, True)
    assert seil("outcomes", "--flow", "push:notes").code == 0


def test_doctor_names_what_a_push_may_not_write(seil: Seil, org: OrgServer, home: Path) -> None:
    file = home / "pushes" / "notes.toml"
    assert "this user may update" in seil("doctor").out
    file.write_text(file.read_text().replace('Note__c = "note"', 'CreatedDate = "note"'))
    assert "fields.CreatedDate: cannot be updated by this user" in seil("doctor").out


def test_second_apply_at_the_same_time_is_refused(seil: Seil, org: OrgServer) -> None:
    plan = seil("push", "plan", "notes", "--json").json
    with open_site() as site, run_lock(site.lake, key="push.notes.lock"):
        second = seil("push", "apply", "notes", plan["hash"], "--json")
    assert (second.code, second.json["error"]["type"]) == (5, "already_running")
    assert seil("outcomes", "--json").json["states"] == {}
    assert seil("push", "apply", "notes", plan["hash"]).code == 0


def test_plan_of_another_warehouse_is_refused(seil: Seil, org: OrgServer, home: Path) -> None:
    plan = seil("push", "plan", "notes", "--json").json
    settings = (home / "seil.toml").read_text()
    (home / "seil.toml").write_text(settings + '[warehouse]\nurl = "duckdb:other.duckdb"\n')
    refused = seil("push", "apply", "notes", plan["hash"])
    assert "it was made for warehouse duckdb:" in refused.err
    assert seil("outcomes", "--json").json["states"] == {}


def test_plan_of_another_definition_or_version_is_refused(
    seil: Seil, org: OrgServer, home: Path
) -> None:
    plan = seil("push", "plan", "notes", "--json").json
    file = home / "pushes" / "notes.toml"
    file.write_text(file.read_text().replace("'new'", "'newer'"))
    refused = seil("push", "apply", "notes", plan["hash"])
    assert "it was made for definition" in refused.err
    Path(plan["file"]).write_bytes(Path(plan["file"]).read_bytes() + b"x")
    refused = seil("push", "apply", "notes", plan["hash"])
    assert "the file was changed since it was made" in refused.err
