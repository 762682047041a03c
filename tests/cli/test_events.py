"""`seil events`: what the journal holds, picked out."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from seil.events import audit_trail
from seil.events.audit_trail import AuditTrail
from seil.events.dispatch import Dispatcher, Pattern, Subscriber
from seil.events.envelope import Event
from seil.events.journal import Journal

Seil = Callable[..., Any]


@pytest.fixture
def journal(home: Path) -> Iterator[Journal]:
    with Journal(home / "seil-data" / "journal.sqlite") as opened:
        yield opened


def ingestion_event(
    n: int, *, state: str = "success", name: str = "OrderItem", hours: int = 0
) -> Event:
    detail = {"object": name, "state": state, "key": f"in/x/{n}.parquet", "message": f"no. {n}"}
    at = datetime.now(UTC) - timedelta(hours=hours)
    return Event("seil.sf-to-dw", "file-ingestion", detail, time=at)


def test_no_journal_is_no_event_and_stays_none(seil: Seil, home: Path) -> None:
    assert seil("events").out == "No events.\n"
    assert seil("events", "--json").json["events"] == []
    assert seil("events", "dead").out == "No dead letters.\n"
    assert seil("events", "redeliver", "--all").code == 1
    assert not (home / "seil-data").exists()


def test_the_newest_are_listed_oldest_first(seil: Seil, journal: Journal) -> None:
    journal.publish([ingestion_event(n) for n in range(60)])
    listing = seil("events", "--limit", "3").out.splitlines()
    assert listing[0].split() == ["number", "time", "type", "object", "state", "what"]
    assert [line.split()[0] for line in listing[1:]] == ["58", "59", "60"]
    assert listing[-1].endswith("file-ingestion  OrderItem  success  59.parquet: no. 59")


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        (["--object", "Order Product"], [1, 3]),
        (["-o", "account"], [2]),
        (["--state", "error"], [2]),
        (["--type", "load"], [4]),
        (["--source", "aws.s3"], [5]),
        (["--since", "2h"], [2, 3, 4, 5]),
        (["--until", "2h"], [1]),
        (["--text", "NO. 2"], [3]),
        (["--object", "Account", "--state", "success"], []),
    ],
    ids=str,
)
def test_filters(seil: Seil, journal: Journal, arguments: list[str], numbers: list[int]) -> None:
    journal.publish(
        [
            ingestion_event(0, hours=5),
            ingestion_event(1, state="error", name="Account"),
            ingestion_event(2),
            Event(
                "seil.sf-to-dw", "load", {"table": "salesforce.order", "rows": 1_200, "files": 0}
            ),
            Event("aws.s3", "Object Created", {"object": {"key": "in/a/b.parquet", "size": 3}}),
        ]
    )
    ran = seil("events", "--json", *arguments)
    assert [event["number"] for event in ran.json["events"]] == numbers


def test_summary_of_an_event_without_a_message(seil: Seil, journal: Journal) -> None:
    journal.publish(
        [
            Event(
                "seil.sf-to-dw", "load", {"table": "salesforce.order", "rows": 1_200, "files": 0}
            ),
            Event("aws.s3", "Object Created", {"object": {"key": "in/a/b.parquet", "size": 3}}),
        ]
    )
    lines = seil("events").out.splitlines()
    assert lines[1].endswith("salesforce.order: 1,200 rows")
    assert lines[2].endswith("b.parquet")


def test_an_object_nobody_knows(seil: Seil, journal: Journal) -> None:
    ran = seil("events", "--object", "Leed")
    assert ran.code == 2
    assert "Leed: is not an object of the catalog" in ran.err


@pytest.mark.parametrize("as_json", [True, False])
def test_follow_prints_what_comes(
    seil_process: Callable[..., subprocess.Popen[str]], journal: Journal, as_json: bool
) -> None:
    journal.publish([ingestion_event(0), ingestion_event(1, state="error")])
    options = ["--json"] if as_json else []
    with seil_process("events", "--follow", "--state", "success", *options) as following:
        assert following.stdout
        first = following.stdout.readline()
        journal.publish([ingestion_event(2, state="error"), ingestion_event(3)])
        second = following.stdout.readline()
        following.terminate()
    if as_json:
        assert [json.loads(line)["number"] for line in (first, second)] == [1, 4]
    else:
        assert [line.split()[0] for line in (first, second)] == ["1", "4"]


def test_follow_goes_on_where_the_list_ends(
    seil: Seil, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.publish([ingestion_event(0), ingestion_event(1)])

    def follow(trail: AuditTrail, after: int, **where: Any) -> Iterator[tuple[int, Event]]:
        yield from trail.read(after - 1, **where)
        raise KeyboardInterrupt

    monkeypatch.setattr(audit_trail, "follow", follow)
    ran = seil("events", "--follow", "--limit", "1")
    assert [line.split()[0] for line in ran.out.splitlines()] == ["2", "2"]
    assert seil("events", "-f", "--state", "none", "--json").code == 130


def test_dead_letters_are_listed_and_redelivered(seil: Seil, journal: Journal) -> None:
    failing = [True]

    def handle(event: Event) -> None:
        if failing[0]:
            raise ValueError("odd file")

    everything = Pattern({"source": [{"exists": True}]})
    subscriber = Subscriber("ingest", everything, handle, attempts=1)
    dispatcher = Dispatcher(journal, [subscriber])
    journal.publish([ingestion_event(0), ingestion_event(1)])
    dispatcher.drain()

    listing = seil("events", "dead")
    assert listing.code == 1
    assert [line.split()[:2] for line in listing.out.splitlines()[1:]] == [
        ["1", "ingest"],
        ["2", "ingest"],
    ]
    assert listing.out.count("ValueError: odd file") == 2
    assert seil("events", "dead", "--subscriber", "other").code == 0

    assert seil("events", "redeliver", "1").out == "1 dead letter will be delivered again.\n"
    assert [
        letter["waiting"] for letter in seil("events", "dead", "--json").json["dead_letters"]
    ] == [True, False]
    failing[0] = False
    dispatcher.drain()
    assert seil("events", "redeliver", "--all", "--json").json["redelivered"] == 1
    dispatcher.drain()
    assert seil("events", "dead").code == 0
