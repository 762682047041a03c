"""Swaps a new DuckDB file for the current one."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from re import Pattern
from typing import TypeVar

from seil.errors import WarehouseError
from seil.settings import WarehouseSettings
from seil.warehouse.duckdb.errors import is_broken
from seil.warehouse.duckdb.location import local_file
from seil.warehouse.duckdb.opening import open_file
from seil.warehouse.duckdb.user_objects import copy_user_objects, user_objects
from seil.warehouse.duckdb.warehouse import EmbeddedWarehouse
from seil.warehouse.fencing import Fence
from seil.warehouse.merges import OpenUrl
from seil.warehouse.replacement import OldState, UserObject
from seil.warehouse.tables import TableName

log = logging.getLogger(__name__)

_NEW = ".rebuild"
_BROKEN = ".broken"

Result = TypeVar("Result")


@dataclass
class FileReplacement:
    """Written to a file beside the old one, then renamed to its name."""

    settings: WarehouseSettings
    fence: Fence
    open_url: OpenUrl | None
    wait: timedelta
    state: OldState = "missing"
    _open: EmbeddedWarehouse | None = field(default=None, init=False)

    def read_old(
        self, read: Callable[[EmbeddedWarehouse], Result]
    ) -> tuple[OldState, Result | None]:
        """Opens the file for writing, so that its write-ahead log is applied."""
        if not self.file.exists():
            return self.state, None
        try:
            with self._open_file(self.file) as warehouse:
                with warehouse.database.transaction():
                    # Stores this run's fencing token: earlier runs cannot commit any more.
                    pass
                result = read(warehouse)
                warehouse.database.execute("CHECKPOINT")
        except WarehouseError as error:
            if not is_broken(error):
                raise
            log.warning("%s", error)
            self.state = "broken"
            return self.state, None
        self.state = "present"
        return self.state, result

    def user_objects(
        self, *, own_schemas: Pattern[str], own_tables: Collection[TableName]
    ) -> list[UserObject]:
        return user_objects(self._current.database, own_schemas=own_schemas, own_tables=own_tables)

    @contextmanager
    def new(self) -> Iterator[EmbeddedWarehouse]:
        self.discard()
        with self._open_file(self._new) as warehouse:
            yield warehouse
            warehouse.database.execute("CHECKPOINT")

    def copy_user_objects(self, objects: Sequence[UserObject]) -> list[UserObject]:
        return copy_user_objects(self._current.database, self.file, objects)

    def replace(self) -> None:
        with self._fence_commits(), _translate_errors(self.file):
            if self.state == "broken":
                self.file.replace(self.file.with_name(f"{self.file.name}{_BROKEN}"))
            # The log belongs to the old file, which includes its changes by now.
            _wal(self.file).unlink(missing_ok=True)
            self._new.replace(self.file)
            folder = os.open(self.file.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def discard(self) -> None:
        """Also removes the remains of a killed rebuild."""
        with _translate_errors(self._new):
            self._new.unlink(missing_ok=True)
            _wal(self._new).unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                shutil.rmtree(f"{self._new}.tmp")

    @property
    def file(self) -> Path:
        return local_file(self.settings)

    @property
    def _new(self) -> Path:
        return self.file.with_name(f"{self.file.name}{_NEW}")

    @property
    def _current(self) -> EmbeddedWarehouse:
        if self._open is None:
            raise RuntimeError("no warehouse of the replacement is open")
        return self._open

    @contextmanager
    def _open_file(self, file: Path) -> Iterator[EmbeddedWarehouse]:
        with open_file(
            self.settings,
            file=file,
            wait=self.wait,
            fence=self.fence,
            open_url=self.open_url,
        ) as warehouse:
            self._open = warehouse
            try:
                yield warehouse
            finally:
                self._open = None

    @contextmanager
    def _fence_commits(self) -> Iterator[None]:
        """Holds the old file's write lock, and fails if a later run has committed to it."""
        if self.state != "present":
            self.fence.check()
            yield
            return
        with self._open_file(self.file) as warehouse, warehouse.database.transaction():
            yield


def _wal(file: Path) -> Path:
    return file.with_name(f"{file.name}.wal")


@contextmanager
def _translate_errors(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WarehouseError(f"duckdb:{file}", error.strerror or str(error)) from error
