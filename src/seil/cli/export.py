"""`seil export`: files for others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote, urlsplit

import typer

from seil.app import queries
from seil.cli import output
from seil.cli.context import opened, shown_progress
from seil.cli.frame import Call, command, group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seil.app.table_export import FileFormat

_export = group("Write data for others.")

Place = Annotated[str, typer.Argument(metavar="FOLDER", help="A folder or an s3:// prefix.")]
TableChoice = Annotated[
    list[str] | None,
    typer.Option("--table", "-t", help="As sales_orders or salesforce.account; default: models."),
]


def register(app: typer.Typer) -> None:
    for function in (feed, parquet, csv):
        command(_export, narrated=True)(function)
    app.add_typer(_export, name="export")


def feed(
    call: Call,
    feeds: Annotated[list[str] | None, typer.Argument(help="Feeds; default: all.")] = None,
    *,
    to: Annotated[str, typer.Option(help="A folder or an s3:// prefix; default: [feed] url.")] = "",
) -> None:
    """Write the legacy CSV feed, one file a table."""
    with opened(call) as site, shown_progress(call) as progress:
        written, as_of = queries.export_feed(site, feeds or (), to=to, progress=progress)
    if call.json:
        from seil.app.documents import queries as documents

        call.answer(documents.FeedDocument(as_of, written))
        return
    rows = [(file.feed, file.rows, _place(file.url)) for file in written]
    output.table(("feed", "rows", "file"), rows)
    if not call.quiet:
        output.age(as_of)


def parquet(call: Call, to: Place, *, table: TableChoice = None) -> None:
    """Write tables as Parquet files, one a table."""
    _export_tables(call, to, table or (), "parquet")


def csv(call: Call, to: Place, *, table: TableChoice = None) -> None:
    """Write tables as CSV files (RFC 4180), one a table."""
    _export_tables(call, to, table or (), "csv")


def _export_tables(call: Call, to: str, tables: Sequence[str], file_format: FileFormat) -> None:
    from seil.app.table_export import export_tables

    with opened(call) as site, shown_progress(call) as progress:
        files, as_of = export_tables(site, to, tables, file_format=file_format, progress=progress)
    if call.json:
        from seil.app.documents import queries as documents

        call.answer(documents.ExportDocument(as_of, files))
        return
    rows = [(file.table, file.rows, _place(file.url)) for file in files]
    output.table(("table", "rows", "file"), rows)
    if not call.quiet:
        output.age(as_of)


def _place(url: str) -> str:
    """A path that can be pasted, where the file is local."""
    parts = urlsplit(url)
    return unquote(parts.path) if parts.scheme == "file" else url
