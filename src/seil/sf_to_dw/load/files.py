"""Curated files as a load reads them: provenance, columns, and how the warehouse stages them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from seil.errors import FileRejectedError
from seil.lake import landed_file
from seil.sf_to_dw.extract.flows import PARTIAL_MODES
from seil.sf_to_dw.extract.partials import DELETIONS
from seil.sf_to_dw.schema.column_names import lineage_of, missing_columns, table_column
from seil.warehouse.merges import Holds, StagedFile
from seil.warehouse.types import TEXT, stored_type

if TYPE_CHECKING:
    from seil.lake import Bucket, Entry
    from seil.warehouse.types import Column


@dataclass(frozen=True)
class CuratedFile:
    """One file of the curated bucket.

    `columns` are by their name in the table, without lineage; `untyped`: all are text because
    nothing described the object.
    """

    key: str
    size: int
    written_at: datetime
    rows: int
    metadata: dict[str, str]
    columns: dict[str, Column]
    untyped: bool
    staged: StagedFile

    @property
    def flow_run_id(self) -> str:
        """By its landing key: a copy landed elsewhere is not part of the run in its metadata."""
        landed = landed_file(self.metadata.get("seil.landed_key", ""))
        return landed.flow_run_id if landed else self.metadata.get("seil.flow_run_id", "")

    @property
    def mode(self) -> str:
        return self.metadata.get("seil.mode", "")

    @property
    def window_start(self) -> datetime | None:
        return _time(self.metadata.get("seil.window_start", ""))

    @property
    def window_end(self) -> datetime | None:
        return _time(self.metadata.get("seil.window_end", ""))

    def with_columns(self, columns: dict[str, Column]) -> CuratedFile:
        staged = replace(self.staged, columns=_present_columns(columns, self.metadata))
        return replace(self, columns=columns, staged=staged)

    def count(self, name: str) -> int:
        """A row count from the metadata; without one, nothing was set aside."""
        value = self.metadata.get(f"seil.{name}", "")
        return int(value) if value.isdecimal() else 0 if name == "rejected_rows" else self.rows


def read_footer(curated: Bucket, entry: Entry) -> CuratedFile:
    """Raises FileRejectedError for a file that fits no table."""
    key = entry.key
    try:
        with curated.reader(key) as file:
            footer = pq.read_metadata(file)
        schema = footer.schema.to_arrow_schema()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable(key, error) from error
    metadata = {
        name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
        for name, value in (footer.metadata or {}).items()
        if name.startswith(b"seil.")
    }
    columns = _columns(key, schema, lineage_of(metadata))
    return CuratedFile(
        key=key,
        size=entry.size,
        written_at=entry.modified,
        rows=footer.num_rows,
        metadata=metadata,
        columns=columns,
        untyped="seil.schema_fingerprint" not in metadata
        and all(stored_type(column.type) == TEXT for column in columns.values()),
        staged=StagedFile(
            key=key,
            file=key,
            extracted_at=_extracted_at(key, metadata),
            columns=_present_columns(columns, metadata),
            url=path.as_uri() if (path := curated.path(key)) else curated.uri(key),
            holds=_holds(metadata.get("seil.mode", "")),
        ),
    )


def _present_columns(columns: dict[str, Column], metadata: dict[str, str]) -> dict[str, Column]:
    """Those that the landed file had: the others' nulls are no facts."""
    missing = missing_columns(metadata)
    return {name: column for name, column in columns.items() if name not in missing}


def _holds(mode: str) -> Holds:
    if mode == DELETIONS:
        return "deletions"
    return "values" if mode in PARTIAL_MODES else "versions"


def check_readable(curated: Bucket, file: CuratedFile) -> None:
    """Reads every page. Raises FileRejectedError for a damaged one."""
    try:
        with curated.reader(file.key) as source:
            for _ in pq.ParquetFile(source).iter_batches():
                pass
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(file.key, error) from error


def _unreadable(key: str, error: Exception) -> FileRejectedError:
    reason = f"is not a whole Parquet file: {error}".split("\n", 1)[0]
    hint = f"Run `seil files retry {key}`, then `seil run`: its landed file is ingested again"
    return FileRejectedError(key, "readable", reason, hint=hint)


def _columns(key: str, schema: pa.Schema, lineage: Collection[str]) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    for column in schema:
        if column.name in lineage:
            continue
        name = table_column(column.name)
        if name in columns:
            reason = f"columns {columns[name].name!r} and {column.name!r} differ only in case"
            hint = "Rename one of them where the file is produced"
            raise FileRejectedError(key, "columns", reason, hint=hint)
        if stored_type(column.type) is None:
            reason = f"column {column.name!r} has the type {column.type}, which no table holds"
            hint = f'Exclude it in objects.toml: exclude = ["{column.name}"], under its object'
            raise FileRejectedError(key, "columns", reason, hint=hint)
        columns[name] = column
    return columns


def _extracted_at(key: str, metadata: dict[str, str]) -> datetime:
    """The window's end, else the time of landing, else the hour in the curated key."""
    for name in ("seil.window_end", "seil.landed_at"):
        if time := _time(metadata.get(name, "")):
            return time
    hour = "/".join(key.split("/")[1:5])
    try:
        return datetime.strptime(hour, "%Y/%m/%d/%H").replace(tzinfo=UTC)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
