"""Comparisons on demand and on schedule, what they cost, and lists of deletions that fail."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from tests.duckdb_file import database
from tests.limits import HANGS
from typer.testing import CliRunner

from seil.cli.app import app
from seil.errors import ObjectRejectedError, QuotaExhaustedError
from seil.sandbox.salesforce.faults import OrgFault
from seil.sf_to_dw.extract.flows import FlowStates
from seil.sf_to_dw.extract.partials import PartialStates
from seil.sf_to_dw.extract.plan import plan
from seil.sf_to_dw.schema.acceptance import accept
from seil.sf_to_dw.schema.review import SchemaReview, decision
from seil.state.decisions import Policy

OFF = 'compare_ids = "off"\n'
RULE = """
[[objects.Account.columns]]
name = "Name"
[[objects.Account.columns.validations]]
type = "sql"
rule = "{rule}"
message = "is set aside"
"""


def live(site: Any) -> set[str]:
    return {record_id for record_id, row in site.records("account").items() if not row["isdeleted"]}


def now(site: Any, *kinds: str, name: str = "Account") -> list[tuple[str, int]]:
    with site.open() as context:
        report = context.pipeline.reconcile(context.catalog.select([name]), kinds)
    assert report.problems == []
    return [(flow.mode, flow.landed) for flow in report.reconciliation]


@pytest.mark.parametrize("kind", ["deletions", "ids"])
def test_deletions_are_read_on_request(site: Any, kind: str) -> None:
    deleted = sorted(live(site))[:2]
    site.purge("Account", deleted, in_get_deleted=kind == "deletions")
    with site.serve(OFF):
        assert now(site, kind) == [("deletions", 2)]
        assert now(site, kind) == []
    assert not live(site) & set(deleted)


def test_the_warehouse_is_closed_whenever_the_org_is_queried(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists, Ids, formulas, and records that had not arrived; and the windows of a run."""
    site.purge("Account", sorted(live(site))[:1], in_get_deleted=False)
    lost = max(live(site))
    with site.open() as context, context.warehouse() as warehouse:
        database(warehouse).execute(f"DELETE FROM salesforce.account WHERE id = '{lost}'")
    is_open = threading.Event()
    at_answers: list[bool] = []

    def clock() -> datetime:
        at_answers.append(is_open.is_set())
        return datetime.now(UTC) + timedelta(seconds=5)

    monkeypatch.setattr(site, "_clock", clock)

    @contextmanager
    def opened(context: Any) -> Iterator[Any]:
        with context.warehouse() as warehouse:
            is_open.set()
            yield warehouse
            is_open.clear()

    with site.serve(OFF), site.open() as context:
        pipeline = replace(context.pipeline, open_warehouse=partial(opened, context))
        objects = context.catalog.select(["Account"])
        report = pipeline.reconcile(objects, ["deletions", "ids", "formulas"])
        assert {flow.mode for flow in report.reconciliation} == {"deletions", "reread"}
        assert pipeline.run(objects).problems == []
    assert len(at_answers) > 20
    assert not any(at_answers)


@pytest.mark.parametrize(("kind", "name"), [("ids", "Account"), ("formulas", "Contact")])
def test_a_job_that_reports_nothing_is_not_believed(site: Any, kind: str, name: str) -> None:
    before = live(site)
    with site.serve(OFF) as server, site.open() as context:
        server.faults.add(OrgFault(path=r"/jobs/query/\w+$", members={"numberRecordsProcessed": 0}))
        objects = context.catalog.select([name])
        (problem,) = context.pipeline.reconcile(objects, [kind]).problems
    assert "reported 0 rows, its pages held" in problem
    assert live(site) == before


def test_formulas_are_refreshed_on_request(site: Any) -> None:
    with site.open() as context:
        fields = context.registry.get(context.catalog["Contact"]).fields
    formula = next(f.name for f in fields if f.calculated and str(f.arrow) == "string")
    site.change_org(f"UPDATE main.\"Contact\" SET {formula} = 'anew'")
    with site.serve(OFF):
        ((mode, rows),) = now(site, "formulas", name="Contact")
        assert (mode, rows > 10) == ("formulas", True)
        assert now(site, "formulas", name="Contact") == []
    records = site.records("contact").values()
    assert {row[formula.lower()] for row in records if not row["isdeleted"]} == {"anew"}


