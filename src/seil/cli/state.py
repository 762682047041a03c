"""`seil state backup`, `restore`, `new`, `claim`: what a rebuild cannot recover."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seil.app import backup as backups
from seil.cli import output
from seil.cli.context import opened
from seil.cli.frame import Call, command, group


def register(root: typer.Typer) -> None:
    app = group("Back up and restore what a rebuild cannot recover: runs, decisions, outcomes.")
    command(app)(backup)
    command(app)(restore)
    command(app)(new)
    command(app)(claim)
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
    other_site: Annotated[
        bool, typer.Option("--other-site", help="It may be a backup of another site.")
    ] = False,
) -> int:
    """Put a backup back, into the state; no run may be under way."""
    with opened(call) as site:
        counts = backups.restore(site, file, replace=replace, other_site=other_site)
    _show(call, file, counts, "was restored:")
    if not call.json:
        output.line(_BILLING.format("since the backup"))
    return 0


def new(call: Call) -> int:
    """Start with an empty state where the site's own is missing; forgets runs and decisions."""
    with opened(call) as site:
        owner = backups.start_anew(site)
    _show_owner(call, owner, "is the new, empty state of this site")
    if not call.json:
        for line in _FORGOTTEN:
            output.line(line)
    return 0


def claim(call: Call) -> int:
    """Take over another site's state: where its lake is lost, and this site follows it."""
    with opened(call) as site:
        owner = backups.take_over(site)
    _show_owner(call, owner, f"belonged to site {owner.former}, and is this site's now")
    return 0


_BILLING = (
    "What billing imported {} is not known: a batch of which TechOne has rows already is in "
    "doubt, and not sent; `seil sync sf-to-t1` names it, and you decide."
)
_FORGOTTEN = (
    "Forgotten: earlier runs with their reports, open failures, decisions on changed fields.",
    "The next `seil run` reports changed fields again; `seil schema diff` shows them.",
    _BILLING.format("until now"),
)


def _show_owner(call: Call, owner: backups.StateOwner, verb: str) -> None:
    if call.json:
        from seil.app.documents.runs import StateOwnerDocument

        call.answer(StateOwnerDocument(**vars(owner)))
    else:
        output.line(f"{owner.place} {verb}")


def _show(call: Call, file: Path, counts: dict[str, int], verb: str) -> None:
    if call.json:
        from seil.app.documents.runs import StateDocument

        call.answer(StateDocument(str(file), counts))
    else:
        rows = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        output.line(f"{file} {verb} {rows}")
