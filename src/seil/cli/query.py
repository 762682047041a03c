"""`seil query` and `lineage`: what the warehouse holds, and where it comes from."""

from __future__ import annotations

import csv
import sys
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seil.app import queries, wording
from seil.app.documents.base import to_json
from seil.app.documents.error import ErrorPart
from seil.cli import output
from seil.cli.context import opened
from seil.cli.frame import Call, command
from seil.errors import SeilError, StatementError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

_SHOWN = 100
# Wider results are printed a line a value.
_WIDE = 20


def register(app: typer.Typer) -> None:
    command(app)(query)
    command(app)(lineage)


def query(
    call: Call,
    sql: Annotated[str, typer.Argument(help="SQL in the warehouse's dialect; - reads stdin.")],
    *,
    csv_: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", "-n", min=0, help=f"At most so many rows; a table shows {_SHOWN}. 0: all."
        ),
    ] = None,
) -> None:
    """Run a query against the warehouse, read-only."""
    if csv_ and call.json:
        raise typer.BadParameter("--csv or --json, not both")
    text = sys.stdin.read() if sql == "-" else sql
    most = limit if limit is not None else (0 if csv_ or call.json else _SHOWN)
    with opened(call) as site:
        try:
            with queries.query_stream(site, text) as (reader, as_of):
                if csv_:
                    _print_csv(reader, most)
                elif call.json:
                    _print_json(reader, most, as_of=as_of)
                else:
                    _print_table(reader, most, limited=limit is None)
        except StatementError as error:
            raise typer.BadParameter(error.reason, param_hint="SQL") from error
        if not (call.json or call.quiet):
            output.age(as_of)


def lineage(
    call: Call,
    name: Annotated[
        str, typer.Argument(metavar="TABLE[.COLUMN]", help="With --down: an object or its field.")
    ],
    *,
    down: Annotated[
        bool, typer.Option("--down", help="What a Salesforce object or field feeds.")
    ] = False,
) -> None:
    """Show where a column comes from, or what a Salesforce field feeds."""
    with opened(call) as site:
        if down:
            uses = queries.uses(site, name)
            if call.json:
                from seil.app.documents import queries as documents

                call.answer(documents.UsesDocument(uses))
            elif uses:
                rows = [(use.field, use.column, use.expression) for use in uses]
                output.table(("field", "feeds", "as"), rows)
            else:
                output.line(f"No table uses {name}.")
            return
        origin = queries.lineage(site, name)
    if call.json:
        from seil.app.documents import queries as documents

        call.answer(documents.LineageDocument(origin))
    else:
        for text in origin.lines():
            output.line(text)


def _rows(reader: pa.RecordBatchReader, most: int) -> Iterator[list[Any]]:
    rows = (
        list(row)
        for batch in reader
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    )
    return islice(rows, min(most, sys.maxsize)) if most else rows


def _print_table(reader: pa.RecordBatchReader, most: int, *, limited: bool) -> None:
    rows = list(_rows(reader, most + 1 if limited else most))
    names, printed = reader.schema.names, rows[:most] if most else rows
    if len(names) > _WIDE:
        output.records(names, printed)
    else:
        output.table(names, printed, exact=True)
    if limited and len(rows) > most:
        output.line(f"The first {most:,} rows; --limit 0 shows all.")


def _print_csv(reader: pa.RecordBatchReader, most: int) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(reader.schema.names)
    for row in _rows(reader, most):
        writer.writerow([_csv_value(value) for value in row])


def _csv_value(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime) else value


def _print_json(reader: pa.RecordBatchReader, most: int, *, as_of: datetime | None) -> None:
    """A row a line, written as it is read; what fails on the way is its `error`."""
    names = reader.schema.names
    from seil.app.documents import queries as documents

    schema = documents.QueryDocument.schema
    head = to_json({"schema": schema, "as_of": as_of, "columns": names})
    sys.stdout.write(head.removesuffix("}") + ', "rows": [')
    separator, error = "\n", None
    try:
        for row in _rows(reader, most):
            sys.stdout.write(separator + to_json(dict(zip(names, row, strict=True))))
            separator = ",\n"
    except SeilError as failed:
        error = failed
    failure = to_json(ErrorPart.of(error) if error else None)
    sys.stdout.write(f'\n], "error": {failure}}}\n')
    if error:
        print(wording.printable(f"error: {error}", lines=True), file=sys.stderr)
        raise typer.Exit(error.exit_code)
