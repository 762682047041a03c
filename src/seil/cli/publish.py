"""`seil publish`: tables that everybody can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from seil.app import publishing
from seil.cli import output
from seil.cli.context import opened, shown_progress
from seil.cli.frame import UNBALANCED, Call, command, group

if TYPE_CHECKING:
    from seil.iceberg.publisher import PublishMode, TableOutcome

_publish = group("Keep tables that others read.")

CatalogArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[CATALOG]",
        help="A folder, https://..., glue:<region> or sql:<url>; default: [publish] catalog.",
    ),
]
TableOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--table", "-t", help="As sales_orders or salesforce.account; default: [publish] tables."
    ),
]


def register(app: typer.Typer) -> None:
    command(_publish, "iceberg", narrated=True, extra=publishing.EXTRA)(iceberg)
    command(_publish, "status", extra=publishing.EXTRA)(status)
    command(_publish, "upkeep", narrated=True, extra=publishing.EXTRA)(upkeep)
    app.add_typer(_publish, name="publish")


def iceberg(
    call: Call,
    catalog: CatalogArgument = None,
    *,
    table: TableOptions = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare every row, whatever is known of the changes.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="Write every row anew.")] = False,
) -> int:
    """Bring the Iceberg tables up to date: only what changed is written."""
    if check and full:
        raise typer.BadParameter("--check or --full, not both")
    mode: PublishMode = "full" if full else "check" if check else "changes"
    with opened(call) as site, shown_progress(call) as progress:
        report = publishing.publish_tables(
            site, table or (), to=catalog or "", mode=mode, progress=progress
        )
    _show(call, report)
    return UNBALANCED if report.problems else 0


def status(call: Call, catalog: CatalogArgument = None, *, table: TableOptions = None) -> int:
    """Show which version each published table has. Exit code 1 if one is behind the warehouse."""
    with opened(call) as site:
        tables = publishing.published_standing(site, table or (), to=catalog or "")
    behind = [one.table for one in tables if one.standing != "current"]
    if call.json:
        from seil.app.documents.publish import PublishStatusDocument

        problem = f"not current: {', '.join(behind)}" if behind else ""
        call.answer(PublishStatusDocument(tables), problem=problem)
    else:
        rows = [(t.published_as, t.standing, t.version) for t in tables]
        output.table(("table", "is", "version"), rows)
    return UNBALANCED if behind else 0


def upkeep(call: Call, catalog: CatalogArgument = None, *, table: TableOptions = None) -> int:
    """Rewrite small files, expire old snapshots, remove files of none; done after publications too,
    when it is due.
    """
    with opened(call) as site, shown_progress(call) as progress:
        outcomes = publishing.keep_up(site, table or (), to=catalog or "", progress=progress)
    problems = [f"{one.table}: {one.message}" for one in outcomes if one.message]
    if call.json:
        from seil.app.documents.publish import UpkeepDocument

        call.answer(UpkeepDocument(outcomes), problem="; ".join(problems))
    else:
        titles = ("table", "rewritten", "expired", "removed")
        rows = [(o.table, o.compacted, o.expired, o.removed_files) for o in outcomes]
        output.table(titles, rows)
        for problem in problems:
            output.paragraph(problem)
    return UNBALANCED if problems else 0


def _show(call: Call, report: publishing.PublishReport) -> None:
    if call.json:
        from seil.app.documents.publish import PublishDocument

        call.answer(PublishDocument.of(report), problem="; ".join(report.problems))
        return
    changed = [outcome for outcome in report.tables if outcome.state != "unchanged"]
    rows = [(t.table, t.how or t.state, t.inserted, t.deleted) for t in changed]
    if rows:
        output.table(("table", "how", "inserted", "deleted"), rows)
    for outcome in changed:
        if remark := _remark(outcome):
            output.paragraph(f"{outcome.table}: {remark}")
    unchanged = len(report.tables) - len(changed)
    words = [f"{unchanged:,} tables are up to date" if unchanged else ""]
    words.append(f"not built yet: {', '.join(report.missing)}" if report.missing else "")
    if text := "; ".join(filter(None, words)):
        output.line(f"{text}.")
    output.line(f"Published to {report.catalog}")
    if not call.quiet:
        output.age(report.as_of)


def _remark(outcome: TableOutcome) -> str:
    changes = ", ".join(outcome.schema_changes)
    reason = "" if outcome.how == "first" else outcome.reason
    return "; ".join(filter(None, (outcome.message, reason, changes)))
