"""The lake's files: pages of them, why each lies where it does, records set aside, retry."""

from __future__ import annotations

import base64
import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from seil.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from seil.app.site import Site
    from seil.catalog import Catalog, SyncedObject
    from seil.sf_to_dw.ingest.files import FileInfo, FileState, FileTrace
    from seil.sf_to_dw.ingest.retry import RetryResult
    from seil.sf_to_dw.ingest.set_aside import SetAside

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class FileFilter:
    """`object` is any of its names; `hour` is the beginning of the one in which a file was last
    modified.
    """

    state: FileState | None = None
    object: str = ""
    hour: datetime | None = None

    def __post_init__(self) -> None:
        if self.hour and self.hour.tzinfo is None:
            raise ConfigurationError([Problem("hour", f"{self.hour} names no time zone")])


@dataclass(frozen=True)
class FilePage:
    """Newest first. `cursor` leads to the next page, empty on the last one; `total` counts this
    page and those after it.
    """

    files: list[FileInfo]
    total: int
    cursor: str = ""


def list_page(
    site: Site, where: FileFilter | None = None, *, limit: int = 50, cursor: str = ""
) -> FilePage:
    """At most `limit` files, all where it is 0. Holds one page in memory.

    Files that land between two pages are in neither. Raises ConfigurationError for a cursor that
    no page gave.
    """
    before = _position(cursor) if cursor else None
    total = 0

    def matching() -> Iterator[FileInfo]:
        nonlocal total
        for file in _matching(site, where or FileFilter()):
            if before is None or _order(file) < before:
                total += 1
                yield file

    if not limit:
        return FilePage(sorted(matching(), key=_order, reverse=True), total)
    files = heapq.nlargest(limit, matching(), key=_order)
    return FilePage(files, total, _cursor(files[-1]) if total > len(files) else "")


def why(site: Site, name: str) -> FileTrace:
    """Why a file lies where it does. `name` is its key, path or URL, of now or of before."""
    from seil.sf_to_dw.ingest.files import key_of
    from seil.sf_to_dw.ingest.files import why as read_story

    log = site.audit_trail_to_read
    return read_story(site.lake, log, key_of(site.lake, name))


def records_set_aside(
    site: Site, names: Sequence[str] = (), *, object_name: str = "", limit: int = 20
) -> list[SetAside]:
    """Of the named exceptions files; of the newest where none is named.

    Raises LakeError for a name that is no such file.
    """
    from seil.sf_to_dw.ingest.files import key_of, list_files
    from seil.sf_to_dw.ingest.set_aside import records_set_aside as read_records

    obj = _object(site, object_name)
    keys = [key_of(site.lake, name) for name in names]
    if not keys:
        files = list(list_files(site.lake, "exceptions", obj))
        keys = [file.key for file in sorted(files, key=lambda file: file.modified)][::-1]
    return list(islice(read_records(site.lake, keys), limit))


def record_identity(catalog: Catalog, entry: SetAside) -> tuple[str, Any]:
    """The API name of a set-aside record's object, and its key."""
    name = entry.key.split("/")[1].removeprefix("Salesforce-")
    obj = catalog.by_landing_name(name)
    fields = {column.lower(): value for column, value in entry.record.items()}
    return (obj.api_name if obj else name), fields.get(obj.key.lower() if obj else "id")


def retry(
    site: Site, names: Sequence[str] = (), *, object_name: str = "", exceptions: bool = False
) -> list[RetryResult]:
    """Moves failed files back to in/: the named ones, or else all of the object or of every one.

    `exceptions`: without names, those whose records were set aside, too. Raises
    AlreadyRunningError.
    """
    from seil.sf_to_dw.ingest.files import key_of
    from seil.sf_to_dw.ingest.retry import retry as move_back
    from seil.sf_to_dw.lock import run_lock

    with run_lock(site.lake):
        keys = [key_of(site.lake, name) for name in names]
        keys = keys or _failed(site, _object(site, object_name), exceptions=exceptions)
        return move_back(site.lake, site.bus, keys)


def _matching(site: Site, where: FileFilter) -> Iterator[FileInfo]:
    from seil.sf_to_dw.ingest.files import list_files

    for file in list_files(site.lake, where.state, _object(site, where.object)):
        if where.hour is None or where.hour <= file.modified < where.hour + _HOUR:
            yield file


def _failed(site: Site, obj: SyncedObject | None, *, exceptions: bool) -> list[str]:
    from seil.sf_to_dw.ingest.files import list_files

    keys = [file.key for file in list_files(site.lake, "error", obj)]
    if exceptions:
        keys += [file.key for file in list_files(site.lake, "exceptions", obj)]
    return keys


def _object(site: Site, name: str) -> SyncedObject | None:
    return site.catalog.select([name])[0] if name else None


def _order(file: FileInfo) -> tuple[datetime, str]:
    return file.modified, file.key


def _cursor(file: FileInfo) -> str:
    text = f"{file.modified.astimezone(UTC).isoformat()} {file.key}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _position(cursor: str) -> tuple[datetime, str]:
    try:
        text = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
        modified, _, key = text.partition(" ")
        moment = datetime.fromisoformat(modified)
    except ValueError as error:
        raise ConfigurationError([Problem("cursor", f"{cursor!r} is of no page")]) from error
    if moment.tzinfo is None:
        raise ConfigurationError([Problem("cursor", f"{cursor!r} is of no page")])
    return moment, key
