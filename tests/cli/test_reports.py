"""What the reports say when something is out of order, and the doctor and the status with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from seil.app.site import Site
from seil.cli import output, reports
from seil.cli.frame import Call
from seil.cli.run_report import show_run
from seil.errors import UnavailableError
from seil.events.dispatch import Dispatcher, Pattern, Subscriber
from seil.events.envelope import Event
from seil.events.journal import Journal
from seil.modeling.build import BuildReport, TableBuild
from seil.modeling.tests import TestFailure
from seil.settings import load_settings
from seil.sf_to_dw.extract.extractor import ExtractReport
from seil.sf_to_dw.extract.flow_context import FlowResult
from seil.sf_to_dw.extract.flows import FlowRun, FlowStates, LandedPage, Window
from seil.sf_to_dw.extract.plan import ExtractPlan, PlannedObject
from seil.sf_to_dw.ingest.ingestor import IngestReport
from seil.sf_to_dw.load.events import ObjectLoad
from seil.sf_to_dw.load.loader import LoadReport
from seil.sf_to_dw.pipeline import RunReport
from seil.warehouse.bookkeeping import LedgerRow, SchemaChange
from seil.warehouse.merges import MergeOutcome

Seil = Callable[..., Any]
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TEXT = Call()


@pytest.fixture
def context(home: Path) -> Iterator[Site]:
    with Site(load_settings()) as opened:
        yield opened


def output_lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_plan_says_what_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    planned = PlannedObject("Order", "full", None, NOON, None, 1, 6, problem="Order: no such thing")
    resumed = replace(planned, object="Account", problem="", resumes=True)
    reports.show_plan(TEXT, ExtractPlan([planned, resumed], None))
    lines = output_lines(capsys)
    assert lines[1].endswith("Order: no such thing")
    assert lines[2].endswith("goes on")
    assert lines[-1] == "The org does not say how many API calls are left."


def test_extract_says_what_was_left_out_and_what_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fine = FlowResult(
        "Account",
        "delta",
        window=Window(NOON, NOON),
        landed=1_200,
        resumed=True,
        left_out={"BillingAddress": "compound"},
    )
    failed = FlowResult("Order", error=UnavailableError("Salesforce", "slow"))
    reports.show_extract(TEXT, ExtractReport([fine, failed]))
    lines = output_lines(capsys)
    assert lines[1].endswith("went on with the last run; without BillingAddress")
    assert "1,200" in lines[1]
    assert "Salesforce: slow" in lines[2]


def test_load_says_what_changed_and_what_was_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    change = SchemaChange("order", "score__c", "new-column", "", "text", "curated_x")
    entry = ObjectLoad("Order", "salesforce.order", changes=(change,), errors=("a.parquet: odd",))
    reports.show_load(TEXT, LoadReport((entry,)))
    assert output_lines(capsys)[1:] == [
        "  changed: order.score__c: new-column text",
        "  left out: a.parquet: odd",
    ]


def test_build_says_which_rows_break_it(capsys: pytest.CaptureFixture[str]) -> None:
    failure = TestFailure("products", "unique(id)", "error", 2, ({"id": "1"},))
    note = "salesforce.order has not been loaded: read as empty"
    broken = TableBuild("products", "failed", message="is not unique", failures=(failure,))
    skipped = TableBuild("ad_slots", "skipped", notes=(note,))
    other = TableBuild("sales_orders", "built", rows=3, notes=(note,))
    reports.show_build(TEXT, BuildReport("b", (broken, skipped, other)))
    lines = output_lines(capsys)
    assert lines[0] == "Build: 1 of 3 tables built, 3 rows"
    assert lines[-3:] == [
        "  products: is not unique",
        "  error: products: unique(id) is broken by 2 row(s): id = 1",
        f"  {note} (by 2 tables)",
    ]


def test_ledger_says_what_does_not_balance(capsys: pytest.CaptureFixture[str]) -> None:
    row = LedgerRow("Order", "run-1", "full", None, NOON, 5, 4, 4, 0, 4, balanced=False)
    reports.show_ledger_rows([row])
    lines = output_lines(capsys)
    assert lines[1].split() == ["Order", "full", "5", "4", "0", "4"]
    assert lines[2:] == [
        "  Order, full, run run-1: 5 reported, 4 landed, 4 curated, 0 set aside, 4 merged",
        "1 of 1 do not balance.",
    ]


def test_ledger_names_columns_that_were_lost(capsys: pytest.CaptureFixture[str]) -> None:
    row = LedgerRow("Order", "run-1", "full", None, NOON, 4, 4, 4, 0, 4, balanced=False)
    reports.show_ledger_rows(
        [replace(row, columns_read=3, columns_merged=2, columns_lost="Size__c")]
    )
    assert output_lines(capsys)[2].endswith("4 merged; column(s) lost on the way: Size__c")


def run_report(*, updated: int, rejected: int = 0) -> RunReport:
    """Of an hour in which 33 objects were read again, of which one may have changes."""
    names = [f"Object{number}__c" for number in range(33)]
    flows = [FlowResult(name, "delta", reported=3, landed=3) for name in names]
    rows = [
        LedgerRow(name, "r", "delta", NOON, NOON, 3, 3, 3, 0, 3, balanced=True) for name in names
    ]
    loads = [ObjectLoad(name, name, files=1, outcome=MergeOutcome(unchanged=3)) for name in names]
    loads[7] = replace(loads[7], outcome=MergeOutcome(updated=updated, unchanged=3 - updated))
    rows[9] = replace(rows[9], curated=3 - rejected, merged=3 - rejected, set_aside=rejected)
    tables = [TableBuild(f"t{n}", "built", rows=5, mode="unchanged") for n in range(16)]
    return RunReport(
        ExtractReport(flows),
        IngestReport([]),
        LoadReport(tuple(loads)),
        BuildReport("b", tuple(tables)),
        rows,
    )


def test_an_idle_run_is_a_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    show_run(TEXT, run_report(updated=0), [])
    assert output_lines(capsys) == [
        "Extract: 33 objects read, 99 rows of 33 of them",
        "Ingest: 0 files ingested, 0 rows curated, 0 set aside, 0 files rejected",
        "Load: 33 files, 99 rows: 99 unchanged",
        "Build: 16 of 16 tables built, 80 rows, 16 of them unchanged",
        "Nothing is new: all 33 ledger rows balance.",
    ]


def test_records_read_by_a_comparison_are_new(capsys: pytest.CaptureFixture[str]) -> None:
    result = FlowResult("Object7__c", mode="fields", reported=15, landed=15, files=1)
    show_run(TEXT, replace(run_report(updated=0), reconciliation=[result]), [])
    lines = output_lines(capsys)
    assert "Besides: 15 records by fields, of 1 objects" in lines
    assert any(line.split()[:1] == ["Object7__c"] for line in lines)
    assert not any(line.startswith("Nothing is new") for line in lines)


def test_a_run_lists_what_changed_or_was_set_aside(capsys: pytest.CaptureFixture[str]) -> None:
    show_run(TEXT, run_report(updated=1, rejected=2), ["Object7__c"])
    lines = output_lines(capsys)
    listing = lines[lines.index("") + 1 :]
    assert [line.split() for line in listing[1:3]] == [
        ["Object7__c", "delta", "3", "3", "0", "3"],
        ["Object9__c", "delta", "3", "3", "2", "1"],
    ]
    assert listing[3] == "All 2 balance: reported = landed = merged + aside."
    assert listing[4].endswith("31 more ledger rows balance, of objects without changes.")


def test_status_counts_the_pages_of_a_run_under_way(seil: Seil, context: Site) -> None:
    [order] = context.catalog.select(["Order"])
    page = LandedPage(0, "", None, "in/x", 10)
    run = FlowRun("r", Window(None, NOON), "750", "f", 100, NOON, (page,))
    FlowStates(context.lake).change(order, running=run)
    assert "1 pages landed, not committed" in seil("status", "Order", "--all").out


def test_status_and_doctor_point_at_dead_letters(seil: Seil, context: Site) -> None:
    def refuse(event: Event) -> None:
        raise ValueError("odd")

    everything = Pattern({"source": [{"exists": True}]})
    dispatcher = Dispatcher(context.journal, [Subscriber("s", everything, refuse, attempts=1)])
    context.journal.publish([Event("seil.test", "x", {})])
    dispatcher.drain()
    assert "Next: `seil events dead`" in seil("status").out.splitlines()[0]
    assert "warn  journal: " in (ran := seil("doctor")).out
    assert "-> see `seil events dead`" in ran.out


def test_progress_is_bars_on_a_terminal_and_silence_on_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import io
    import sys

    from seil.cli.context import shown_progress
    from seil.observe.progress import SILENT

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    with shown_progress(Call(quiet=True)) as progress:
        assert progress is SILENT
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with shown_progress(TEXT) as progress, progress.step("load") as step:
        step.advance(1_000)
    assert "load: 1,000 rows in" in screen.getvalue()


def test_a_journal_is_closed_with_its_context(home: Path) -> None:
    with Site(load_settings()) as context:
        context.journal.publish([Event("seil.test", "x", {})])
        journal: Journal = context.journal
    assert journal.file._connection is None
    assert output.text(journal.last()) == "1"
    journal.close()
