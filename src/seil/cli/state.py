"""`seil state backup`, `restore`: what a rebuild cannot give back, in a file and back from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seil.app import backup as backups
from seil.cli import output
from seil.cli.context import opened
from seil.cli.frame import Call, command, group


def register(root: typer.Typer) -> None:
    app = group("Back up and restore runs, decisions and what else a rebuild cannot give back.")
    command(app)(backup)
    command(app)(restore)
    root.add_typer(app, name="state")


def backup(call: Call, file: Annotated[Path, typer.Argument(help="A file to make.")]) -> int:
    """Copy the state into a file; runs may go on meanwhile."""
    with opened(call) as site:
        counts = backups.back_up(site, file)
    _show(call, file, counts, "holds")
    return 0


def restore(
    call: Call,
    file: Annotated[Path, typer.Argument(help="What `seil state backup` made.")],
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of what the state holds.")
    ] = False,
) -> int:
    """Put a backup back, into the state; no run may be under way."""
    with opened(call) as site:
        counts = backups.restore(site, file, replace=replace)
    _show(call, file, counts, "was restored:")
    return 0


def _show(call: Call, file: Path, counts: dict[str, int], verb: str) -> None:
    if call.json:
        from seil.app.documents.runs import StateDocument

        call.answer(StateDocument(str(file), counts))
    else:
        rows = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        output.line(f"{file} {verb} {rows}")
