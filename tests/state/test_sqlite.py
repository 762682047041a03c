"""The state as a SQLite file: other formats, a broken file, a full disk."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from seil.errors import StateError
from seil.state.decisions import Decision, Decisions
from seil.state.sqlite import SqliteDatabase

DECISION = Decision("size", "text", "me", "2026-01-01T00:00:00+00:00", "int64", "string")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new" / "state.sqlite"


def not_a_database(file: Path) -> None:
    file.write_bytes(b"not a database, and longer than a header of SQLite" * 100)


def damaged(file: Path) -> None:
    with closing(SqliteDatabase(file)) as database:
        database.rows("SELECT 1")
        database.settle()
    file.write_bytes(file.read_bytes()[:100] + b"x" * 40_000)


def anothers(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE t (a)")


def without_rights(file: Path) -> None:
    file.parent.rmdir()
    file.parent.write_text("")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (not_a_database, r"point \[state\] url at one of its own"),
        (damaged, r"Move it away with `mv.*seil state restore"),
        (anothers, r"Point \[state\] url at a file of its own"),
        (without_rights, r"change \[state\] url"),
    ],
)
def test_a_file_that_is_no_state_is_named(file: Path, spoil: object, words: str) -> None:
    assert callable(spoil)
    file.parent.mkdir()
    spoil(file)
    with (
        closing(SqliteDatabase(file)) as database,
        pytest.raises(StateError, match=words) as caught,
    ):
        Decisions(database).add("Account", [DECISION])
    assert str(file) in str(caught.value)
    assert ("`mv" in str(caught.value)) == (spoil is damaged)


def test_a_full_disk_is_named(file: Path) -> None:
    with closing(SqliteDatabase(file)) as database:
        decisions = Decisions(database)
        database.rows("PRAGMA max_page_count = 30")
        with pytest.raises(StateError, match="free some space"):
            decisions.add("Account", [DECISION] * 2000)
        assert decisions.get("Account") == []
