"""The journal as a bus: durable, ordered, readable by others while it is written."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.limits import HANGS

from seil.errors import JournalError
from seil.events.audit_trail import Where, follow
from seil.events.dispatch import Dispatcher, Pattern, Subscriber
from seil.events.envelope import Event
from seil.events.journal import Journal

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "new" / "journal.sqlite") as opened:
        yield opened


def ingestion_event(
    key: str, *, state: str = "success", at: datetime = NOON, **detail: str
) -> Event:
    return Event(
        "seil.sf-to-dw",
        "file-ingestion",
        {"object": "Order", "state": state, "key": key, **detail},
        time=at,
    )


def landed(key: str) -> Event:
    detail = {"bucket": {"name": "landing"}, "object": {"key": key, "size": 10}}
    return Event("aws.s3", "Object Created", detail, time=NOON)


def test_publish_keeps_order_and_content(journal: Journal) -> None:
    events = [ingestion_event(f"in/{n}", message="“naïve” 😀") for n in range(3)]
    journal.publish(events)
    assert [(seq, event) for seq, event in journal.read()] == list(enumerate(events, 1))


def test_publish_leaves_a_stored_id_as_it_is(journal: Journal) -> None:
    first = ingestion_event("in/a")
    again = Event(first.source, first.detail_type, {"state": "other"}, id=first.id, time=NOON)
    journal.publish([first])
    journal.publish([again, ingestion_event("in/b")])
    assert [event.detail["key"] for _, event in journal.read()] == ["in/a", "in/b"]


def test_publish_of_nothing_makes_no_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    journal.publish([])
    assert not journal.path.exists()


def test_publish_stores_all_events_or_none(journal: Journal) -> None:
    broken = Event("seil.sf-to-dw", "load", {"when": object})
    unserialisable = Event("seil.sf-to-dw", "load", {("a", "tuple"): 1})  # type: ignore[dict-item]
    journal.publish([broken])
    with pytest.raises(TypeError):
        journal.publish([ingestion_event("in/a"), unserialisable])
    assert journal.last() == 1


def test_publish_takes_a_key_that_is_not_utf8(journal: Journal) -> None:
    key = b"in/caf\xe9".decode("utf-8", "surrogateescape")
    journal.publish([ingestion_event(key)])
    assert [event.detail["key"] for _, event in journal.history(key)] == [key]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"source": "aws.s3"}, [1]),
        ({"detail_type": "file-ingestion"}, [2, 3]),
        ({"object": "order"}, [2, 3]),
        ({"state": "error"}, [3]),
        ({"state": "error", "object": "Account"}, []),
        ({"since": NOON + timedelta(hours=1)}, [3]),
        ({"until": NOON + timedelta(hours=1)}, [1, 2]),
        ({"text": "CUT OFF"}, [3]),
        ({"text": "100%"}, []),
    ],
    ids=str,
)
def test_read_filters(journal: Journal, where: Where, expected: list[int]) -> None:
    late = NOON + timedelta(hours=1)
    journal.publish(
        [
            landed("in/a"),
            ingestion_event("in/a"),
            ingestion_event("in/b", state="error", at=late, message="cut off"),
        ]
    )
    assert [seq for seq, _ in journal.read(**where)] == expected
    assert [seq for seq, _ in journal.read(**where, newest_first=True)] == expected[::-1]


@pytest.mark.parametrize(
    ("after", "limit"), [(0, None), (0, 3), (700, 600), (1_190, 50), (5_000, 1)]
)
def test_read_pages_through_everything(journal: Journal, after: int, limit: int | None) -> None:
    journal.publish([ingestion_event(f"in/{n}") for n in range(1_200)])
    numbers = [n for n in range(1, 1_201) if n > after]
    assert [seq for seq, _ in journal.read(after, limit=limit)] == numbers[:limit]
    newest = [seq for seq, _ in journal.read(after, limit=limit, newest_first=True)]
    assert newest == numbers[::-1][:limit]


def test_read_lets_others_write_meanwhile(journal: Journal) -> None:
    journal.publish([ingestion_event("in/a"), ingestion_event("in/b")])
    reading = journal.read()
    next(reading)
    with Journal(journal.path) as other:
        other.publish([ingestion_event("in/c")])
    assert journal.last() == 3


def test_follow_yields_what_comes_and_stops(journal: Journal) -> None:
    journal.publish([ingestion_event("in/old")])
    stop = threading.Event()
    following = follow(journal, poll=0.01, stop=stop, state="success")

    def publish() -> None:
        with Journal(journal.path) as other:
            for n in range(3):
                other.publish([ingestion_event(f"in/{n}"), ingestion_event("in/no", state="error")])

    thread = threading.Timer(0.1, publish)
    thread.start()
    keys = [event.detail["key"] for _, event in islice(following, 3)]
    stop.set()
    assert next(following, None) is None
    thread.join()
    assert keys == ["in/0", "in/1", "in/2"]


def test_follow_starts_at_the_given_position(journal: Journal) -> None:
    journal.publish([ingestion_event("in/a"), ingestion_event("in/b")])
    assert next(follow(journal, 1))[0] == 2


def test_history_follows_a_file_through_its_moves(journal: Journal) -> None:
    journal.publish(
        [
            landed("in/r/a.parquet"),
            ingestion_event("in/r/a.parquet", state="error", archived_key="error/r/a.parquet"),
            landed("in/r/other.parquet"),
            ingestion_event("in/r/a.parquet", curated_key="curated_a.parquet"),
        ]
    )
    for key in ("in/r/a.parquet", "error/r/a.parquet", "curated_a.parquet"):
        assert [seq for seq, _ in journal.history(key)] == [1, 2, 4], key
    assert journal.history("in/unknown") == []


def test_prune_deletes_by_age_only(journal: Journal) -> None:
    old = [ingestion_event(f"in/{n}", at=NOON - timedelta(days=15)) for n in range(2_500)]
    journal.publish([*old, ingestion_event("in/new")])
    journal.close()
    size = journal.path.stat().st_size
    assert journal.prune(timedelta(days=14), now=NOON) == 2_500
    assert [event.detail["key"] for _, event in journal.read()] == ["in/new"]
    assert journal.history("in/1") == []
    with Journal(journal.path) as other:
        assert other.last() == 2_501
    journal.close()
    assert journal.path.stat().st_size < size / 4


def test_prune_waits_for_a_live_subscriber_but_not_for_a_forgotten_one(journal: Journal) -> None:
    everything = Pattern({"source": [{"exists": True}]})
    dispatcher = Dispatcher(journal, [Subscriber("slow", everything, lambda _: None)])
    now = datetime.now(UTC)
    long_ago = now - timedelta(days=20)
    journal.publish([ingestion_event("in/old", at=long_ago)])
    assert journal.prune(timedelta(days=14), now=now) == 0
    dispatcher.drain()
    assert journal.prune(timedelta(days=14), now=now) == 1
    journal.publish([ingestion_event("in/older", at=long_ago)])
    assert journal.prune(timedelta(days=14), now=now + timedelta(days=30)) == 1


def test_numbers_are_not_used_again_after_pruning(journal: Journal) -> None:
    journal.publish([ingestion_event("in/a"), ingestion_event("in/b")])
    journal.prune(timedelta(0), now=NOON + timedelta(days=1))
    journal.publish([ingestion_event("in/c")])
    assert [seq for seq, _ in journal.read()] == [3]


def test_threads_publish_at_once_without_loss(journal: Journal) -> None:
    def publish(worker: int) -> None:
        for n in range(25):
            journal.publish([ingestion_event(f"in/{worker}/{n}")])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(publish, range(8)))
    keys = [event.detail["key"] for _, event in journal.read()]
    assert sorted(keys) == sorted(f"in/{w}/{n}" for w in range(8) for n in range(25))


_WRITER = """
import sys
from pathlib import Path
from seil.events.envelope import Event
from seil.events.journal import Journal
journal = Journal(Path(sys.argv[1]))
for n in range(40):
    journal.publish([Event("seil.test", "count", {"key": f"{sys.argv[2]}/{n}"})])
