"""The legacy feed: the tables as CSV files for the downstream team, under the legacy headers.

One file per feed, `<prefix>-<feed>_<yyyy-mm-dd HHMMSS>.csv`, published atomically. RFC 4180:
comma, CRLF, a field quoted where it holds a comma, a quote or a line break; UTF-8 without a byte
order mark. Null and empty text are an empty field. true, false; 2024-05-31;
2024-05-31T09:30:00.000Z (UTC, to the millisecond, as Salesforce writes it); decimals with all their
places, without an exponent.
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute
import yaml

from seil.errors import ConfigurationError, Problem, WarehouseError
from seil.lake import Bucket
from seil.modeling.export import export_rows, has_rows
from seil.modeling.names import name_problem
from seil.observe.progress import SILENT, Progress, Step
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse

log = logging.getLogger(__name__)
pc: Any = pyarrow.compute


@dataclass(frozen=True)
class Feed:
    """`columns` maps headers to the table's columns; None leaves the field empty.

    `line_of` is a column whose distinct values get one line each; empty: one line per row.
    """

    name: str
    table: str
    columns: Mapping[str, str | None]
    line_of: str = ""


@dataclass(frozen=True)
class FeedFile:
    """`rows` excludes the header."""

    feed: str
    url: str
    rows: int


@cache
def packaged_feeds() -> Mapping[str, Feed]:
    """Feeds by name, in the order of feeds.yml."""
    text = resources.files(__package__).joinpath("feeds.yml").read_text("utf-8")
    feeds = yaml.safe_load(text).items()
    return MappingProxyType({name: Feed(name, **entry) for name, entry in feeds})


def export_feed(
    warehouse: Warehouse,
    url: str,
    *,
    at: datetime,
    prefix: str = "Synth",
    feeds: Iterable[str] = (),
    progress: Progress = SILENT,
) -> list[FeedFile]:
    """Writes these feeds, all by default, to a folder or an s3:// prefix.

    Before it writes, raises ConfigurationError for an unknown feed, and for one whose table is not
    built or lacks a column; WarehouseError if the warehouse was never loaded, because the
    downstream team would read empty files as deletions.
    """
    selected = _select(feeds)
    problems = [problem for feed in selected for problem in _problems(warehouse, feed)]
    if problems:
        raise ConfigurationError(problems)
    _check_loaded(warehouse, selected)
    target = Bucket(url)
    files = []
    for feed in selected:
        key = f"{prefix}-{feed.name}_{at.astimezone(UTC):%Y-%m-%d %H%M%S}.csv"
        with progress.step(f"feed {feed.name}") as step, target.writer(key) as file:
            rows = _write(warehouse, feed, file, step)
        log.info("%s: %d rows", target.uri(key), rows)
        files.append(FeedFile(feed.name, target.uri(key), rows))
    return files


def _select(names: Iterable[str]) -> list[Feed]:
    feeds = packaged_feeds()
    names = list(names)
    problems = [problem for name in names if (problem := name_problem(name, "a feed", feeds))]
    if problems:
        raise ConfigurationError(problems)
    return [feed for name, feed in feeds.items() if name in names or not names]


def _check_loaded(warehouse: Warehouse, feeds: Iterable[Feed]) -> None:
    if warehouse.bookkeeping.load_totals().files:
        return
    if not any(has_rows(warehouse, TableName("", feed.table)) for feed in feeds):
        hint = "Run `seil run` first; no feed was written"
        raise WarehouseError(warehouse.url, "nothing was loaded into it yet", hint=hint)


def _problems(warehouse: Warehouse, feed: Feed) -> Iterator[Problem]:
    columns = warehouse.columns(TableName("", feed.table))
    if columns is None:
        yield Problem(f"feed {feed.name}", f"table {feed.table} is not built", "run `seil build`")
        return
    for header, column in {**feed.columns, "a line": feed.line_of}.items():
        if column and column not in columns.names:
            reason = f"{header} needs column {feed.table}.{column}, which does not exist"
            yield Problem(f"feed {feed.name}", reason, "run `seil build`")


def _write(warehouse: Warehouse, feed: Feed, file: IO[bytes], step: Step) -> int:
    file.write(_csv([list(feed.columns)]))
    rows = 0
    columns, table = list(feed.columns.values()), TableName("", feed.table)
    with export_rows(warehouse, table, columns, line_of=feed.line_of) as batches:
        for batch in batches:
            texts = [_texts(column) for column in batch.columns]
            file.write(_csv(zip(*texts, strict=True)))
            rows += batch.num_rows
            step.advance(batch.num_rows)
    return rows


def _csv(rows: Iterable[Iterable[str | None]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _texts(column: pa.Array[Any]) -> list[str | None]:
    """The values as the feed writes them."""
    texts: Any = column
    if pa.types.is_timestamp(column.type):
        millis = texts.cast(pa.timestamp("ms", tz="UTC"), safe=False)
        texts = pc.strftime(millis, "%Y-%m-%dT%H:%M:%SZ")
    values: list[str | None] = texts.cast(pa.string()).to_pylist()
    return values
