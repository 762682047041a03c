"""What a landed file must be before anything of it reaches curated, one function a check.

Each raises UnfitError with its name and the reason. The cheap ones come first, so that garbage is
turned away after reading a dozen bytes, whatever its size.
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
# A footer has some hundred bytes per column and row group; this is ten times the largest seen.
_MAX_FOOTER = 64 << 20
# For each column: hundreds are open at once.
_READ_AHEAD = 128 << 10
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
# The first three characters of an id name its object; those of standard objects are the same in
# every org.
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
    """A file that fails `check`, for `reason`; `hint` says what to do about it."""

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
    """A file whose footer has been read. Pages follow as they are needed; where they have
    checksums, these count.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        with readable():
            self._opened = _open(file)
        self.schema_arrow: pa.Schema = self._opened.schema_arrow
        self.num_rows: int = self._opened.metadata.num_rows
        self.metadata: Mapping[bytes, bytes] = self._opened.metadata.metadata or {}

    def finer_columns(self) -> set[str]:
        """INT96 columns with times finer than a microsecond, which reading them would not show."""
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
        """At most `rows` rows, about `step_bytes` of content each; values are checked (UTF-8)."""
        footer = self._opened.metadata
        content = sum(footer.row_group(n).total_byte_size for n in range(footer.num_row_groups))
        size = max(min(rows, step_bytes * footer.num_rows // max(content, 1)), 256)
        with readable():
            found = self._opened.iter_batches(size, use_threads=False)
        while True:
            with readable():
                batch = next(found, None)
                if batch is None:
                    return
                batch.validate(full=True)
            yield batch


def _is_cut(nanos: ArrowColumn, micros: ArrowColumn) -> bool:
    """Dates that nanoseconds cannot express are left aside."""
    counts = micros.view(pa.int64())
    known = pc.less(pc.abs(counts), _NANOSECOND_RANGE)
    differ = pc.not_equal(nanos.view(pa.int64()), pc.multiply(counts, 1000))
    return pc.any(pc.and_(known, differ)).as_py() is True


def _open(file: IO[bytes]) -> pq.ParquetFile:
    return pq.ParquetFile(
        file,
        buffer_size=_READ_AHEAD,
        pre_buffer=False,
        page_checksum_verification=True,
        coerce_int96_timestamp_unit="us",
    )


@contextmanager
def readable() -> Iterator[None]:
    """What pyarrow finds wrong with the content is the file's fault; a failing disk is not."""
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise UnfitError("whole", f"the file cannot be read: {_first_line(error)}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise UnfitError("whole", f"the file cannot be read: {_first_line(error)}") from error


def check_object_metadata(metadata: Mapping[str, str], obj: SyncedObject, catalog: Catalog) -> None:
    named = metadata.get("seil.object")
    if named and catalog.find(named) != obj:
        raise UnfitError(
            "object", f"the file holds {named} records, but it lies in the folder of {obj.api_name}"
        )


def check_rows(rows: int, obj: SyncedObject, expected: Mapping[str, int]) -> None:
    """`expected` is what each source said: its name and its count."""
    for source, count in expected.items():
        if rows != count:
            raise UnfitError("rows", f"the file has {rows} rows, {source} says {count}")
    if rows == 0 and not obj.flow.allow_empty:
        raise UnfitError(
            "rows", f"the file has no rows, and the flow of {obj.api_name} allows none"
        )


def check_streamed(read: int, claimed: int) -> None:
    if read != claimed:
        raise UnfitError("rows", f"the footer says {claimed} rows, the file holds {read}")


def check_duplicates(columns: Sequence[str]) -> None:
    """DuckDB, Spark and Salesforce ignore case in names, so two spellings are one column."""
    seen: dict[str, list[str]] = {}
    for name in columns:
        seen.setdefault(name.lower(), []).append(name)
    if twice := [", ".join(spelt) for spelt in seen.values() if len(spelt) > 1]:
        raise UnfitError("columns", f"columns stand there more than once: {'; '.join(twice)}")


def check_required(columns: Sequence[str], obj: SyncedObject) -> None:
    present = {name.lower() for name in columns}
    wanted = dict.fromkeys((obj.key, *obj.required))
    if missing := [name for name in wanted if name.lower() not in present]:
        raise UnfitError(
            "columns",
            f"required columns are missing: {', '.join(missing)}",
            f"What is required stands in the catalog: objects.{obj.api_name}.required",
        )


def check_ids(
    ids: Sequence[object], columns: Sequence[str], obj: SyncedObject, known: ObjectSchema | None
) -> None:
    """A file that says nothing of its object, with another object's records in it.

    Both signs are needed, the ids' prefix and mostly unknown columns: made-up ids and an org's own
    fields are fine.
    """
    if known is None or obj.key.lower() != "id":
        return
    prefixes = {str(value)[:3] for value in ids if len(str(value)) in _ID_LENGTHS}
    holders = {KEY_PREFIXES.get(prefix) for prefix in prefixes}
    own = [name for name in columns if name.lower() not in _AUDIT]
    unknown = [name for name in own if known.get(name) is None]
    if len(holders) != 1 or holders & {None, obj.api_name} or 2 * len(unknown) <= len(own):
        return
    raise UnfitError(
        "object",
        f"its ids begin with {prefixes.pop()} and its columns are not those of {obj.api_name}:"
        f" these are {holders.pop()} records",
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).split("\n", 1)[0]
