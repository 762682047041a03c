"""`seil files` and `seil ingest`: what lies in the lake, why, and taking it in (again)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from seil.app import files as lake_files
from seil.app import steps, wording
from seil.cli import arguments, events, output, reports
from seil.cli.context import opened, shown_progress
from seil.cli.frame import UNBALANCED, Call, command, default_command, group
from seil.sizes import size

if TYPE_CHECKING:
    from seil.sf_to_dw.ingest.files import FileInfo
    from seil.sf_to_dw.ingest.imports import ImportResult

_files = group(
    "List the lake's files, say why one was rejected, ingest it again.", has_default=True
)

_State = Literal["in", "processed", "error", "curated", "exceptions"]
FileStateOption = Annotated[
    _State | None,
    typer.Option(help="Only there: in (waiting), processed, error, curated, exceptions."),
]
OneObject = Annotated[str, typer.Option("--object", "-o", help="Only of this object.")]
FileLimit = Annotated[
    int, typer.Option("--limit", "-n", min=0, help="At most so many of the newest; 0: all.")
]


def register(app: typer.Typer) -> None:
    command(app, narrated=True)(ingest)
    app.add_typer(_files, name="files")


def ingest(
    call: Call,
    objects: arguments.ObjectArguments = None,
    *,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from", help="First copy the Parquet files of this folder, or this file, in."
        ),
    ] = None,
    object_: Annotated[
        str, typer.Option("--object", "-o", help="The object that the files of --from hold.")
    ] = "",
) -> int:
    """Ingest landed files: check, clean, move. With --from, files of other tools.

    Files that are not Parquet are listed and left. Exit code 1: a Parquet file could not be
    assigned to an object, or there was none for --object.
    """
    if object_ and not from_:
        raise typer.BadParameter("--object goes with --from; to take in one object, name it")
    with opened(call) as site:
        with shown_progress(call) as progress:
            intake = steps.ingest(
                site, objects or (), source=from_, source_object=object_, progress=progress
            )
        _show_ingest(call, intake.imported if from_ else None, intake.report)
    return 0 if intake.ok else UNBALANCED


@default_command(_files)
def list_files(
    call: Call, *, state: FileStateOption = None, object_: OneObject = "", limit: FileLimit = 50
) -> None:
    """List the files of the lake, newest last."""
    where = lake_files.FileFilter(state, object_)
    with opened(call) as site:
        page = lake_files.list_page(site, where, limit=limit)
    newest = page.files[::-1]
    if call.json:
        from seil.app.documents import lake

        call.answer(lake.FilesDocument(newest))
        return
    if not newest:
        output.line("No files.")
        return
    output.table(
        ("state", "modified", "size", "place"),
        [(_state(file), file.modified, size(file.size), file.place) for file in newest],
    )
    if len(newest) < page.total:
        output.line(f"The newest {len(newest):,} of {page.total:,}; --limit 0 lists all.")


command(_files, "list")(list_files)


@command(_files)
def why(call: Call, key: Annotated[str, typer.Argument(help="Its key, now or before.")]) -> int:
    """Say why a file lies where it does, and what happened to it."""
    with opened(call) as site:
        story = lake_files.why(site, key)
    if call.json:
        from seil.app.documents import lake

        call.answer(lake.FileDocument.of(story), problem=story.reason)
    else:
        output.line(f"{story.file.state if story.file else 'gone'}: {story.key}")
        output.line(story.reason)
        if story.events:
            output.line()
            events.show(story.events)
    return 0 if story.file or story.events else UNBALANCED


@command(_files)
def show(
    call: Call,
    keys: Annotated[
        list[str] | None, typer.Argument(help="Keys below exceptions/; default: the newest files.")
    ] = None,
    *,
    object_: OneObject = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many records.")] = (
        20
    ),
) -> None:
    """Show the records that were set aside, with the reasons. --json shows whole records."""
    with opened(call) as site:
        records = lake_files.records_set_aside(
            site, keys or (), object_name=object_, limit=limit + 1
        )
        catalog = site.catalog
    first = records[:limit]
    if call.json:
        from seil.app.documents import lake

        call.answer(lake.FilesShowDocument(first))
        return
    if not first:
        output.line("No records are set aside.")
        return
    output.table(
        ("object", "record", "why"),
        [
            (*lake_files.record_identity(catalog, entry), "; ".join(entry.messages))
            for entry in first
        ],
    )
    if len(records) > limit:
        output.line(f"The first {limit:,}; --limit {limit * 10:,} shows more.")
    output.line("Once the rule or the record is right: `seil files retry --all --exceptions`.")


@command(_files)
def retry(
    call: Call,
    keys: Annotated[
        list[str] | None, typer.Argument(help="Keys below error/ or exceptions/.")
    ] = None,
    *,
    object_: Annotated[str, typer.Option("--object", "-o", help="All of this object.")] = "",
    all_: Annotated[bool, typer.Option("--all", help="All of every object.")] = False,
    exceptions: Annotated[
        bool, typer.Option("--exceptions", help="With --object or --all: set-aside records, too.")
    ] = False,
) -> int:
    """Move files that failed back to in/, where the next ingest takes them."""
    if sum(map(bool, (keys, object_, all_))) != 1:
        raise typer.BadParameter("name keys, or --object, or --all")
    with opened(call) as site:
        done = lake_files.retry(site, keys or (), object_name=object_, exceptions=exceptions)
    if call.json:
        from seil.app.documents import lake

        call.answer(lake.FilesRetryDocument(done))
    else:
        for one in done:
            if one.refused:
                output.line(f"{one.key}: {one.refused}", style="red")
            else:
                output.line(f"{one.key} -> {one.target}")
        if moved := sum(not one.refused for one in done):
            files = wording.counted(moved, "file")
            output.line(f"{files} moved back; `seil ingest` or `seil run` takes them in.")
        elif not done:
            where = "error/ or exceptions/" if exceptions else "error/"
            output.line(f"Nothing to move back: no file lies below {where}.")
    return UNBALANCED if any(one.refused for one in done) else 0


def _state(file: FileInfo) -> Any:
    return output.Bad(file.state) if file.state in ("error", "exceptions") else file.state


def _show_ingest(call: Call, imported: Sequence[ImportResult] | None, report: Any) -> None:
    if call.json:
        from seil.app.documents.steps import IngestDocument

        call.answer(IngestDocument.of(imported or (), report))
        return
    if imported is not None:
        count = {state: sum(f.state == state for f in imported) for state in ("landed", "known")}
        landed = wording.counted(count["landed"], "file")
        output.line(f"Import: {landed} copied in, {count['known']:,} known before")
        for file in imported:
            if file.state == "left":
                style = "red" if file.unplaced else "dim"
                output.line(f"  left where it is: {file.path}: {file.reason}", style=style)
    reports.show_ingest(report)
