"""Fields that come, go and change in the org: what flows through, what waits, what was decided."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from tests.limits import HANGS
from tests.sites import Site
from typer.testing import CliRunner

from seil.cli.app import app

REVIEW = '[objects.Account]\ndrift = "review"\n'
FIELD = "Rating_Points__c"


def change(site: Site, action: str, field: str, **kind: Any) -> None:
    body = {"object": "Account", "action": action, "field": field, **kind}
    httpx.post(f"{site.url}/sandbox/schema", json=body, timeout=HANGS).raise_for_status()


def ran(site: Site) -> Any:
    site.pass_a_second()
    return site.run()


def command(site: Site, *arguments: str) -> tuple[int, Any]:
    line = [*arguments, "--config", str(site.folder / "seil.toml"), "--json"]
    result = CliRunner().invoke(app, line)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stderr or json.loads(result.stdout)


def changes(site: Site) -> dict[str, str]:
    _, document = command(site, "schema", "diff", "Account")
    return {entry["column"]: entry["change"] for entry in document["objects"][0]["changes"]}


def touch(site: Site, value: object) -> str:
    """Gives one account a value in the field; the others keep their versions."""
    records = site.records("account").items()
    chosen = str(min(record_id for record_id, record in records if not record["isdeleted"]))
    site.write("PATCH", f"Account/{chosen}", {FIELD: value})
    return chosen


def test_added_widened_and_removed_columns_flow_through(site: Site) -> None:
    with site.serve():
        change(site, "add", FIELD, type="double", precision=6, scale=1)
        assert changes(site) == {FIELD: "added"}
        chosen = touch(site, 12.5)
        assert ran(site).problems == []
        assert changes(site) == {}
        change(site, "change", FIELD, type="double", precision=16, scale=4)
        assert changes(site) == {FIELD: "widened"}
        touch(site, 99.1234)
        assert ran(site).problems == []
        assert float(site.records("account")[chosen][FIELD.lower()]) == 99.1234
        change(site, "drop", FIELD)
        assert changes(site) == {FIELD: "removed"}
        site.write("PATCH", f"Account/{chosen}", {"Name": "New"})
        assert ran(site).problems == []
        record = site.records("account")[chosen]
        assert (record["name"], float(record[FIELD.lower()])) == ("New", 99.1234)
        _, document = command(site, "schema", "diff", "Account", "--history")
    assert [e["added"] for e in document["objects"][0]["history"]][-3] == {
        FIELD: "decimal128(6, 1)"
    }


@pytest.fixture
def numbered(site: Site) -> Site:
    """Account's field was a number, with a value, and is text now."""
    with site.serve():
        change(site, "add", FIELD, type="double", precision=8, scale=2)
        touch(site, 7.25)
        assert ran(site).problems == []
    return site


@pytest.mark.parametrize(
    ("arguments", "columns"),
    [
        (("--as", "text"), {FIELD.lower(): "high"}),
        (("--as", "column"), {FIELD.lower(): None, f"{FIELD.lower()}_text": "high"}),
        pytest.param(
            ("--as", "column", "--to", "points"),
            {FIELD.lower(): None, "points": "high"},
            marks=pytest.mark.matrix,
        ),
        pytest.param(("--as", "drop"), {FIELD.lower(): None}, marks=pytest.mark.matrix),
    ],
)
def test_incompatible_column_stops_its_object_until_decided(
    numbered: Site, arguments: tuple[str, ...], columns: dict[str, Any]
) -> None:
    site = numbered
    with site.serve():
        change(site, "change", FIELD, type="string", length=80)
        chosen = touch(site, "high")
        report = ran(site)
        (problem,) = report.problems
        assert f"{FIELD} was decimal(8,2) and is text now" in problem
        assert [flow.error is None for flow in report.extract.flows] == [False, True]
        code, document = command(site, "schema", "diff", "Account")
        assert (code, document["objects"][0]["stops"]) == (1, True)
        code, answer = command(site, "schema", "accept", "Account")
        assert (code, "Say how" in answer) == (1, True)
        code, answer = command(site, "schema", "accept", f"Account.{FIELD}", *arguments)
        assert code == 0, answer
        assert ran(site).problems == []
        record = site.records("account")[chosen]
        assert {name: record[name] for name in columns} == columns
        assert changes(site) == {}
    rows = site.query("SELECT change, column_name FROM seil.schema_changes")
    assert {"change": f"accepted-{arguments[1]}", "column_name": FIELD.lower()} in rows
    with site.open() as context:
        accepted = [e for _, e in context.journal.read() if e.detail_type == "schema-accepted"]
        history = context.registry.history(context.catalog["Account"])
    assert len(accepted) == 1
    assert any(entry["source"].startswith("accepted by") for entry in history)
    contents = site.contents()
    assert site.rebuild().ok
    assert site.contents() == contents


def test_reviewed_object_stops_at_any_change_until_accepted(site: Site) -> None:
    with site.serve(REVIEW):
        change(site, "add", FIELD, type="string", length=20)
        chosen = touch(site, "kept")
        (problem,) = ran(site).problems
        assert "its fields changed: added Rating_Points__c" in problem
        assert FIELD.lower() not in site.records("account")[chosen]
        assert command(site, "schema", "accept", "Account")[0] == 0
        assert ran(site).problems == []
        assert site.records("account")[chosen][FIELD.lower()] == "kept"
        change(site, "drop", FIELD)
        assert "removed" in ran(site).problems[0]


def test_nothing_to_decide_is_reported(site: Site) -> None:
    with site.serve():
        code, answer = command(site, "schema", "accept", "Account.Name")
    assert (code, "no change that needs a decision" in answer) == (1, True)
