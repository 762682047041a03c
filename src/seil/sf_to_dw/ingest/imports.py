"""Imports Parquet files of other tools, under whatever names, into the landing zone."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from seil.catalog import Catalog, SyncedObject
from seil.errors import ConfigurationError, Problem
from seil.events.bus import Bus
from seil.lake import Lake, LandedFile
from seil.sf_to_dw.extract.landing import landed_event
from seil.sf_to_dw.ingest.deliveries import is_ingested
from seil.sf_to_dw.ingest.folders import (
    IMPORT_RUN,
    Partitions,
    partition,
    partitions,
    real_path,
    store_partitions,
    table_format,
)
from seil.sf_to_dw.ingest.object_names import ObjectNames

_CHUNK = 1 << 20
_RUN_DIGITS = 16
_MAGIC = b"PAR1"
_SUFFIXES = (".parquet", ".parq", ".pq")
# Of any environment, see Lake.at. Such a folder can still be imported by its own name.
_BUCKET = re.compile(r".+-sf-to-dw-(landing|curated|staging|dwmock)")
# A database file, and those that DuckDB and SQLite put beside it. Not to be opened at all: closing
# one would drop this process's locks on it (https://sqlite.org/howtocorrupt.html).
_COMPANIONS = ("", ".wal", ".tmp", "-wal", "-shm", "-journal")
_UNSAFE = re.compile(r"[^A-Za-z0-9._=-]+")


@dataclass(frozen=True)
class ImportResult:
    """The outcome for one file, or for a folder that was skipped as a whole.

    landed: copied to `key`, for the next ingest. known: ingested before, from `key`. left: skipped
    for `reason`; `unplaced` where that needs a look.
    """

    path: Path
    state: Literal["landed", "known", "left"]
    key: str = ""
    object: str = ""
    reason: str = ""
    unplaced: bool = False


def land_folder(
    lake: Lake,
    catalog: Catalog,
    folder: Path,
    *,
    obj: SyncedObject | None = None,
    bus: Bus | None = None,
    own: Sequence[Path] = (),
) -> list[ImportResult]:
    """Copies the Parquet files below `folder` (or the one file it is) into in/, one run per file.

    The object is `obj`, else that of the file's metadata, else of its name or the nearest folder's.
    Run and key are digests of the content: idempotent. Skips lakes below `folder`, and `own`: files
    and folders that SEIL itself writes. Raises ConfigurationError where the folder does not exist
    or is the lake's, LakeError.
    """
    if not folder.exists():
        raise ConfigurationError([Problem(str(folder), "no such folder")])
    _check_not_in_the_lake(folder, lake)
    if reason := next(filter(None, map(table_format, [folder, *real_path(folder).parents])), ""):
        return [ImportResult(folder, "left", reason=reason, unplaced=True)]
    importer = _Importer(lake, catalog, folder, obj, bus)
    if folder.is_file():
        # Requested by name: skipping it is always worth a look.
        result = importer.import_file(folder)
        return [replace(result, unplaced=result.state == "left")]
    written = frozenset(Path(f"{real_path(path)}{mark}") for path in own for mark in _COMPANIONS)
    return [
        ImportResult(path, "left", reason=error.reason, unplaced=error.unplaced)
        if error
        else importer.import_file(path)
        for path, error in _walk(folder, written)
    ]


def _check_not_in_the_lake(folder: Path, lake: Lake) -> None:
    for bucket in (lake.landing, lake.curated, lake.staging):
        root = bucket.path("")
        if root and real_path(folder).is_relative_to(real_path(root)):
            cure = "use `seil files retry` for files that failed"
            raise ConfigurationError([Problem(str(folder), "is in SEIL's own lake", cure)])


def _walk(folder: Path, own: frozenset[Path]) -> Iterator[tuple[Path, _SkippedError | None]]:
    """Every file below, and every skipped folder as a whole."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        yield folder, _SkippedError(f"cannot be read: {error.strerror}", unplaced=True)
        return
    for path in paths:
        if reason := _reason_to_skip(path, own):
            yield path, _SkippedError(reason)
        elif path.is_dir() and (reason := table_format(path)):
            yield path, _SkippedError(reason, unplaced=True)
        elif path.is_dir():
            yield from _walk(path, own)
        else:
            yield path, None