def test_the_command_compares_all_three_ways(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    deleted = min(live(site))
    site.purge("Account", [deleted], in_get_deleted=False)
    monkeypatch.chdir(site.folder)
    with site.serve(OFF):
        ran = CliRunner().invoke(app, ["reconcile", "Account"])
        summary = "Besides: 1 records by deletions, of 1 objects"
        assert (ran.exit_code, summary in ran.stdout) == (0, True)
        never = CliRunner().invoke(app, ["reconcile", "Order", "--ids"])
        assert (never.exit_code, "Order: was never read" in never.stdout) == (1, True)
    assert deleted not in live(site)


def test_records_set_aside_are_read_again_only_when_they_or_the_rules_change(site: Any) -> None:
    with site.serve(OFF):
        linked = {"ns__LinkedAccount__c": min(live(site))}
        new = site.write("POST", "Account", {"Name": "Nobody", **linked})["id"]
        site.pass_a_second()
    refuses = OFF + RULE.format(rule="Name <> 'Nobody'")
    with site.serve(refuses):
        assert site.run().ingest.rejected_rows == 1
        assert now(site, "ids") == []
        site.write("PATCH", f"Account/{new}", {"Name": "Somebody"})
        with site.open() as context:
            site.pass_a_second()
            states = PartialStates(context.lake)
            assert states.get(context.catalog["Account"]).rules
    # The change has not been read: its version is not the one that was set aside.
    with site.serve(OFF + RULE.format(rule="Name <> 'Nobody' AND true")):
        with site.open() as context:
            obj = context.catalog["Account"]
            flows = FlowStates(context.lake)
            flows.change(obj, committed=datetime.now(UTC))
        assert now(site, "ids") == [("reread", 1)]
        assert now(site, "ids") == []
    assert site.records("account")[new]["name"] == "Somebody"


def test_a_deletion_that_a_rule_set_aside_is_marked(site: Any) -> None:
    catalog = "deletions = false\n" + OFF + RULE.format(rule="NOT IsDeleted")
    deleted = min(live(site))
    with site.serve(catalog):
        site.write("DELETE", f"Account/{deleted}")
        site.pass_a_second()
        assert site.run().ingest.rejected_rows > 0
        assert deleted in live(site)
        assert now(site, "ids") == [("deletions", 1)]
        assert now(site, "ids") == []
    assert deleted not in live(site)


def test_the_plan_counts_what_is_due_besides(site: Any) -> None:
    def plan_entry(catalog: str) -> Any:
        with site.serve(catalog), site.open() as context:
            (entry,) = plan(
                context.org, context.lake, [context.catalog["Account"]], context.settings.extract
            ).objects
        return entry

    with site.open() as context:
        long_ago = datetime.now(UTC) - timedelta(days=9)
        obj = context.catalog["Account"]
        PartialStates(context.lake).change(obj, compared_at=long_ago, refreshed_at=long_ago)
    alone = plan_entry("deletions = false\n" + OFF)
    with_deletions = plan_entry(OFF)
    whole = plan_entry('refresh_formulas = "1d"')
    assert (alone.also_due, with_deletions.also_due) == ((), ("deletions",))
    assert whole.also_due == ("deletions", "Ids", "formulas")
    assert (alone.jobs, with_deletions.jobs, whole.jobs) == (1, 1, 3)
    assert with_deletions.calls == alone.calls + 1
    assert whole.calls >= with_deletions.calls + 2 * 7


def test_a_comparison_that_the_quota_ends_stays_due(site: Any) -> None:
    with site.open() as context:
        obj = context.catalog["Account"]
        PartialStates(context.lake).change(obj, is_compare_due=True)
    site.purge("Account", sorted(live(site))[:1], in_get_deleted=False)
    before = live(site)
    with site.serve(OFF) as server:
        headers = {"Sforce-Limit-Info": "api-usage=100000/100000"}
        # The comparison's job asks for little; the flow's for every field.
        server.faults.add(
            OrgFault(body="SELECT Id, SystemModstamp, IsDeleted FROM", set_headers=headers)
        )
        with pytest.raises(QuotaExhaustedError) as stopped:
            site.run()
        assert stopped.value.exit_code == 4
        assert live(site) == before
        with site.open() as context:
            assert PartialStates(context.lake).get(obj).is_compare_due
        server.faults.clear()
        site.run()
    assert len(live(site)) == len(before) - 1


def test_a_dropped_column_is_read_again(site: Any) -> None:
    with site.serve(OFF):
        with site.open() as context:
            obj = context.catalog["Account"]
            review = SchemaReview(context.state.decisions, context.registry)
            readable = context.org.describe("Account")
            decided: list[tuple[Policy, bool]] = [("drop", False), ("read", True)]
            for policy, is_read in decided:
                accept(review, obj, readable, decision(policy, by="me", column="Website"))
                assert (review.admit(obj, readable).get("Website") is not None) is is_read
            with pytest.raises(ObjectRejectedError, match="was not dropped"):
                accept(review, obj, readable, decision("read", by="me", column="Website"))
        assert site.run().problems == []


def test_a_list_that_is_too_long_is_read_in_halves(site: Any) -> None:
    deleted = sorted(live(site))[:3]
    site.purge("Account", deleted)
    with site.serve(OFF) as server:
        server.faults.add(
            OrgFault(path="/deleted/", status=400, code="EXCEEDED_ID_LIMIT", message="x", times=2)
        )
        assert now(site, "deletions") == [("deletions", 3)]
        assert httpx.get(f"{server.url}/sandbox/faults", timeout=HANGS).json()[0]["seen"] > 4
    assert not live(site) & set(deleted)


@pytest.mark.parametrize(("times", "due"), [(1, False), (2, True)])
def test_a_refused_date_is_first_taken_for_the_end(site: Any, times: int, due: bool) -> None:
    """With no lag the end lies within the minute that is not over."""
    refused = OrgFault(
        path="/deleted/", status=400, code="INVALID_REPLICATION_DATE", message="x", times=times
    )
    deleted = sorted(live(site))[:1]
    site.purge("Account", deleted, in_get_deleted=False)
    with site.serve(OFF) as server:
        server.faults.add(refused)
        assert now(site, "deletions") == ([("deletions", 1)] if due else [])
    assert (deleted[0] in live(site)) is not due


def test_with_a_lag_no_end_lies_ahead(site: Any) -> None:
    with site.serve(OFF + '[objects.Account.flow]\nlag = "1m"\n') as server:
        server.faults.add(OrgFault(path="/deleted/", members={"deletedRecords": []}))
        seen: list[tuple[datetime, datetime]] = []
        with site.open() as context:
            ask = context.org.list_deleted

            def deleted(name: str, start: datetime, end: datetime) -> Any:
                seen.append((start, end))
                return ask(name, start, end)

            context.org.list_deleted = deleted
            context.pipeline.reconcile([context.catalog["Account"]], ["deletions"])
    ((start, end),) = seen
    assert end <= datetime.now(UTC)
    assert end - start > timedelta(minutes=1)


def test_a_list_that_ends_early_is_continued_from_there(site: Any) -> None:
    behind = datetime.now(UTC) - timedelta(hours=3)
    with site.serve(OFF) as server:
        server.faults.add(
            OrgFault(
                path="/deleted/",
                members={"latestDateCovered": behind.isoformat(), "deletedRecords": []},
                times=1,
            )
        )
        assert now(site, "deletions") == []
        with site.open() as context:
            state = PartialStates(context.lake).get(context.catalog["Account"])
            assert state.deletions_until == behind


def test_an_object_without_a_list_is_left_to_the_comparison(site: Any) -> None:
    site.purge("Account", sorted(live(site))[:1])
    refused = OrgFault(path="/deleted/", status=400, code="INVALID_TYPE", message="cannot")
    with site.serve(OFF) as server:
        server.faults.add(refused)
        assert now(site, "deletions") == []
        assert now(site, "ids") == [("deletions", 1)]
