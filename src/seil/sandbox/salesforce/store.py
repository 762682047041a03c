"""The stand-in org's data: a DuckDB file with a table per object, in a folder of its own.

What is committed survives a kill. One process holds the folder; within it, any number of threads
read while one writes.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pyarrow as pa

from seil.closing import Closing
from seil.errors import ConfigurationError, ConflictError, Problem
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.record_ids import BASE62, record_id

FILE_NAME = "org.duckdb"
_LIST = "seil_list"
_FORMAT = "1"
_SCHEMA = """
CREATE SCHEMA seil;
CREATE TABLE seil.settings (key VARCHAR PRIMARY KEY, value VARCHAR);
CREATE TABLE seil.objects (name VARCHAR, position BIGINT, described VARCHAR);
CREATE TABLE seil.counters (object VARCHAR, last BIGINT);
CREATE TABLE seil.hard_deleted (object VARCHAR, id VARCHAR, deleted_at TIMESTAMP);
"""
_open_folders: set[Path] = set()
_held_lock = threading.Lock()


def ident(name: str) -> str:
    """The name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class OrgObjects(Mapping[str, SObject]):
    """The org's objects in the order of addition; lookups are case-insensitive."""

    def __init__(self, objects: Iterable[SObject] = ()) -> None:
        self._by_name = {entry.name.lower(): entry for entry in objects}

    def __getitem__(self, name: str) -> SObject:
        return self._by_name[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._by_name

    def __iter__(self) -> Iterator[str]:
        return (entry.name for entry in self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def with_entry(self, entry: SObject) -> OrgObjects:
        return OrgObjects({**self._by_name, entry.name.lower(): entry}.values())


@contextmanager
def value_list(
    cursor: duckdb.DuckDBPyConnection, values: Iterable[Any], kind: pa.DataType | None = None
) -> Iterator[str]:
    """SQL of a subquery of `values` (by default texts), for statements of `cursor` in the block.

    Cheaper than a bound list: for each value in one, DuckDB tries to import pandas, twice.
    """
    cursor.register(_LIST, pa.table({"value": pa.array(list(values), kind or pa.string())}))
    try:
        yield f"(FROM {_LIST})"
    finally:
        cursor.unregister(_LIST)


class ChangeRecorder(Protocol):
    """Records the changes of each transaction, within it."""

    def captures(self, entity: SObject) -> bool: ...

    def capture(
        self, after: duckdb.DuckDBPyConnection, ids_by_object: Mapping[str, set[str]]
    ) -> None: ...

    def announce(self) -> None:
        """Called after the commit."""
        ...


class RollBack(Exception):  # noqa: N818  (no error: it ends a transaction that is not wanted)
    """Raised inside `OrgStore.write` to roll back; caught outside it."""


class OrgStore(Closing):
    """The org in a folder. `create` or `open` one; `close` it, or use it in a `with` block."""

    def __init__(
        self, folder: Path, connection: duckdb.DuckDBPyConnection, objects: OrgObjects
    ) -> None:
        self.folder = folder
        self._connection = connection
        self._objects = objects
        self._threads = threading.local()
        self._writer = threading.RLock()
        self._writing: duckdb.DuckDBPyConnection | None = None
        self._last_numbers: dict[str, int] = dict(
            connection.execute("SELECT lower(object), last FROM seil.counters").fetchall()
        )
        self._drawn: set[str] = set()
        self._touched: dict[str, set[str]] = {}
        self._recorder: ChangeRecorder | None = None

    @classmethod
    def create(
        cls,
        folder: Path,
        objects: Iterable[SObject] = (),
        *,
        memory_limit: str = "1GB",
        unfinished: bool = False,
    ) -> OrgStore:
        """A new, empty org.

        Raises ConflictError where there is one already. An `unfinished` org cannot be opened again
        before `finish` is called on it, and gives way to the next `create`.
        """
        file = folder / FILE_NAME
        if file.exists():
            _make_way(folder)
        folder.mkdir(parents=True, exist_ok=True)
        connection = _connect(folder, memory_limit)
        try:
            connection.execute(_SCHEMA)
            store = cls(folder, connection, OrgObjects())
            with store.write():
                store.keep_setting("format", _FORMAT)
                store.keep_setting("state", "unfinished" if unfinished else "ready")
                for entry in objects:
                    store.add_object(entry)
        except BaseException:
            _release(folder, connection)
            raise
        return store

    @classmethod
    def open(cls, folder: Path, *, memory_limit: str = "1GB") -> OrgStore:
        """The org of the folder, as it was left.

        Raises ConfigurationError where there is none or what is there is not one of ours, and
        ConflictError while another process holds it.
        """
        if not (folder / FILE_NAME).exists():
            raise _unusable(
                folder,
                "there is no stand-in org here",
                "start one with `seil sandbox salesforce`, or name its folder with --state",
            )
        connection = _connect(folder, memory_limit)
        try:
            _check_format(folder, connection)
            described = connection.execute(
                "SELECT described FROM seil.objects ORDER BY position"
            ).fetchall()
            objects = OrgObjects(_parse_describe(text) for (text,) in described)
            return cls(folder, connection, objects)
        except BaseException:
            _release(folder, connection)
            raise

    @property
    def objects(self) -> Mapping[str, SObject]:
        return self._objects

    def object(self, name: str) -> SObject:
        """Raises KeyError for an object the org does not have."""
        return self._objects[name]

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """The calling thread's cursor; inside `write` the one of the transaction."""
        if self._writing is not None and self._owns_writer():
            return self._writing
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._threads, "cursor", None)
        if cursor is None:
            cursor = self._threads.cursor = self._connection.cursor()
        return cursor

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """An exclusive transaction: committed at the end of the block, rolled back on an error.

        Nested blocks of the same thread are part of the outermost one.
        """
        with self._writer:
            if self._writing is not None:
                yield self._writing
                return
            objects = self._objects
            self._writing = self._connection.cursor()
            self._threads.writes = True
            try:
                self._writing.begin()
                yield self._writing
                is_recorded = self._record(self._writing)
                self._keep_numbers(self._writing)
                self._writing.commit()
            except BaseException:
                self._objects = objects
                # An interrupt can reach the commit when it is done: nothing is left to undo.
                with suppress(duckdb.TransactionException):
                    self._writing.rollback()
                raise
            finally:
                self._touched.clear()
                self._threads.writes = False
                self._writing.close()
                self._writing = None
        if is_recorded and self._recorder:
            self._recorder.announce()

    def record_changes(self, recorder: ChangeRecorder) -> None:
        """From now on."""
        self._recorder = recorder

    def records_changes_of(self, name: str) -> bool:
        return self._recorder is not None and self._recorder.captures(self.object(name))

    def touch(self, name: str, ids: Iterable[str]) -> None:
        """Names records that the transaction under way changes, for `record_changes`."""
        if self._recorder is not None:
            self._touched.setdefault(self.object(name).name, set()).update(ids)

    def outside_cursor(self) -> duckdb.DuckDBPyConnection:
        """Sees no uncommitted change, also within `write`; to be closed."""
        return self._connection.cursor()

    def next_id(self, name: str) -> str:
        return self.next_ids(name, 1)[0]

    def next_ids(self, name: str, count: int) -> list[str]:
        """New Ids of 18 characters for records of the object, in ascending order."""
        prefix = self.object(name).key_prefix
        first = self.draw_numbers(name, count)
        return [record_id(prefix, number) for number in range(first, first + count)]

    def draw_numbers(self, name: str, count: int) -> int:
        """Reserves that many record numbers and returns the first; see `record_ids.record_id`.

        They are stored with the current transaction. After an error they may go unused: Ids have
        gaps, but never repeat.
        """
        with self.write():
            lower = self.object(name).name.lower()
            first = self._last_numbers.get(lower, 0) + 1
            self._last_numbers[lower] = first + count - 1
            self._drawn.add(lower)
        return first

    def last_number(self, name: str) -> int:
        """The highest record number in use; 0 before the first."""
        return self._last_numbers.get(name.lower(), 0)

    def setting(self, key: str, default: str = "") -> str:
        row = (
            self.cursor().execute("SELECT value FROM seil.settings WHERE key = ?", [key]).fetchone()
        )
        return str(row[0]) if row else default

    def keep_setting(self, key: str, value: str) -> None:
        with self.write() as cursor:
            cursor.execute("INSERT OR REPLACE INTO seil.settings VALUES (?, ?)", [key, value])

    def finish(self) -> None:
        """Marks an org that was created `unfinished` as complete."""
        self.keep_setting("state", "ready")

    def remember_hard_deleted(self, name: str, ids: Iterable[str], at: datetime) -> None:
        """Stores hard-deleted records for getDeleted; `at` is in UTC."""
        rows = [[self.object(name).name, identifier, at.replace(tzinfo=None)] for identifier in ids]
        if rows:
            with self.write() as cursor:
                cursor.executemany("INSERT INTO seil.hard_deleted VALUES (?, ?, ?)", rows)

    def add_object(self, entry: SObject) -> SObject:
        """Adds an object without records, with another key prefix if its own is taken."""
        if entry.name in self._objects:
            raise ConflictError(f"The org already has an object {entry.name}")
        entry = entry.with_key_prefix(self._free_prefix(entry.key_prefix))
        columns = ", ".join(f"{ident(f.name)} {_stored_as(f)}" for f in entry.stored_fields)
        with self.write() as cursor:
            cursor.execute(f"CREATE TABLE main.{ident(entry.name)} ({columns})")
            self._describe(entry)
        return entry

    def add_field(self, name: str, added: SField) -> None:
        entry = self.object(name)
        if entry.field(added.name):
            raise ConflictError(f"{entry.name} already has a field {added.name}")
        self._alter(
            entry.with_field(added), added, f"ADD COLUMN {ident(added.name)} {added.column_type}"
        )

    def drop_field(self, name: str, field: str) -> None:
        entry = self.object(name)
        dropped = _require_field(entry, field)
        self._alter(entry.without_field(field), dropped, f"DROP COLUMN {ident(dropped.name)}")

    def change_field(self, name: str, changed: SField) -> None:
        """Changes a field's type or size; values that do not fit become null."""
        entry = self.object(name)
        column = ident(_require_field(entry, changed.name).name)
        kind = changed.column_type
        self._alter(
            entry.with_field(changed),
            changed,
            f"ALTER COLUMN {column} TYPE {kind} USING TRY_CAST({column} AS {kind})",
        )

    def close(self) -> None:
        _release(self.folder, self._connection)

    def _record(self, cursor: duckdb.DuckDBPyConnection) -> bool:
        if self._recorder is None or not self._touched:
            return False
        self._recorder.capture(cursor, self._touched)
        return True

    def _owns_writer(self) -> bool:
        return bool(getattr(self._threads, "writes", False))

    def _keep_numbers(self, cursor: duckdb.DuckDBPyConnection) -> None:
        for name in sorted(self._drawn):
            cursor.execute("DELETE FROM seil.counters WHERE object = ?", [name])
            cursor.execute(
                "INSERT INTO seil.counters VALUES (?, ?)", [name, self._last_numbers[name]]
            )
        self._drawn.clear()

    def _alter(self, entry: SObject, field: SField, change: str) -> None:
        with self.write() as cursor:
            if field.stored:
                cursor.execute(f"ALTER TABLE main.{ident(entry.name)} {change}")
            self._describe(entry)

    def _describe(self, entry: SObject) -> None:
        with self.write() as cursor:
            names = list(self._objects)
            position = names.index(entry.name) if entry.name in self._objects else len(names)
            cursor.execute("DELETE FROM seil.objects WHERE name = ?", [entry.name])
            cursor.execute(
                "INSERT INTO seil.objects VALUES (?, ?, ?)",
                [entry.name, position, json.dumps(entry.describe())],
            )
            self._objects = self._objects.with_entry(entry)

    def _free_prefix(self, requested: str) -> str:
        used = {entry.key_prefix for entry in self._objects.values()}
        spare = (f"a{first}{second}" for first in BASE62 for second in BASE62)
        return requested if requested not in used else next(p for p in spare if p not in used)


def _stored_as(field: SField) -> str:
    """The column's type, without compression: of unique texts it takes most of an insert."""
    repeats = not (field.type == "id" or field.name_field or field.auto_number or field.unique)
    if repeats or field.column_type != "VARCHAR":
        return field.column_type
    return f"{field.column_type} USING COMPRESSION uncompressed"


@lru_cache(maxsize=256)
def _parse_describe(text: str) -> SObject:
    """Cached: parsing the describes takes half the time of opening an org."""
    return SObject.from_describe(json.loads(text))


def _require_field(entry: SObject, field: str) -> SField:
    if (declared := entry.field(field)) is None:
        raise KeyError(f"{entry.name} has no field {field}")
    return declared


def _connect(folder: Path, memory_limit: str) -> duckdb.DuckDBPyConnection:
    folder = folder.resolve()
    with _held_lock:
        if folder in _open_folders:
            raise ConflictError(f"The stand-in org in {folder} is already open in this process")
        try:
            connection = duckdb.connect(
                folder / FILE_NAME,
                config={
                    "memory_limit": memory_limit,
                    "preserve_insertion_order": False,
                    "temp_directory": str(folder / "spill"),
                    # They cost more time than the space they save is worth here.
                    "disabled_compression_methods": "fsst,dict_fsst,zstd",
                },
            )
        except duckdb.IOException as error:
            if "lock" in str(error).lower():
                raise ConflictError(
                    f"Another process holds the stand-in org in {folder}",
                    hint="Stop it, or give another folder",
                ) from error
            raise _unusable(
                folder, f"{FILE_NAME} is not an org of the stand-in", "give another folder"
            ) from error
        _open_folders.add(folder)
    return connection


def _release(folder: Path, connection: duckdb.DuckDBPyConnection) -> None:
    connection.close()
    with _held_lock:
        _open_folders.discard(folder.resolve())


def _check_format(folder: Path, connection: duckdb.DuckDBPyConnection) -> None:
    try:
        settings = dict(connection.execute("SELECT key, value FROM seil.settings").fetchall())
    except duckdb.CatalogException as error:
        raise _unusable(
            folder, f"{FILE_NAME} is not an org of the stand-in", "give another folder"
        ) from error
    if settings.get("format") != _FORMAT:
        raise _unusable(
            folder,
            f"the org has format {settings.get('format')}, not {_FORMAT}",
            "generate it again in another folder",
        )
    if settings.get("state") != "ready":
        raise _unusable(folder, "generating the org was cut short", "generate it again")


def _make_way(folder: Path) -> None:
    """Removes an unfinished org. Raises ConflictError for any other."""
    try:
        OrgStore.open(folder).close()
    except ConfigurationError as error:
        if "cut short" not in str(error):
            raise
    else:
        raise ConflictError(
            f"{folder} already holds a stand-in org", hint="Open it, or give another folder"
        )
    for file in folder.glob(f"{FILE_NAME}*"):
        file.unlink()


def _unusable(folder: Path, reason: str, cure: str) -> ConfigurationError:
    return ConfigurationError([Problem(str(folder), reason, cure)])
