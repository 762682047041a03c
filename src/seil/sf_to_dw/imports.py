"""Parquet files that other tools made, under whatever names, put into the landing zone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from seil.catalog import Catalog, SyncedObject
from seil.errors import ConfigurationError, Problem
from seil.events.bus import Bus
from seil.lake import Lake, LandedFile
from seil.sf_to_dw.deliveries import is_taken_in
from seil.sf_to_dw.landing import landed_event
from seil.sf_to_dw.object_names import ObjectNames

_CHUNK = 1 << 20
_MAGIC = b"PAR1"
_SUFFIXES = (".parquet", ".parq", ".pq")
_UNSAFE = re.compile(r"[^A-Za-z0-9._=-]+")


@dataclass(frozen=True)
class Imported:
    """What became of one file of the folder.

    landed: a copy lies under `key`, for the next ingest. known: it was taken in before, under
    `key`. left: nothing was copied, for `reason`.
    """

    path: Path
    state: Literal["landed", "known", "left"]
    key: str = ""
    object: str = ""
    reason: str = ""


def land_folder(
    lake: Lake,
    catalog: Catalog,
    folder: Path,
    *,
    obj: SyncedObject | None = None,
    bus: Bus | None = None,
) -> list[Imported]:
    """Copies the Parquet files below `folder` (or the one file it is) into in/, a run a file.

    Whose records a file holds is said by `obj`, else by its metadata, else by its name or that of
    the nearest folder. Run and key are made from the content, so a repeat lands nothing twice.
    Raises ConfigurationError when there is no such folder, LakeError.
    """
    if not folder.exists():
        raise ConfigurationError([Problem(str(folder), "no such folder")])
    importer = _Importer(lake, catalog, folder, obj, bus)
    return [importer.take(path) for path in _files(folder)]


def _files(folder: Path) -> Iterator[Path]:
    """Hidden ones are left out: other tools keep their markers and checksums there."""
    if folder.is_file():
        yield folder
        return
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith((".", "_")) for part in inner):
            yield path


class _LeftError(Exception):
    """The file is not imported, for this reason."""


@dataclass(frozen=True)
class _Importer:
    lake: Lake
    catalog: Catalog
    folder: Path
    obj: SyncedObject | None
    bus: Bus | None

    def take(self, path: Path) -> Imported:
        try:
            obj = self._object(path)
            digest = _digest(path)
            landed = LandedFile(
                self.lake.env, obj.landing_name, f"import-{digest[:16]}", _safe(path.name)
            )
            if is_taken_in(self.lake, landed.key, digest):
                return Imported(path, "known", landed.key, obj.api_name)
            self._copy(path, landed.key)
        except _LeftError as error:
            return Imported(path, "left", reason=str(error))
        return Imported(path, "landed", landed.key, obj.api_name)

    def _object(self, path: Path) -> SyncedObject:
        if not _is_parquet(path):
            raise _LeftError("is not Parquet")
        if self.obj:
            return self.obj
        if named := _metadata_object(path):
            if found := self.catalog.find(named):
                return found
            raise _LeftError(f"holds {named} records, and {named} is not in the catalog")
        return self._named(path)

    def _named(self, path: Path) -> SyncedObject:
        try:
            return ObjectNames(self.catalog).told_by(_names(path, self.folder))
        except LookupError as error:
            raise _LeftError(str(error.args[0])) from error

    def _copy(self, path: Path, key: str) -> None:
        landing = self.lake.landing
        with landing.writer(key) as target:
            for chunk in _chunks(path):
                target.write(chunk)
        if self.bus and (entry := landing.head(key)):
            self.bus.publish([landed_event(landing, entry)])


def _names(path: Path, folder: Path) -> list[str]:
    """The file's, then those of its folders, nearest first, up to the one that was given."""
    stem = path.name
    while stem.lower().endswith(_SUFFIXES):
        stem = stem.rpartition(".")[0]
    top = folder.resolve() if folder.is_dir() else path.resolve().parent
    folders = [parent for parent in path.resolve().parents if parent.is_relative_to(top)]
    return [stem, *(parent.name for parent in folders)]


def _is_parquet(path: Path) -> bool:
    """By content; by name, too, so that a broken file is landed and its rejection recorded."""
    if path.name.lower().endswith(_SUFFIXES):
        return True
    return next(_chunks(path, len(_MAGIC)), b"") == _MAGIC


def _metadata_object(path: Path) -> str:
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except (pa.ArrowException, OSError):
        return ""  # Ingest says what is wrong with it.
    return metadata.get(b"seil.object", b"").decode("utf-8", "replace")


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    for chunk in _chunks(path):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(path: Path, size: int = _CHUNK) -> Iterator[bytes]:
    # Translated here: inside the lake's writer an OSError would count as the lake's.
    try:
        with path.open("rb") as file:
            while chunk := file.read(size):
                yield chunk
    except OSError as error:
        raise _LeftError(f"cannot be read: {error.strerror}") from error


def _safe(name: str) -> str:
    return _UNSAFE.sub("-", name).strip("-.") or "file"