"""


def test_processes_create_and_write_one_journal_at_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(path), str(n)]) for n in range(4)
    ]
    assert [writer.wait(HANGS) for writer in writers] == [0] * 4
    with Journal(path) as journal:
        keys = [event.detail["key"] for _, event in journal.read()]
    assert sorted(keys) == sorted(f"{w}/{n}" for w in range(4) for n in range(40))
    for writer in range(4):
        own = [key for key in keys if key.startswith(f"{writer}/")]
        assert own == [f"{writer}/{n}" for n in range(40)]


_KILLED = """
import os, signal, sys
from pathlib import Path
from seil.events.envelope import Event
from seil.events.journal import Journal
journal = Journal(Path(sys.argv[1]))
journal.publish([Event("seil.test", "kept", {"n": n}) for n in range(10)])
with journal.file.transaction() as connection:
    connection.execute("DELETE FROM events")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_published_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(path)], check=False)
    assert killed.returncode == -9
    with Journal(path) as journal:
        assert [event.detail["n"] for _, event in journal.read()] == list(range(10))


def test_journal_commits_with_an_fsync(journal: Journal) -> None:
    journal.publish([ingestion_event("in/a")])
    assert journal.file.rows("PRAGMA synchronous") == [(2,)]
    assert journal.file.rows("PRAGMA journal_mode") == [("wal",)]


