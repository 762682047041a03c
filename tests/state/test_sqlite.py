"""The state as a SQLite file: several writers, other formats, a broken file."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seil import __version__
from seil.errors import NewerSiteError, StateError
from seil.state.decisions import Decision, Decisions
from seil.state.schema import VERSION
from seil.state.sqlite import SqliteDatabase

DECISION = Decision("size", "text", "me", "2026-01-01T00:00:00+00:00", "int64", "string")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new" / "state.sqlite"


def test_a_new_state_has_its_version_and_who_wrote_it(file: Path) -> None:
    database = SqliteDatabase(file)
    rows = database.rows("SELECT name, value FROM meta")
    assert dict(rows) == {"version": str(VERSION), "written_by": __version__}


def test_several_writers_lose_nothing(file: Path) -> None:
    def write(number: int) -> None:
        decisions = Decisions(SqliteDatabase(file))
        for name in ("Account", "Contact"):
            decisions.add(name, [DECISION] * 5)
        decisions.database.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(8)))
    decisions = Decisions(SqliteDatabase(file))
    assert decisions.get("Account") == [DECISION] * 40
    assert decisions.get("account") == []


def test_a_newer_state_is_refused_by_name(file: Path) -> None:
    database = SqliteDatabase(file)
    with database.transaction() as transaction:
        newer = "UPDATE meta SET value = :value WHERE name = :name"
        transaction.execute(newer, name="version", value=str(VERSION + 1))
        transaction.execute(newer, name="written_by", value="9.9")
    database.close()
    with pytest.raises(NewerSiteError, match=r"state\.sqlite.*SEIL 9\.9"):
        SqliteDatabase(file).rows("SELECT 1")


def not_a_database(file: Path) -> None:
    file.write_bytes(b"not a database, and longer than a header of SQLite" * 100)


def anothers(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE t (a)")


def without_rights(file: Path) -> None:
    file.parent.rmdir()
    file.parent.write_text("")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (not_a_database, "seil state restore"),
        (anothers, r"Point \[state\] url at a file of its own"),
        (without_rights, r"change \[state\] url"),
    ],
)
def test_a_file_that_is_no_state_is_named(file: Path, spoil: object, words: str) -> None:
    assert callable(spoil)
    file.parent.mkdir()
    spoil(file)
    with pytest.raises(StateError, match=words) as caught:
        Decisions(SqliteDatabase(file)).add("Account", [DECISION])
    assert str(file) in str(caught.value)


def test_a_full_disk_is_named(file: Path) -> None:
    decisions = Decisions(SqliteDatabase(file))
    decisions.database.rows("PRAGMA max_page_count = 30")
    with pytest.raises(StateError, match="free some space"):
        decisions.add("Account", [DECISION] * 2000)
    assert decisions.get("Account") == []
