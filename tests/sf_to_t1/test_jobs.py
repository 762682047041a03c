"""What a job's status says, and what an event has to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.limits import HANGS
from tests.sf_to_t1.conftest import Billing, make_billing_org
from tests.sf_to_t1.test_billing import CSV, ROWS

from seil.app import billing as flow
from seil.sandbox.salesforce.metadata import SField
from seil.sandbox.salesforce.server import OrgServer
from seil.sandbox.salesforce.store import OrgStore
from seil.sf_to_t1.event import BillingEventError, BillingReady
from seil.sf_to_t1.jobs import FAILED, OBJECT, RECEIVED, STATUS, cut_message, status_of
from seil.state.billing import BillingFile, BillingJob, BillingState

JOB, FILE = "a0W5g0000000001AAA", "0685g0000000001AAA"


def job(*states: BillingState) -> BillingJob:
    files = [
        BillingFile(f"f{n}", "W/T", state, reason=f"f{n}: why" if state != "imported" else "")
        for n, state in enumerate(states)
    ]
    return BillingJob(JOB, files=tuple(files))


STATES: dict[tuple[BillingState, ...], tuple[str, str] | None] = {
    ("imported", "imported"): ("Received by TechOne", ""),
    ("imported", "open"): None,
    ("failed", "open"): None,
    ("imported", "failed", "in_doubt"): ("Failed", "f1: why; f2: why"),
}


@pytest.mark.parametrize("states", STATES)
def test_status_follows_from_the_files(states: tuple[BillingState, ...]) -> None:
    status = status_of(job(*states))
    assert (status and (status.status, status.message)) == STATES[states]


def test_message_is_cut_to_the_field_and_says_so() -> None:
    assert cut_message("short", 5) == "short"
    cut = cut_message("x" * 100, 60)
    assert (len(cut), cut.endswith(" ... (cut from 100 characters)")) == (60, True)
    emoji = cut_message("\U0001f600" * 50, 60)
    assert len(emoji.encode("utf-16-le")) // 2 <= 60
    assert emoji.startswith("\U0001f600")


def test_long_reason_reaches_the_org_cut(billing: Billing) -> None:
    name = "x" * 40_000
    event = billing.extract(f"A,{name}\n1,\x07\n")
    billing.handle(event)
    status, message = billing.job(event.job_id)
    assert (status, len(message or "")) == ("Failed", 32_768)
    assert (message or "").endswith(" characters)")


@pytest.fixture
def strict(billing: Billing, tmp_path: Path) -> Iterator[Billing]:
    """Of an org of its own, where the status that a job gets was retired."""
    make_billing_org(tmp_path / "strict")
    with closing(OrgStore.open(tmp_path / "strict")) as store:
        store.change_field(OBJECT, status_field("New", FAILED))
    with OrgServer(tmp_path / "strict") as server:
        billing.org = server
        billing.configure()
        yield billing


def status_field(*values: str) -> SField:
    picklist = SField.of(STATUS, "picklist", values=values)
    return SField({**picklist.raw, "restrictedPicklist": True})


def test_retired_status_keeps_its_reason_and_imports_nothing_twice(strict: Billing) -> None:
    event = strict.extract(CSV)
    for _ in range(2):
        report = strict.handle(event)
        (stored,) = report.jobs
        assert (report.files[0].state, stored.written_status) == ("imported", "")
        assert stored.refusal.startswith("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST: ")
        assert report.problems == [f"{event.job_id} was not written: {stored.refusal}"]
    assert strict.job(event.job_id) == ("New", None)
    sent = strict.imports
    picklist = {"type": "picklist", "values": ["New", FAILED, RECEIVED]}
    change = {"object": OBJECT, "action": "change", "field": STATUS, **picklist}
    httpx.post(f"{strict.org.url}/sandbox/schema", json=change, timeout=HANGS).raise_for_status()
    with strict.open() as site:
        assert flow.sync_billing(site).ok
    assert strict.job(event.job_id) == (RECEIVED, None)
    assert (strict.rows(), strict.imports) == (ROWS, sent)


EVENTS: dict[str, tuple[dict[str, Any], str]] = {
    "no job": ({"FileIds__c": f'["{FILE}"]'}, "IntegrationJobId__c is no record id: ''"),
    "no list": ({"IntegrationJobId__c": JOB, "FileIds__c": FILE}, "is not a JSON list"),
    "no files": ({"IntegrationJobId__c": JOB, "FileIds__c": "[]"}, "FileIds__c is empty"),
    "null": ({"IntegrationJobId__c": JOB, "FileIds__c": None}, "is not a JSON list"),
    "numbers": ({"IntegrationJobId__c": JOB, "FileIds__c": "[1]"}, "is not a JSON list"),
    "no id": ({"IntegrationJobId__c": JOB, "FileIds__c": '["../x"]'}, "no record id: '../x'"),
}


@pytest.mark.parametrize("case", EVENTS)
def test_event_that_does_not_name_its_files_is_refused(case: str) -> None:
    fields, reason = EVENTS[case]
    with pytest.raises(BillingEventError, match=reason):
        BillingReady.parse(fields)
