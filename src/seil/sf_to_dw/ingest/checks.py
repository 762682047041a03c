"""Checks that a landed file has to pass before any of it reaches curated.

Each raises UnfitError with its name and the reason. The cheap ones come first, so that garbage of
any size is rejected after reading a dozen bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from seil.catalog import Catalog, SyncedObject
from seil.lake import LandedFile
from seil.salesforce.schema import ObjectSchema
from seil.sf_to_dw.ingest.arrow import ArrowColumn, pc

_MAGIC = b"PAR1"
_ENCRYPTED = b"PARE"
_TAIL = 8
# A footer has some hundred bytes per column and row group; this is ten times the largest known.
_MAX_FOOTER = 64 << 20
# Per column, of which hundreds are read at once.
_BUFFER = 128 << 10
# In microseconds from 1970.
_NANOSECOND_RANGE = (1 << 63) // 1000
_AUDIT = frozenset(
    {
        "id",
        "name",
        "isdeleted",
        "ownerid",
        "recordtypeid",
        "createddate",
        "createdbyid",
        "lastmodifieddate",
        "lastmodifiedbyid",
        "systemmodstamp",
        "lastactivitydate",
        "lastvieweddate",
        "lastreferenceddate",
    }
)
# By an id's first three characters, which are the same in every org for standard objects.
KEY_PREFIXES: Mapping[str, str] = {
    "001": "Account",
    "003": "Contact",
    "005": "User",
    "006": "Opportunity",
    "00Q": "Lead",
    "00k": "OpportunityLineItem",
    "00q": "OpportunityTeamMember",
    "00K": "OpportunityContactRole",
    "01t": "Product2",
    "0Q0": "Quote",
    "0QL": "QuoteLineItem",
    "500": "Case",
    "701": "Campaign",
    "800": "Contract",
    "801": "Order",
    "802": "OrderItem",
}
_ID_LENGTHS = (15, 18)


class UnfitError(Exception):
    """The file fails `check` for `reason`; `hint` is the cure."""

    def __init__(self, check: str, reason: str, hint: str = "") -> None:
        super().__init__(check, reason)
        self.check = check
        self.reason = reason
        self.hint = hint


def check_object(landed: LandedFile, catalog: Catalog) -> SyncedObject:
    obj = catalog.by_landing_name(landed.landing_name)
    if obj is None:
        raise UnfitError(
            "object",
            f"{landed.landing_name!r} is not the landing name of an object in the catalog",
            "Add the object to objects.toml (docs/add-an-object.md), then retry the file",
        )
    return obj


def check_size(size: int, minimum: int) -> None:
    if size == 0:
        raise UnfitError("size", "the file is empty (0 bytes)")
    if size < minimum:
        raise UnfitError("size", f"the file has {size} bytes, fewer than the minimum of {minimum}")


def check_magic(file: IO[bytes], size: int) -> None:
    """Reads the first 4 and the last 8 bytes."""
    head = file.read(len(_MAGIC))
    if head == _ENCRYPTED:
        raise UnfitError("format", "the file is encrypted Parquet, which SEIL does not read")
    if head != _MAGIC:
        raise UnfitError("format", f"the file is not Parquet: it begins with {head!r}")
    file.seek(max(size - _TAIL, 0))
    tail = file.read(_TAIL)
    if tail[-4:] != _MAGIC:
        raise UnfitError("whole", "the file is cut off: it begins as Parquet but has no footer")
    (footer,) = struct.unpack("<I", tail[:4]) if len(tail) == _TAIL else (size,)
    if footer > min(size - len(_MAGIC) - _TAIL, _MAX_FOOTER):
        raise UnfitError("whole", f"the footer cannot have {footer} bytes in a file of {size}")
    file.seek(0)


class OpenParquet:
    """A file whose footer has been read; pages are read as needed, and their checksums verified."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        with readable():
            self._opened = _open(file)
        self.schema_arrow: pa.Schema = self._opened.schema_arrow
        self.num_rows: int = self._opened.metadata.num_rows
        self.metadata: Mapping[bytes, bytes] = self._opened.metadata.metadata or {}

    def finer_columns(self) -> set[str]:
        """INT96 columns with times finer than a microsecond: batches have them truncated."""
        columns = map(self._opened.schema.column, range(len(self._opened.schema.names)))
        names = [column.name for column in columns if column.physical_type == "INT96"]
        if not names:
            return set()
        finer: set[str] = set()
        nanos = pq.ParquetFile(self._file).iter_batches(columns=names)
        micros = _open(self._file).iter_batches(columns=names)
        with readable():
            for fine, coarse in zip(nanos, micros, strict=True):
                finer |= {n for n in names if _is_cut(fine.column(n), coarse.column(n))}
        return finer

    def batches(self, *, rows: int, step_bytes: int) -> Iterator[pa.RecordBatch]:
        """Of at most `rows` rows, and about `step_bytes` of content; UTF-8 is validated."""
        footer = self._opened.metadata
        content = sum(footer.row_group(n).total_byte_size for n in range(footer.num_row_groups))
        size = max(min(rows, step_bytes * footer.num_rows // max(content, 1)), 256)
        with readable():
            batches = self._opened.iter_batches(size, use_threads=False)
        while True:
            with readable():
                batch = next(batches, None)
                if batch is None:
                    return
                batch.validate(full=True)
            yield batch


def _is_cut(nanos: ArrowColumn, micros: ArrowColumn) -> bool:
    """Whether microseconds lose something; dates outside of the nanoseconds' range do not count."""
    counts = micros.view(pa.int64())
    in_range = pc.less(pc.abs(counts), _NANOSECOND_RANGE)
    differ = pc.not_equal(nanos.view(pa.int64()), pc.multiply(counts, 1000))
    return pc.any(pc.and_(in_range, differ)).as_py() is True


def _open(file: IO[bytes]) -> pq.ParquetFile:
    return pq.ParquetFile(
        file,
        buffer_size=_BUFFER,
        pre_buffer=False,
        page_checksum_verification=True,
        coerce_int96_timestamp_unit="us",
    )


@contextmanager
def readable() -> Iterator[None]:
    """Turns pyarrow's errors about the content into UnfitError; those of the disk pass through."""
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise UnfitError("whole", f"the file cannot be read: {_first_line(error)}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise UnfitError("whole", f"the file cannot be read: {_first_line(error)}") from error


def check_object_metadata(metadata: Mapping[str, str], obj: SyncedObject, catalog: Catalog) -> None:
    name = metadata.get("seil.object")
    if name and catalog.find(name) != obj:
        raise UnfitError(
            "object", f"the file holds {name} records, but it lies in the folder of {obj.api_name}"
        )


def check_rows(rows: int, obj: SyncedObject, expected: Mapping[str, int]) -> None:
    """`expected` are row counts by the name of their source."""
    for source, count in expected.items():
        if rows != count:
            raise UnfitError("rows", f"the file has {rows} rows, {source} says {count}")
    if rows == 0 and not obj.flow.allow_empty:
        raise UnfitError(
            "rows", f"the file has no rows, and the flow of {obj.api_name} allows none"
        )


def check_rows_read(rows: int, footer_rows: int) -> None:
    if rows != footer_rows:
        raise UnfitError("rows", f"the footer says {footer_rows} rows, the file holds {rows}")


def check_duplicates(columns: Sequence[str]) -> None:
    """Two spellings are one column: DuckDB, Spark and Salesforce ignore case in names."""
    spellings: dict[str, list[str]] = {}
    for name in columns:
        spellings.setdefault(name.lower(), []).append(name)
    if duplicates := [", ".join(names) for names in spellings.values() if len(names) > 1]:
        raise UnfitError("columns", f"duplicate columns: {'; '.join(duplicates)}")


def check_required(columns: Sequence[str], obj: SyncedObject) -> None:
    present = {name.lower() for name in columns}
    required = dict.fromkeys((obj.key, *obj.required))
    if missing := [name for name in required if name.lower() not in present]:
        raise UnfitError(
            "columns",
            f"required columns are missing: {', '.join(missing)}",
            f"The catalog requires them: objects.{obj.api_name}.required",
        )


def check_ids(
    ids: Sequence[object], columns: Sequence[str], obj: SyncedObject, expected: ObjectSchema | None
) -> None:
    """Rejects a file without object metadata that holds another object's records.

    It takes both the ids' prefix and a majority of unexpected columns: test ids alone, or an org's
    custom fields alone, are fine.
    """
    if expected is None or obj.key.lower() != "id":
        return
    prefixes = {str(value)[:3] for value in ids if len(str(value)) in _ID_LENGTHS}
    holders = {KEY_PREFIXES.get(prefix) for prefix in prefixes}
    own = [name for name in columns if name.lower() not in _AUDIT]
    unknown = [name for name in own if expected.get(name) is None]
    if len(holders) != 1 or holders & {None, obj.api_name} or 2 * len(unknown) <= len(own):
        return
    raise UnfitError(
        "object",
        f"its ids begin with {prefixes.pop()} and its columns are not those of {obj.api_name}:"
        f" these are {holders.pop()} records",
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).split("\n", 1)[0]
