"""Days of the network's zone, the day's SOQL, ids, and figures by line item."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from tests.gam_to_sf.conftest import NOON, Flow

from seil.errors import UnexpectedAnswerError
from seil.gam_to_sf.changes import Preview
from seil.gam_to_sf.delivery import DeliveredDay, DeliveryRow, network_days, read_report
from seil.gam_to_sf.ids import parse_id
from seil.gam_to_sf.results import StepResult
from seil.gam_to_sf.statuses import StatusStep
from seil.gam_to_sf.usages import checked_soql
from seil.salesforce.writes.rules import FieldRule, ObjectRules
from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.server import OrgServer

SYDNEY = "Australia/Sydney"


@pytest.mark.parametrize(
    ("now", "zone", "today"),
    [
        ("2026-11-23T12:59:59Z", SYDNEY, "2026-11-23"),
        ("2026-11-23T13:00:00Z", SYDNEY, "2026-11-24"),
        ("2026-11-23T23:30:00Z", "UTC", "2026-11-23"),
        ("2026-11-24T07:59:59Z", "America/Los_Angeles", "2026-11-23"),
        # The clock goes from 2:00 to 3:00, and midnight is at +10 before, at +11 after.
        ("2026-10-03T13:59:59Z", SYDNEY, "2026-10-03"),
        ("2026-10-03T14:00:00Z", SYDNEY, "2026-10-04"),
        ("2026-10-04T12:59:59Z", SYDNEY, "2026-10-04"),
        ("2026-10-04T13:00:00Z", SYDNEY, "2026-10-05"),
        # It goes from 3:00 back to 2:00.
        ("2027-04-03T12:59:59Z", SYDNEY, "2027-04-03"),
        ("2027-04-03T13:00:00Z", SYDNEY, "2027-04-04"),
        ("2027-04-04T13:59:59Z", SYDNEY, "2027-04-04"),
        ("2027-04-04T14:00:00Z", SYDNEY, "2027-04-05"),
        # Midnight itself is skipped.
        ("2026-09-06T03:59:59Z", "America/Santiago", "2026-09-05"),
        ("2026-09-06T04:00:00Z", "America/Santiago", "2026-09-06"),
    ],
)
def test_days_are_those_of_the_networks_zone(now: str, zone: str, today: str) -> None:
    yesterday, current = network_days(datetime.fromisoformat(now), zone)
    assert current.isoformat() == today
    assert (current - yesterday).days == 1


def test_days_follow_the_networks_own_zone(flow: Flow) -> None:
    """At 13:30 UTC it is tomorrow already in Sydney, whatever this machine's zone is."""
    flow.now = NOON.replace(hour=13, minute=30)
    result = flow.run(dry_run=True)["delivery"]
    days = {text.rpartition(" ")[2] for text in result.gaps["not_in_salesforce"].first}
    assert days == {"2026-11-23"}, "of 23 and 24 November only the first has delivery"


@pytest.mark.parametrize(
    "soql",
    [
        "SELECT Id, GAM_LineItemID__c FROM Usage__c WHERE Usage_Date__c = 2026-11-23",
        "select id, gam_lineitemid__c, Order__r.Name from usage__c",
        "SELECT Id, GAM_LineItemID__c FROM Usage__c WHERE Name = 'for update' LIMIT 5",
        " SELECT Id,\n GAM_LineItemID__c\n FROM Usage__c ORDER BY Name ",
    ],
)
def test_a_select_on_usage_is_run(soql: str) -> None:
    assert checked_soql(soql) == soql.strip()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("SELECT Id, GAM_LineItemID__c FROM Account", "a SELECT on Usage__c was expected"),
        ("SELECT Id, GAM_LineItemID__c FROM Usage__c_old", "a SELECT on Usage__c was expected"),
        ("DELETE FROM Usage__c", "a SELECT on Usage__c was expected"),
        ("FIND {x} IN ALL FIELDS RETURNING Usage__c", "a SELECT on Usage__c was expected"),
        ("SELECT Id, (SELECT Id FROM Notes) FROM Usage__c", "a SELECT on Usage__c was expected"),
        ("SELECT Id, GAM_LineItemID__c FROM Usage__c FOR UPDATE", "has an effect"),
        ("SELECT Id, GAM_LineItemID__c FROM Usage__c UPDATE TRACKING", "has an effect"),
        ("SELECT Id FROM Usage__c", "lacks GAM_LineItemID__c"),
        ("", "a SELECT on Usage__c was expected"),
        (None, "a SELECT on Usage__c was expected"),
        ({"query": "SELECT"}, "a SELECT on Usage__c was expected"),
    ],
)
def test_anything_else_is_refused(answer: Any, reason: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match=reason):
        checked_soql(answer)


def test_figures_that_the_soql_leaves_out_are_read(flow: Flow, server: OrgServer) -> None:
    soql = "SELECT Id, GAM_LineItemID__c FROM Usage__c WHERE Usage_Date__c = 2026-11-23"
    server.faults.add(OrgFault(path="fetchUsages", status=200, text=f'"{soql}"'))
    (before,) = {c.old for c in flow.run(dry_run=True)["delivery"].changes if c.old == "3"}
    assert before == "3"


@pytest.mark.parametrize(
    "text",
    ["", " 1", "1 ", "1.0", "-1", "+1", "0", "1 OR 1=1", "\u0661", "9" * 19, "1" * 20, "0x1"],
)
def test_what_is_no_id_reaches_no_query(text: str) -> None:
    assert parse_id(text) is None


def test_an_id_may_have_leading_zeros_and_19_digits() -> None:
    assert parse_id("0042") == 42
    assert parse_id(str(2**63 - 1)) == 2**63 - 1


def test_figures_are_found_by_line_item_and_day() -> None:
    rows = [DeliveryRow(line, 20261123, line % 10 * 10, line) for line in (9, 3, 2**62, 7)]
    delivered = DeliveredDay(read_report(rows))
    assert delivered.take(3) == (30, 3)
    assert delivered.take(7) == (70, 7)
    assert delivered.take(7) == (70, 7)
    assert [delivered.take(line) for line in (2, 8, 2**62 + 1)] == [None] * 3
    assert list(delivered.unused()) == [9, 2**62]
    assert list(delivered.shared()) == [7]
    assert list(DeliveredDay(read_report([])).unused()) == []


class ManyRecords:
    """An org that streams so many line items, none of which has its status yet."""

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def write_rules(self, name: str) -> ObjectRules:
        fields = (FieldRule("Line__c", "string"), FieldRule("Status__c", "string"))
        return ObjectRules(name, createable=True, updateable=True, deletable=True, fields=fields)

    def query(self, _soql: str) -> Iterator[dict[str, str]]:
        for number in range(1, self._rows + 1):
            yield {"Id": f"a{number:017d}", "Line__c": str(number), "Status__c": "Ready"}


def peak_memory(rows: int) -> int:
    step = StatusStep(
        "line items",
        "AdOrderItem",
        "Line__c",
        "Status__c",
        where="Status__c != NULL",
        find=lambda ids: dict.fromkeys(ids, "DELIVERING"),
    )
    org: Any = ManyRecords(rows)
    result = StepResult("line items")
    tracemalloc.start()
    try:
        step.run(org, Preview(), result)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.differing == rows
    return peak


def test_memory_does_not_grow_with_the_number_of_line_items() -> None:
    peak_memory(2_000)
    assert peak_memory(12_000) < peak_memory(4_000) * 1.5