def _reason_to_skip(path: Path, own: frozenset[Path]) -> str:
    # Hidden ones are other tools' markers, checksums and unfinished files.
    if real_path(path) in own or (path.is_dir() and _BUCKET.fullmatch(path.name)):
        return "is SEIL's own"
    if path.name.startswith((".", "_")):
        return f"is hidden: its name begins with {path.name[0]}"
    if path.is_symlink() and path.is_dir():
        return "is a link to a folder"
    return "" if path.is_dir() or path.is_file() else "is no file"


class _SkippedError(Exception):
    """The file is not imported, for `reason`; `unplaced` where that needs a look."""

    def __init__(self, reason: str, *, unplaced: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.unplaced = unplaced


@dataclass(frozen=True)
class _Importer:
    lake: Lake
    catalog: Catalog
    folder: Path
    obj: SyncedObject | None
    bus: Bus | None

    def import_file(self, path: Path) -> ImportResult:
        try:
            obj = self._object(path)
            digest = _digest(path)
            values = _partitions(path, self.folder)
            run = f"{IMPORT_RUN}{_run_digest(digest, values)}"
            landed = LandedFile(self.lake.env, obj.landing_name, run, _safe_name(path.name))
            if is_ingested(self.lake, landed.key, digest):
                return ImportResult(path, "known", landed.key, obj.api_name)
            if values:
                store_partitions(self.lake, landed.key, values)
            self._copy(path, landed.key)
        except _SkippedError as error:
            return ImportResult(path, "left", reason=error.reason, unplaced=error.unplaced)
        return ImportResult(path, "landed", landed.key, obj.api_name)

    def _object(self, path: Path) -> SyncedObject:
        if not _is_parquet(path):
            raise _SkippedError("is not Parquet")
        if self.obj:
            return self.obj
        if name := _metadata_object(path):
            if obj := self.catalog.find(name):
                return obj
            reason = f"holds {name} records, and {name} is not in the catalog"
            raise _SkippedError(reason, unplaced=True)
        try:
            return ObjectNames(self.catalog).resolve(_names(path, self.folder))
        except LookupError as error:
            raise _SkippedError(str(error.args[0]), unplaced=True) from error

    def _copy(self, path: Path, key: str) -> None:
        landing = self.lake.landing
        with landing.writer(key) as target:
            for chunk in _chunks(path):
                target.write(chunk)
        if self.bus and (entry := landing.head(key)):
            self.bus.publish([landed_event(landing, entry)])


def _partitions(path: Path, folder: Path) -> dict[str, str | None]:
    try:
        return partitions(path, folder if folder.is_dir() else folder.parent)
    except ValueError as error:
        raise _SkippedError(str(error), unplaced=True) from error


def _run_digest(digest: str, values: Partitions) -> str:
    """The partition is part of a file's identity."""
    if values:
        digest = hashlib.sha256(f"{digest} {json.dumps(values)}".encode()).hexdigest()
    return digest[:_RUN_DIGITS]


def _names(path: Path, folder: Path) -> list[str]:
    """The file's, then those of its folders, nearest first, up to `folder`."""
    stem = path.name
    while stem.lower().endswith(_SUFFIXES):
        stem = stem.rpartition(".")[0]
    top = real_path(folder) if folder.is_dir() else real_path(path).parent
    folders = [parent for parent in real_path(path).parents if parent.is_relative_to(top)]
    return [stem, *(parent.name for parent in folders if partition(parent.name) is None)]


def _is_parquet(path: Path) -> bool:
    """By content; by name, too, so that a broken file is landed and its rejection recorded."""
    if path.name.lower().endswith(_SUFFIXES):
        return True
    return next(_chunks(path, len(_MAGIC)), b"") == _MAGIC


def _metadata_object(path: Path) -> str:
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except (pa.ArrowException, OSError):
        return ""  # Ingest rejects it with the reason.
    return metadata.get(b"seil.object", b"").decode("utf-8", "replace")


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    for chunk in _chunks(path):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(path: Path, size: int = _CHUNK) -> Iterator[bytes]:
    # Translated here: the lake's writer would report an OSError as the lake's.
    try:
        with path.open("rb") as file:
            while chunk := file.read(size):
                yield chunk
    except OSError as error:
        raise _SkippedError(f"cannot be read: {error.strerror}", unplaced=True) from error


def _safe_name(name: str) -> str:
    return _UNSAFE.sub("-", name).strip("-.") or "file"
