"""Questions to the warehouse: SQL, where a column comes from, the feed for others. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from seil.errors import ConfigurationError, Problem
from seil.observe.progress import SILENT, Progress

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.app.site import Site
    from seil.modeling.lineage import Origin, Use
    from seil.sf_to_dw.feed import FeedFile
    from seil.warehouse import Warehouse


@contextmanager
def query_stream(site: Site, sql: str) -> Iterator[tuple[pa.RecordBatchReader, datetime | None]]:
    """The rows of a SELECT in the warehouse's dialect, in batches as they are read, and when the
    copy that they come from was published: None of the warehouse itself.

    Raises StatementError, WarehouseError.
    """
    with site.reading() as reading, reading.warehouse.stream(sql) as rows:
        yield rows, reading.as_of


def query(site: Site, sql: str) -> pa.Table:
    """All rows at once. Raises StatementError, WarehouseError."""
    with site.reading() as reading:
        return reading.warehouse.query(sql)


def rows_of_query(
    warehouse: Warehouse, sql: str, *, place: str
) -> AbstractContextManager[pa.RecordBatchReader]:
    """Of a person's SELECT. Raises StatementError, and ConfigurationError for another statement."""
    from seil.warehouse.dialect import is_one_select

    if not is_one_select(sql, warehouse.dialect):
        cure = "write one SELECT, a row for each record"
        raise ConfigurationError([Problem(place, "is not one SELECT", cure)])
    return warehouse.stream(sql)


def records_stream(
    warehouse: Warehouse, table: str, columns: Sequence[str]
) -> AbstractContextManager[pa.RecordBatchReader]:
    """The current records of a raw table, those in the recycle bin left out."""
    from seil.modeling.export import unmarked_rows
    from seil.warehouse import TableName

    return unmarked_rows(warehouse, TableName("salesforce", table), columns, mark="isdeleted")


def lineage(site: Site, name: str) -> Origin:
    """Where TABLE or TABLE.COLUMN comes from."""
    from seil.modeling.lineage import lineage as trace

    table, column = _split(name)
    return trace(site.models, table, column)


def uses(site: Site, name: str) -> Sequence[Use]:
    """What an object, or its field as OBJECT.FIELD, feeds."""
    from seil.modeling.lineage import downstream

    table, column = _split(name)
    return downstream(site.models, table, column)


def export_feed(
    site: Site, feeds: Sequence[str] = (), *, to: str = "", progress: Progress = SILENT
) -> tuple[Sequence[FeedFile], datetime | None]:
    """Writes feeds, all where none is named, to a folder or URL; by default to [feed] url.

    Returns the files, and when the copy that they come from was published.
    """
    from seil.sf_to_dw.feed import export_feed as write_feed

    settings = site.settings.feed
    url = to if "://" in to else Path(to).resolve().as_uri() if to else settings.url
    with site.reading() as reading:
        files = write_feed(
            reading.warehouse,
            url,
            at=datetime.now(UTC),
            prefix=settings.prefix,
            feeds=feeds,
            progress=progress,
        )
        return files, reading.as_of


def _split(name: str) -> tuple[str, str | None]:
    table, _, column = name.rpartition(".")
    return (table, column or None) if table else (name, None)
