"""The audit trail in the state: what the journal's tests ask of an event log, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from tests.state.conftest import OpenState

from seil.events.audit_trail import Where
from seil.events.envelope import Event
from seil.state import State

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def ingestion_event(
    key: str, *, state: str = "success", at: datetime = NOON, **detail: str
) -> Event:
    body = {"object": "Order", "state": state, "key": key, **detail}
    return Event("seil.sf-to-dw", "file-ingestion", body, time=at)


def landed(key: str) -> Event:
    detail = {"bucket": {"name": "landing"}, "object": {"key": key, "size": 10}}
    return Event("aws.s3", "Object Created", detail, time=NOON)


def keys(events: Iterator[tuple[int, Event]]) -> list[str]:
    return [event.detail["key"] for _, event in events]


def test_publish_keeps_order_and_content(state: State) -> None:
    events = [ingestion_event(f"in/{n}", message="“naïve” 😀 100% a_b") for n in range(3)]
    state.events.publish(events)
    assert list(state.events.read()) == list(enumerate(events, 1))
    assert state.events.last() == 3


def test_repeated_event_is_stored_once(state: State) -> None:
    first = ingestion_event("in/a")
    again = Event(first.source, first.detail_type, {"key": "other"}, id=first.id, time=NOON)
    state.events.publish([first, first])
    state.events.publish([again, ingestion_event("in/b")])
    assert keys(state.events.read()) == ["in/a", "in/b"]


def test_empty_trail(state: State) -> None:
    state.events.publish([])
    assert (state.events.last(), list(state.events.read())) == (0, [])
    assert state.events.history("in/a") == []
    assert state.events.prune(timedelta(0)) == 0


def test_key_that_is_no_utf8(state: State) -> None:
    key = b"in/caf\xe9".decode("utf-8", "surrogateescape")
    state.events.publish([ingestion_event(key)])
    assert [event.detail["key"] for _, event in state.events.history(key)] == [key]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, [1, 2, 3]),
        ({"source": "aws.s3"}, [1]),
        ({"detail_type": "file-ingestion"}, [2, 3]),
        ({"object": "order"}, [2, 3]),
        ({"object": "ORDER", "state": "error"}, [3]),
        ({"state": "error", "object": "Account"}, []),
        ({"since": NOON + timedelta(hours=1)}, [3]),
        ({"until": NOON + timedelta(hours=1)}, [1, 2]),
        ({"text": "CUT OFF"}, [3]),
        ({"text": "50% o_f"}, [3]),
        ({"text": "100%"}, []),
        ({"text": "c_t"}, []),
    ],
    ids=str,
)
def test_read_filters(state: State, where: Where, expected: list[int]) -> None:
    late = NOON + timedelta(hours=1)
    cut = ingestion_event("in/b", state="error", at=late, message="cut off at 50% o_f it")
    state.events.publish([landed("in/a"), ingestion_event("in/a"), cut])
    assert [number for number, _ in state.events.read(**where)] == expected
    newest = [number for number, _ in state.events.read(**where, newest_first=True)]
    assert newest == expected[::-1]


@pytest.mark.parametrize(("after", "limit"), [(0, None), (0, 3), (700, 600), (5_000, 1)])
def test_read_pages_through_everything(state: State, after: int, limit: int | None) -> None:
    state.events.publish([ingestion_event(f"in/{n}") for n in range(1_200)])
    numbers = [n for n in range(1, 1_201) if n > after]
    assert [number for number, _ in state.events.read(after, limit=limit)] == numbers[:limit]
    newest = state.events.read(after, limit=limit, newest_first=True)
    assert [number for number, _ in newest] == numbers[::-1][:limit]


def test_history_follows_a_file_through_its_moves(state: State) -> None:
    state.events.publish(
        [
            landed("in/r/a.parquet"),
            ingestion_event("in/r/a.parquet", state="error", archived_key="error/r/a.parquet"),
            landed("in/r/other.parquet"),
            ingestion_event("in/r/a.parquet", curated_key="curated_a.parquet"),
        ]
    )
    for key in ("in/r/a.parquet", "error/r/a.parquet", "curated_a.parquet"):
        assert [number for number, _ in state.events.history(key)] == [1, 2, 4], key


def test_prune_deletes_by_age_and_gives_no_number_twice(state: State) -> None:
    old = [ingestion_event(f"in/{n}", at=NOON - timedelta(days=15)) for n in range(1_500)]
    state.events.publish([*old, ingestion_event("in/new")])
    assert state.events.prune(timedelta(days=14), now=NOON) == 1_500
    assert keys(state.events.read()) == ["in/new"]
    assert state.events.history("in/1") == []
    state.events.prune(timedelta(0), now=NOON + timedelta(days=1))
    state.events.publish([ingestion_event("in/c")])
    assert [number for number, _ in state.events.read(1_501)] == [1_502]


def test_several_writers_lose_nothing(url: str, opened: OpenState) -> None:
    def publish(worker: int) -> None:
        state = opened(url)
        for n in range(10):
            state.events.publish([ingestion_event(f"in/{worker}/{n}")])

    opened(url).events.publish([])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(publish, range(4)))
    stored = keys(opened(url).events.read())
    assert sorted(stored) == sorted(f"in/{w}/{n}" for w in range(4) for n in range(10))
