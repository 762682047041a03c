"""A copy of the whole state in one file, and back from it."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from seil.errors import StateError
from seil.state.database import Database, Transaction
from seil.state.ownership import set_owner
from seil.state.restored import mark_restored
from seil.state.schema import META_OF_ITS_OWN, TABLES, VERSION
from seil.state.sqlite import SqliteDatabase

_ALL_TABLES = ("meta", *TABLES)


def back_up(database: Database, target: Path) -> dict[str, int]:
    """Writes one moment's state, while others write. The file appears whole or not at all. Returns
    the rows of each table.

    Raises StateError if the file exists.
    """
    if target.exists():
        raise StateError(
            database.place, "back up", f"{target} exists already", hint="Name another file"
        )
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        with closing(SqliteDatabase(part)) as copy:
            if isinstance(database, SqliteDatabase):
                database.copy(part)
            else:
                with database.snapshot() as source, copy.transaction() as destination:
                    _copy(copy, source, destination)
            counts = {name: _count(copy, name) for name in TABLES}
            copy.settle()
        part.replace(target)
    finally:
        for partial in target.parent.glob(f"{part.name}*"):
            partial.unlink(missing_ok=True)
    return counts


def restore(
    database: Database, source: Path, *, site_id: str = "", replace: bool = False
) -> dict[str, int]:
    """In one transaction; migrates a backup of an earlier version. The state is then the site's of
    that id. Returns the rows of each table.

    Raises StateError for a file that is no backup, and for a state that is not empty unless
    `replace`.
    """
    backup_owner(source)
    with _opened_copy(source) as copy, database.transaction() as destination:
        filled = [name for name in TABLES if _count(destination, name)]
        if filled and not replace:
            raise StateError(
                database.place,
                "restore",
                f"it holds {', '.join(filled)} already",
                hint="Add --replace to put the backup in its place",
            )
        for name in reversed(TABLES):
            destination.execute(f"DELETE FROM {name}")  # noqa: S608
        with copy.snapshot() as origin:
            _copy(copy, origin, destination)
        if site_id:
            set_owner(destination, site_id)
        mark_restored(destination)
        return {name: _count(destination, name) for name in TABLES}


def backup_owner(source: Path) -> str:
    """The id of the site that the backup is of; empty where an earlier version made it.

    Raises StateError for a file that is no backup. An empty file would become an empty state.
    """
    if not source.is_file():
        raise StateError(str(source), "read", "no such file")
    reason = "it is no backup of a state"
    try:
        with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as file:
            meta = dict(file.execute("SELECT name, value FROM meta"))
        if int(meta["version"]) <= VERSION:
            return str(meta.get("site_id", ""))
        reason = (
            f"a later version of SEIL wrote it: {meta['version']}, this one reads up to {VERSION}"
        )
    except (sqlite3.Error, ValueError, KeyError):
        pass
    hint = "`seil state backup FILE` makes one; nothing was changed here"
    raise StateError(str(source), "restore", reason, hint=hint)


@contextmanager
def _opened_copy(source: Path) -> Iterator[SqliteDatabase]:
    """Migrating it must not change the backup."""
    with tempfile.TemporaryDirectory(prefix="seil-restore-") as folder:
        copied = Path(folder) / source.name
        shutil.copyfile(source, copied)
        with closing(SqliteDatabase(copied)) as database:
            yield database


def _copy(shape: SqliteDatabase, source: Transaction, destination: Transaction) -> None:
    for table in _ALL_TABLES:
        names = [str(name) for (name,) in shape.rows(_COLUMNS, table=table)]
        conflict = " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        insert = (
            f"INSERT INTO {table} ({', '.join(names)}) "  # noqa: S608
            f"VALUES ({', '.join(f':{name}' for name in names)})"
        )
        rows = source.stream(f"SELECT {', '.join(names)} FROM {table}")  # noqa: S608
        many: Iterator[dict[str, Any]] = (dict(zip(names, row, strict=True)) for row in rows)
        if table == "meta":
            insert += conflict
            many = (entry for entry in many if entry["name"] not in META_OF_ITS_OWN)
        destination.execute_many(insert, many)


_COLUMNS = "SELECT name FROM pragma_table_info(:table) ORDER BY cid"


def _count(reader: Database | Transaction, table: str) -> int:
    return int(reader.rows(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608
