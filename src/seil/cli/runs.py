"""`seil runs list`, `show`: what each run did, while it goes on and after it died."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seil.app import wording
from seil.cli import arguments, output
from seil.cli.context import opened
from seil.cli.frame import UNBALANCED, Call, command, default_command, group
from seil.cli.ledger import show_ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seil.app.documents.runs import AttemptPart, RunPart, RunReportDocument

_runs = group("List the runs of commands, and show what one did.", has_default=True)
_BAD = ("error", "died", "interrupted", "incomplete")
_TAIL = 20
_LABEL = 10
_NAMED = 5
_ABOUT = 40

Command = Annotated[
    str, typer.Option("--command", help="Only of this command: run, load, listen ...")
]
OutcomeOption = Annotated[
    str, typer.Option(help="Only with this outcome: success, error, died ...")
]
Since = Annotated[str, typer.Option(help="Begun from then on: 2h (ago), 2026-11-23T10:00.")]
Before = Annotated[str, typer.Option(help="Begun before this run: the next page.")]
RunLimit = Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")]


def register(app: typer.Typer) -> None:
    command(_runs, "list")(show_list)
    command(_runs)(show)
    app.add_typer(_runs, name="runs")


@default_command(_runs)
def newest(call: Call) -> None:
    """List the newest runs."""
    show_list(call)


def show_list(
    call: Call,
    *,
    command_: Command = "",
    outcome: OutcomeOption = "",
    since: Since = "",
    before: Before = "",
    limit: RunLimit = 50,
) -> None:
    """List runs, newest first. Exit code 0, whatever their outcomes."""
    from seil.app.documents.runs import RunsDocument
    from seil.app.run_reports import earlier_runs, list_runs

    begun = arguments.moment(since) if since else None
    with opened(call) as site:
        page = list_runs(
            site, command=command_, outcome=outcome, since=begun, before=before, limit=limit
        )
        earlier = earlier_runs(site)
    answer = RunsDocument.of(page)
    if call.json:
        call.answer(answer)
        return
    if answer.runs:
        columns = ("run", "command", "started at", "took", "outcome", "message")
        output.table(columns, [_line(run) for run in answer.runs])
        if answer.next:
            output.line(f"Earlier ones: `seil runs list --before {answer.next}`")
    else:
        output.line("No runs.")
    if earlier:
        fate = (
            "kept its last run only: the next command that writes moves it into the state, and"
            if earlier.has_run
            else "has kept no run:"
        )
        output.line(f"This site has layout {earlier.layout}, which {fate} later runs are listed.")


def show(
    call: Call,
    run_id: Annotated[str | None, typer.Argument(help="The run's id; default: the newest.")] = None,
    *,
    lines: Annotated[int, typer.Option(min=0, help="Log lines to show, the last ones.")] = _TAIL,
) -> int:
    """Show a run's plan, steps, ledger rows and log lines. Exit code 1 if there is no such run."""
    from seil.app.documents.runs import RunReportDocument
    from seil.app.run_reports import stored_run

    with opened(call) as site:
        report = stored_run(site, run_id)
    answer = RunReportDocument.of(report)
    problem = f"there is no run {run_id!r}" if run_id is not None else "there is no run yet"
    if call.json:
        call.answer(answer, problem=problem, hint="See `seil runs`")
    elif answer.run is None:
        output.line(f"{problem}. See `seil runs`", style="red")
    else:
        _show(answer, answer.run, lines)
    return 0 if report else UNBALANCED


def _line(run: RunPart) -> tuple[Any, ...]:
    outcome = _outcome_cell(run)
    return (run.run_id, run.command, run.started_at, _duration(run), outcome, run.message)


def _outcome_cell(part: RunPart | AttemptPart) -> Any:
    return output.Bad(part.outcome) if part.outcome in _BAD else part.outcome


def _duration(part: RunPart | AttemptPart) -> Any:
    if part.ended_at is None and part.outcome == "died":
        return ""
    return (part.ended_at or datetime.now(UTC)) - part.started_at


def _show(report: RunReportDocument, run: RunPart, lines: int) -> None:
    output.line(f"`seil {run.command}` {run.run_id}: {run.outcome}")
    for label, text in _facts(report, run):
        output.paragraph(text, label=label, width=_LABEL)
    if run.message:
        output.paragraph(f"{run.message}. {run.hint}".rstrip(), label="why", width=_LABEL)
    if report.attempts:
        output.line()
        columns = ("step", "of", "try", "took", "rows", "outcome")
        output.table(columns, [_step(attempt) for attempt in report.attempts])
    for attempt in report.attempts:
        if attempt.message:
            about = f"{attempt.step} {attempt.about}".strip()
            output.paragraph(f"{about}: {attempt.message}", style=_style(attempt))
    if report.ledger:
        output.line()
        show_ledger(report.ledger)
    elif report.ledger_problem:
        output.paragraph(report.ledger_problem, label="ledger", width=_LABEL)
    if report.lines and lines:
        output.line()
        for entry in report.lines[-lines:]:
            at = f"{entry.logged_at.astimezone(UTC):%H:%M:%S}"
            output.paragraph(entry.text, label=f"{at} {entry.level}", width=17)


def _facts(report: RunReportDocument, run: RunPart) -> Iterator[tuple[str, str]]:
    begun = f"{wording.moment(run.started_at)}, process {run.pid} on {run.host}"
    yield "begun", begun
    if run.ended_at:
        took = wording.duration(run.ended_at - run.started_at)
        yield "ended", f"{wording.moment(run.ended_at)}, after {took}, exit code {run.exit_code}"
    elif run.outcome == "died":
        yield "died", f"{_died_in(report)}its process is gone, and it wrote no end"
    if plan := [text for name, value in run.plan.items() if (text := _plan_text(name, value))]:
        yield "plan", ", ".join(plan)
    if counts := {name: count for name, count in run.counts.items() if count}:
        yield "counts", ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in counts.items())


def _plan_text(name: str, value: Any) -> str:
    """Nothing where an option was left out."""
    label = name.replace("_", " ")
    if value is True:
        return label
    if isinstance(value, list) and len(value) > _NAMED:
        return f"{len(value):,} {label}: {', '.join(map(str, value[:_NAMED]))} ..."
    if isinstance(value, list):
        return f"{label}: {', '.join(map(str, value))}" if value else ""
    return f"{label}: {value}" if value else ""


def _died_in(report: RunReportDocument) -> str:
    """The steps that were under way."""
    died = (attempt for attempt in report.attempts if attempt.outcome == "died")
    steps = [f"{attempt.step} {attempt.about}".strip() for attempt in died]
    return f"in {', '.join(steps)}: " if steps else ""


def _step(attempt: AttemptPart) -> tuple[Any, ...]:
    return (
        attempt.step,
        output.shortened(attempt.about, _ABOUT),
        attempt.attempt,
        _duration(attempt),
        attempt.done,
        _outcome_cell(attempt),
    )


def _style(attempt: AttemptPart) -> str:
    return "red" if attempt.outcome in _BAD else ""
