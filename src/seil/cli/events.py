"""`seil events`: what happened, as the journal has it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seil.app import events as journal
from seil.app import wording
from seil.cli import arguments, output
from seil.cli.context import opened
from seil.cli.frame import Call, command, default_command, group

if TYPE_CHECKING:
    from seil.events.audit_trail import Where
    from seil.events.envelope import Event

_events = group(
    "List, filter and follow events; see what could not be delivered.", has_default=True
)
_COLUMNS = ("number", "time", "type", "object", "state", "what")


def register(app: typer.Typer) -> None:
    app.add_typer(_events, name="events")


@default_command(_events)
def list_events(
    call: Call,
    *,
    object_: Annotated[str, typer.Option("--object", "-o", help="Only of this object.")] = "",
    type_: Annotated[
        str, typer.Option("--type", "-t", help="Only of this detail type: file-ingestion, load ...")
    ] = "",
    state: Annotated[str, typer.Option(help="Only in this state: success, error ...")] = "",
    source: Annotated[str, typer.Option(help="Only from this source: seil.sf-to-dw, aws.s3.")] = "",
    since: Annotated[str, typer.Option(help="From then on: 2h (ago), 2026-11-23T10:00.")] = "",
    until: Annotated[str, typer.Option(help="Before then.")] = "",
    text: Annotated[str, typer.Option(help="Only with this text anywhere in the event.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.")] = False,
) -> None:
    """List the newest events, oldest first."""
    with opened(call) as site:
        where: Where = {
            "object": arguments.object_name(site.catalog, object_) if object_ else None,
            "detail_type": type_,
            "state": state,
            "source": source,
            "since": arguments.moment(since) if since else None,
            "until": arguments.moment(until) if until else None,
            "text": text,
        }
        if follow:
            _stream(call, journal.follow(site, where, limit=limit))
            return
        entries = journal.newest(site, where, limit=limit)
        if call.json:
            from seil.app.documents import events as documents

            call.answer(documents.EventsDocument.of(entries))
        elif entries:
            show(entries)
        else:
            output.line("No events.")


@command(_events)
def dead(
    call: Call,
    subscriber: Annotated[str, typer.Option(help="Only of this subscriber.")] = "",
) -> int:
    """List the events that a subscriber could not handle, with the reason. Exit code 1 if any."""
    with opened(call) as site:
        letters = journal.dead_letters(site, subscriber)
        if call.json:
            from seil.app.documents import events as documents

            call.answer(documents.DeadLettersDocument.of(letters))
        elif letters:
            output.table(
                ("number", "subscriber", "died at", "attempts", "redeliver", "reason"),
                [
                    (d.seq, d.subscriber, d.died_at, d.attempts, d.waiting, output.Bad(d.reason))
                    for d in letters
                ],
            )
        else:
            output.line("No dead letters.")
    return 1 if letters else 0


@command(_events)
def redeliver(
    call: Call,
    number: Annotated[int | None, typer.Argument(help="The event's number.")] = None,
    subscriber: Annotated[str, typer.Option(help="Only to this subscriber.")] = "",
    all_: Annotated[bool, typer.Option("--all", help="Every dead letter.")] = False,
) -> int:
    """Put dead letters back in line: their subscriber gets them first when it runs next."""
    if (number is None) is not all_:
        raise typer.BadParameter("name one event, or --all")
    with opened(call) as site:
        count = journal.redeliver(site, number, subscriber=subscriber)
        if call.json:
            from seil.app.documents import events as documents

            answer = documents.RedeliverDocument(count)
            call.answer(answer, problem="no such dead letter")
        else:
            output.line(f"{wording.counted(count, 'dead letter')} will be delivered again.")
    return 0 if count else 1


def _stream(call: Call, entries: Iterable[tuple[int, Event]]) -> None:
    for seq, event in entries:
        if call.json:
            from seil.app.documents import events as documents

            call.answer_line(documents.EventDocument.of(seq, event))
        else:
            _, time, *rest = (output.text(value) for value in _row(seq, event))
            print(f"{seq:>8,}  {time}  {'  '.join(part for part in rest if part)}", flush=True)


def show(entries: Sequence[tuple[int, Event]]) -> None:
    output.table(_COLUMNS, [_row(seq, event) for seq, event in entries])


def _row(seq: int, event: Event) -> tuple[Any, ...]:
    name, state = event.detail.get("object"), event.detail.get("state")
    cell = output.Bad(state) if state == "error" else state
    return (
        seq,
        event.time,
        event.detail_type,
        name if isinstance(name, str) else None,
        cell,
        summary(event),
    )


def summary(event: Event) -> str:
    """What an event says, in a line: the file or table it is about, and its message or counts."""
    detail = event.detail
    stored = detail.get("object")
    key = detail.get("key") or (stored.get("key") if isinstance(stored, dict) else None)
    about = str(key).rpartition("/")[2] if key else detail.get("table")
    message = detail.get("message")
    if not message:
        counts = {k: v for k, v in detail.items() if type(v) is int and v}
        message = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    return ": ".join(str(part) for part in (about, message) if part)
