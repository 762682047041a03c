"""`seil schema diff`, `accept`: what changed in the org's fields, and what was decided on it."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from seil.app import review
from seil.cli import arguments, output
from seil.cli.context import opened
from seil.cli.frame import UNBALANCED, Call, command, group

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seil.sf_to_dw.schema.diff import ObjectDiff

_NAMED = 8

_POLICIES: dict[str, review.PolicyChoice] = {
    "text": "text",
    "column": "column",
    "drop": "drop",
    "read": "read",
    "": "accept",
}


def register(root: typer.Typer) -> None:
    app = group("Review changes of the org's fields.")
    command(app)(diff)
    command(app)(accept)
    root.add_typer(app, name="schema")


def diff(
    call: Call,
    objects: arguments.ObjectArguments = None,
    *,
    history: Annotated[
        bool, typer.Option("--history", help="Show earlier changes and decisions, too.")
    ] = False,
) -> int:
    """Compare the org's fields now with those last read and with the warehouse's columns.

    Exit code 1 if an object waits for a decision.
    """
    with opened(call) as site:
        changes = review.compare_fields(site, objects or ())
    diffs, failed = changes.objects, changes.failed
    if call.json:
        from seil.app.documents.lake import SchemaDiffDocument

        call.answer(SchemaDiffDocument.of(changes, history=history))
    else:
        _show(diffs, failed, history=history)
    return UNBALANCED if changes.needs_decision else 0


def accept(
    call: Call,
    column: Annotated[
        str, typer.Argument(help="An object, or object.column.", metavar="object[.column]")
    ],
    *,
    policy: Annotated[
        str,
        typer.Option(
            "--as",
            help="What a column becomes whose new type does not fit: text (the whole column), "
            "column (new values in a column of their own) or drop (it is not read any more). "
            "read takes a drop back.",
        ),
    ] = "",
    target: Annotated[
        str, typer.Option("--to", help="With --as column: its name; default: <column>_<type>.")
    ] = "",
) -> int:
    """Accept how an object's fields have changed, so that it is read again."""
    chosen = _POLICIES.get(policy)
    if chosen is None:
        raise typer.BadParameter(
            f"{policy!r} is none of text, column, drop, read", param_hint="--as"
        )
    with opened(call) as site:
        name, decisions = review.accept(
            site, column, policy=chosen, by=getpass.getuser(), target=target
        )
    if call.json:
        from seil.app.documents.lake import SchemaAcceptDocument

        call.answer(SchemaAcceptDocument(name, decisions))
        return 0
    for entry in decisions:
        output.line(f"{name}: {entry}")
    if not decisions:
        output.line(f"Nothing to accept: the fields of {name} are as they were last read.")
    elif not any(not entry.column for entry in decisions):
        output.line("Other columns still wait for a decision: see `seil schema diff`.")
    return 0


def _show(diffs: Sequence[ObjectDiff], failed: Mapping[str, str], *, history: bool) -> None:
    rows = [
        (entry.object, change.column, change.change, change.before, change.now, change.effect)
        for entry in diffs
        for change in entry.changes
    ]
    if rows:
        output.table(("object", "column", "change", "before", "now", "effect"), rows)
    elif any(entry.is_read for entry in diffs):
        output.line("The org's fields are as they were last read, and all are in the warehouse.")
    if new := [entry.object for entry in diffs if not entry.is_read]:
        names = ", ".join(new) if len(new) <= _NAMED else f"{len(new):,} objects"
        output.line(f"Never read, so there is nothing to compare: {names}. `seil run` reads them.")
    for reason in failed.values():
        output.line(f"  {reason}", style="red")
    if history:
        output.line()
        output.table(
            ("object", "version", "at", "source", "change"),
            [(entry.object, *line) for entry in diffs for line in entry.history_rows],
        )
