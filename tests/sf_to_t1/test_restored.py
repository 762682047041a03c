"""A state that went back to an earlier one: what it forgot is not imported again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.cli.conftest import Seil
from tests.sf_to_t1.conftest import Billing
from tests.sf_to_t1.test_billing import BY, CSV, RECEIVED, ROWS

from seil.app import backup
from seil.app import billing as flow
from seil.sf_to_t1.event import BillingReady
from seil.sf_to_t1.sending import BatchDecision

MODES = ["", BY["column"]]


def imported_and_forgotten(billing: Billing, mode: str = "") -> BillingReady:
    """An event whose rows are in TechOne, and that the state does not know any more."""
    billing.configure(mode)
    event, copy = billing.extract(CSV), Path("copy.sqlite")
    with billing.open() as site:
        backup.back_up(site, copy)
        assert flow.handle_billing_ready(site, event).ok
        backup.restore(site, copy, replace=True)
    return event


def first_columns(billing: Billing) -> Counter[tuple[str, ...]]:
    return Counter(row[:2] for row in billing.rows().elements())


@pytest.mark.parametrize("mode", MODES, ids=["whole table", "read by a column"])
def test_rows_that_are_there_are_in_doubt_batch_by_batch(billing: Billing, mode: str) -> None:
    event = imported_and_forgotten(billing, mode)
    report = billing.handle(event)
    for number in (1, 2, 3):
        (file,) = report.files
        assert file.state == "in_doubt"
        assert f"has batch {number} is not known: the state was restored at" in file.reason
        with billing.open() as site:
            flow.decide_batch(site, file.file_id, number, "committed")
            report = flow.import_files(site, [file.file_id])
    assert report.ok
    assert billing.rows() == ROWS
    assert billing.job(event.job_id) == (RECEIVED, None)


@pytest.mark.parametrize("mode", MODES, ids=["whole table", "read by a column"])
@pytest.mark.parametrize(("decision", "times"), [("committed", 1), ("missing", 2)])
def test_all_batches_of_a_file_are_decided_at_once(
    billing: Billing, seil: Seil, mode: str, decision: str, times: int
) -> None:
    event = imported_and_forgotten(billing, mode)
    billing.handle(event)
    done = seil("sync", "sf-to-t1", "--decide", f"{event.file_ids[0]}:all={decision}")
    assert done.code == 0
    assert billing.rows() == Counter({row: times * count for row, count in ROWS.items()})
    assert billing.job(event.job_id) == (RECEIVED, None)


def test_all_decides_on_batches_in_doubt_and_sends_the_others(billing: Billing) -> None:
    imported_and_forgotten(billing)
    event = billing.extract("A,B\n7,7\n8,8\n3,\n9,9\n2,\n")  # TechOne has row 3 only.
    with billing.open() as site:
        file = event.file_ids[0]
        flow.decide_file(site, file, "committed", requested=[file])
        decisions: dict[str, BatchDecision] = {file: "committed"}
        assert flow.import_files(site, [file], job_id=event.job_id, decisions=decisions).ok
    assert billing.rows() == ROWS + Counter({("7", "7"): 1, ("8", "8"): 1, ("2", ""): 1})


def test_a_dry_run_names_the_batches_in_doubt(billing: Billing, seil: Seil) -> None:
    event = imported_and_forgotten(billing)
    dry_run = ("sync", "sf-to-t1", "--dry-run", "--file", event.file_ids[0])
    (plan,) = seil(*dry_run, "--json").json["files"]
    assert [doubt["number"] for doubt in plan["doubts"]] == [1, 2, 3]
    assert "doubt    batch 1: the state was restored at" in seil(*dry_run).out
    billing.handle(event)
    assert len(seil(*dry_run, "--json").json["files"][0]["doubts"]) == 3
    assert billing.rows() == ROWS


def test_all_of_an_unknown_file_is_refused(billing: Billing, seil: Seil) -> None:
    refused = seil("sync", "sf-to-t1", "--decide", "0685g0000000001AAA:all=missing")
    assert (refused.code, "is no file that is in doubt or pending" in refused.err) == (2, True)


def test_a_person_says_missing_and_the_batch_is_sent(billing: Billing) -> None:
    event = imported_and_forgotten(billing)
    billing.handle(event)
    with billing.open() as site:
        flow.decide_batch(site, event.file_ids[0], 1, "missing")
        flow.sync_billing(site)
    assert billing.rows() == ROWS + Counter({("1", 'x, "y" & <z>'): 2})


def test_with_a_batch_column_its_own_rows_decide(billing: Billing) -> None:
    event = imported_and_forgotten(billing, BY["batch"])
    billing.fault(reset="before", times=1)
    assert billing.handle(event).ok
    assert first_columns(billing) == ROWS
    assert billing.techone.faults.entries()[0]["struck"] == 0
    assert billing.job(event.job_id) == (RECEIVED, None)


@pytest.mark.parametrize("mode", ["", *BY.values()], ids=["whole table", *BY])
def test_new_rows_are_imported_also_those_that_a_file_repeats(billing: Billing, mode: str) -> None:
    imported_and_forgotten(billing, mode)
    assert billing.handle(billing.extract("A,B\n" + "7,7\n" * 5)).ok
    assert first_columns(billing) == ROWS + Counter({("7", "7"): 5})


def test_rows_before_the_first_doubt_are_sent_once(billing: Billing) -> None:
    imported_and_forgotten(billing)
    event = billing.extract("A,B\n7,7\n8,8\n3,\n9,9\n")
    assert [file.state for file in billing.handle(event).files] == ["in_doubt"]
    assert billing.rows().total() == 7
    with billing.open() as site:
        flow.decide_batch(site, event.file_ids[0], 2, "missing")
        assert flow.sync_billing(site).ok
    assert billing.rows() == ROWS + Counter({(n, n): 1 for n in "789"} | {("3", ""): 1})
