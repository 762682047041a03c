"""`seil runs list`, `show`: what each run did, while it goes on and after it died."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seil.app import wording
from seil.cli import arguments, output
from seil.cli.context import opened
from seil.cli.frame import UNBALANCED, Call, command, default_command, group

if TYPE_CHECKING:
    from collections.abc import Mapping

_runs = group("List the runs of commands, and show what one did.", has_default=True)
_BAD = ("error", "died", "interrupted", "incomplete")
_TAIL = 20

Command = Annotated[str, typer.Option("--command", help="Only of this command: run, load ...")]
Outcome = Annotated[str, typer.Option(help="Only with this outcome: success, error, died ...")]
Since = Annotated[str, typer.Option(help="Begun from then on: 2h (ago), 2026-11-23T10:00.")]
Before = Annotated[str, typer.Option(help="Begun before this run: the next page.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")]


def register(app: typer.Typer) -> None:
    command(_runs, "list")(listed)
    command(_runs)(show)
    app.add_typer(_runs, name="runs")


@default_command(_runs)
def newest(call: Call) -> None:
    """List the newest runs."""
    listed(call)


def listed(
    call: Call,
    *,
    command_: Command = "",
    outcome: Outcome = "",
    since: Since = "",
    before: Before = "",
    limit: Limit = 50,
) -> None:
    """List runs, newest first. Exit code 0, whatever became of them."""
    from seil.app.run_documents import list_runs

    begun = arguments.moment(since) if since else None
    with opened(call) as site:
        found, following = list_runs(
            site, command=command_, outcome=outcome, since=begun, before=before, limit=limit
        )
    if call.json:
        call.answer("seil.runs/1", {"runs": found, "next": following})
    elif found:
        columns = ("run", "command", "started at", "took", "outcome", "message")
        output.table(columns, [_line(run) for run in found])
        if following:
            output.line(f"Earlier ones: `seil runs list --before {following}`")
    else:
        output.line("No runs.")


def show(
    call: Call,
    run_id: Annotated[str, typer.Argument(help="The run's id; default: the newest.")] = "",
    *,
    lines: Annotated[int, typer.Option(min=0, help="Log lines to show, the last ones.")] = _TAIL,
) -> int:
    """Show a run's plan, its steps and what it logged. Exit code 1 if there is no such run."""
    from seil.app.run_documents import report_document

    with opened(call) as site:
        runs = site.state_to_read.runs
        run = runs.get(run_id) if run_id else next(iter(runs.find(limit=1)), None)
        report = report_document(runs, run) if run else None
    if report is None:
        problem = f"there is no run {run_id}" if run_id else "there is no run yet"
        if call.json:
            call.answer("seil.run-report/1", _NOTHING, problem=problem, hint="See `seil runs`")
        else:
            output.line(f"{problem}. See `seil runs`", style="red")
        return UNBALANCED
    if call.json:
        call.answer("seil.run-report/1", report)
    else:
        _show(report, lines)
    return 0


_NOTHING: Mapping[str, Any] = {"run": None, "attempts": [], "lines": []}


def _line(run: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        run["run_id"],
        run["command"],
        run["started_at"],
        _took(run),
        _outcome_cell(run),
        run["message"],
    )


def _outcome_cell(step: Mapping[str, Any]) -> Any:
    return output.Bad(step["outcome"]) if step["outcome"] in _BAD else step["outcome"]


def _took(part: Mapping[str, Any]) -> Any:
    if part["ended_at"] is None and part["outcome"] == "died":
        return ""
    return (part["ended_at"] or datetime.now(UTC)) - part["started_at"]


def _show(report: Mapping[str, Any], lines: int) -> None:
    run = report["run"]
    where = f"process {run['pid']} on {run['host']}"
    output.line(f"`seil {run['command']}` {run['run_id']}: {run['outcome']}")
    output.line(f"  begun {wording.moment(run['started_at'])}, {where}")
    if run["outcome"] == "died":
        output.line(f"  it died{_died_in(report)}: its process is gone, and it wrote no end")
    if run["message"]:
        output.line(f"  {run['error']}: {run['message']}. {run['hint']}".rstrip(), style="red")
    for name in ("plan", "counts"):
        if run[name]:
            output.line(f"  {name}: {', '.join(f'{k} {v}' for k, v in run[name].items())}")
    if report["attempts"]:
        output.line()
        columns = ("step", "of", "attempt", "started at", "took", "done", "outcome", "message")
        output.table(columns, [_step(attempt) for attempt in report["attempts"]])
    if report["lines"] and lines:
        output.line()
        for entry in report["lines"][-lines:]:
            at = wording.moment(entry["logged_at"])
            output.line(f"{at} {entry['level']:7} {entry['text']}")


def _died_in(report: Mapping[str, Any]) -> str:
    """The steps that were under way."""
    steps = [f"{a['step']} {a['about']}".strip() for a in report["attempts"] if _died(a)]
    return f" in {', '.join(steps)}" if steps else ""


def _died(attempt: Mapping[str, Any]) -> bool:
    return bool(attempt["outcome"] == "died")


def _step(attempt: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("step", "about", "attempt", "started_at")
    first = tuple(attempt[name] for name in names)
    return (*first, _took(attempt), attempt["done"], _outcome_cell(attempt), attempt["message"])