def _foreign(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE t (a)")
    other.close()


def _newer(path: Path) -> None:
    with Journal(path) as journal:
        journal.publish([ingestion_event("in/a")])
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()


def _torn(path: Path) -> None:
    with Journal(path) as journal:
        journal.publish([ingestion_event(f"in/{n}") for n in range(2_000)])
    content = bytearray(path.read_bytes())
    content[4096 : len(content) // 2] = b"\xff" * (len(content) // 2 - 4096)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda path: path.write_bytes(b"garbage " * 1000),
            "point [events] journal at one of its own",
        ),
        (_foreign, "it is another program's SQLite database. Point [events] journal"),
        (_newer, "its format is version 99, this SEIL writes 1. Move it away"),
        (_torn, "malformed. Move it away"),
        (lambda path: path.mkdir(), "unable to open database file. Give this user the right"),
    ],
    ids=["garbage", "foreign", "newer", "torn", "folder"],
)
def test_a_file_that_is_no_journal_is_named(tmp_path: Path, damage: object, message: str) -> None:
    path = tmp_path / "journal.sqlite"
    assert callable(damage)
    damage(path)
    with Journal(path) as journal, pytest.raises(JournalError) as caught:
        list(journal.read())
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"Cannot write to the journal .*: File exists"):
        Journal(tmp_path / "file" / "journal.sqlite").publish([ingestion_event("in/a")])


def test_a_full_disk_is_named_and_loses_nothing(journal: Journal) -> None:
    journal.publish([ingestion_event("in/a")])
    pages = journal.file.rows("PRAGMA page_count")[0][0]
    journal.file.rows(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalError, match=r"full.*free some space"):
        journal.publish([ingestion_event(f"in/{n}") for n in range(5_000)])
    assert [event.detail["key"] for _, event in journal.read()] == ["in/a"]


def test_a_locked_journal_is_named(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seil.sqlite_file.LOCK_TIMEOUT", 0.05)
    with (
        Journal(journal.path) as holder,
        holder.file.transaction(),
        pytest.raises(JournalError, match=r"locked.*run the same command again"),
    ):
        journal.publish([ingestion_event("in/a")])
    journal.publish([ingestion_event("in/a")])
    assert journal.last() == 1


_texts = st.text(st.characters(exclude_categories=[]), max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.dictionaries(_texts, _texts | st.integers() | st.none() | st.lists(_texts)))
def test_any_detail_comes_back_as_it_was(tmp_path: Path, detail: dict[str, object]) -> None:
    event = Event("seil.test", "any", detail, time=NOON)
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.publish([event])
        [(_, stored)] = journal.read(limit=1, newest_first=True)
    assert stored.detail == json.loads(json.dumps(detail))


@pytest.mark.parametrize("is_open", [True, False], ids=["beside a writer", "alone"])
def test_who_may_only_read_it_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_open: bool
) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path) as writer:
        writer.publish([Event("seil.test", "x", {})])
        last = writer.last()
        if not is_open:
            writer.close()
        monkeypatch.setattr(os, "access", lambda *_: False)
        with Journal(path) as reader:
            assert reader.last() == last
            with pytest.raises(JournalError, match="readonly"):
                reader.publish([Event("seil.test", "x", {})])
