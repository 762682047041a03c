"""One sentence on a site: in step, behind or broken, since when, why, and what to type next."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from seil.app import wording
from seil.sizes import size

if TYPE_CHECKING:
    from seil.state.runs import RunRecord
    from seil.state.troubles import Trouble

VerdictState = Literal["in step", "behind", "broken", "new"]
FindingKind = Literal["failed", "blocked", "late", "waiting"]

# Errors that the next run resolves, unless a flow is late by then.
_TRANSIENT = {"quota_exhausted", "unavailable", "too_slow", "unexpected_answer"} | {
    "conflict",
    "already_running",
    "lease_lost",
    # A run creates nothing in the org but query jobs, and the next one creates its own.
    "outcome_unknown",
}
_BLOCKED = frozenset({"blocked"})
_DECISIONS = "seil schema accept"
_COMMAND = re.compile(r"`(seil [^`]+)`|\b(seil [a-z]+[^`(;,]*)")
_NEXT = {
    "login": "seil doctor",
    "unavailable": "seil doctor",
    "too_slow": "seil doctor",
    "unexpected_answer": "seil doctor",
    "configuration": "seil doctor",
    "object_rejected": "seil doctor",
    "journal": "seil doctor",
    "warehouse": "seil doctor",
    "load": "seil load",
    "build": "seil build --explain",
}
# Their errors say what to do with the machine.
_BY_HINT = frozenset({"lake", "warehouse", "journal"})
# Refused again until the other run has ended.
_WAIT = frozenset({"already_running"})
_ALLOWANCE = frozenset({"quota_exhausted"})
# Arguments of a run that its command needs again: their names in its plan.
_ARGUMENTS = {
    "push plan": (("push", "{}"),),
    "push apply": (("push", "{}"), ("plan", "{}")),
    "push undo": (("push", "{}"), ("of", "{}")),
    "outcomes retry": (("push", "--flow push:{}"),),
}
# Started by events; a run does what they would.
_BY_EVENTS = dict.fromkeys(("handle-landed", "handle-curated"), "run")
_SPACE = "free some space, then `seil run`"


@dataclass(frozen=True)
class Finding:
    """One thing that is not in step. `next` is a command, or an act in words."""

    kind: FindingKind
    about: str
    message: str
    since: datetime | None = None
    next: str = "`seil run`"
    needs_person: bool = True

    @property
    def text(self) -> str:
        lines = self.message.strip().splitlines() or [""]
        return f"{self.about}: {lines[0]}".rstrip(".") if self.about else lines[0].rstrip(".")


@dataclass(frozen=True)
class Verdict:
    """`sentence` is the first line of `seil status`."""

    state: VerdictState
    sentence: str
    findings: tuple[Finding, ...] = ()

    @property
    def since(self) -> datetime | None:
        """Without findings that wait for the next run: they may be old while all is in step."""
        moments = [f.since for f in self.findings if f.since and f.kind != "waiting"]
        return min(moments, default=None)

    @property
    def needs_person(self) -> bool:
        return any(finding.needs_person for finding in self.findings)

    @property
    def next(self) -> str:
        return self.findings[0].next if self.findings else ""


def verdict(findings: Sequence[Finding], *, in_step: str) -> Verdict:
    """`in_step` is the sentence if every finding waits for the next run."""
    serious = [finding for finding in findings if finding.kind != "waiting"]
    if not serious:
        return Verdict("in step", in_step, tuple(findings))
    if any(finding.kind == "late" for finding in serious):
        # A late flow shows that the next run did not resolve it.
        findings = [_urgent(finding) for finding in findings]
    ordered = tuple(sorted(findings, key=_weight))
    broken = any(finding.needs_person and finding.kind != "late" for finding in ordered)
    draft = Verdict("broken" if broken else "behind", "", ordered)
    since = f" since {wording.moment(draft.since)}" if draft.since else ""
    more = f" ({len(serious) - 1:,} more below)" if len(serious) > 1 else ""
    first = ordered[0]
    sentence = f"{draft.state.capitalize()}{since}: {first.text}{more}. Next: {first.next}"
    return Verdict(draft.state, sentence, ordered)


def of_trouble(trouble: Trouble, run: RunRecord | None = None) -> Finding:
    """An error that ended the run is about the run; a step's error names the step.

    `run` is the run that met it, where it is still stored.
    """
    about = "" if trouble.step == "stop" else f"{trouble.step} {trouble.about}"
    blocked = trouble.kind in _BLOCKED or _DECISIONS in trouble.hint
    return Finding(
        "blocked" if blocked else "failed",
        about,
        trouble.message,
        trouble.since,
        _next(trouble, command_line(run) if run else trouble.command or "run"),
        needs_person=trouble.kind not in _TRANSIENT,
    )


def of_runs(under_way: Iterable[RunRecord], last: RunRecord | None) -> Iterable[Finding]:
    """Runs that died or were interrupted: the next one goes on where they stopped."""
    if dead := sorted((r for r in under_way if not r.is_alive), key=lambda run: run.started_at):
        newest = dead[-1]
        facts = f"process {newest.pid} on {newest.host}"
        if len(dead) > 1:
            facts += f"; {len(dead) - 1:,} before it did, too"
        message = f"`seil {newest.command}` died before it ended ({facts})"
        yield _again(newest, message, dead[0].started_at)
    if last and last.outcome == "interrupted":
        message = f"`seil {last.command}` was interrupted before it ended"
        yield _again(last, message, last.ended_at)


def command_line(run: RunRecord) -> str:
    """The command that does again what the run did, without `seil`."""
    arguments = _ARGUMENTS.get(run.command, ())
    words = [form.format(run.plan[name]) for name, form in arguments if run.plan.get(name)]
    return " ".join([_BY_EVENTS.get(run.command, run.command), *words])


def _again(run: RunRecord, message: str, since: datetime | None) -> Finding:
    next_command = f"`seil {command_line(run)}`"
    return Finding("failed", "", message, since, next_command, needs_person=False)


def of_space(place: str, free: int) -> Finding:
    message = f"the disk is full, or nearly: {size(free)} are free for {place}"
    return Finding("failed", "", message, next=_SPACE)


def of_late(names: Sequence[str], since: datetime, *, running: bool) -> Finding:
    listing = ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
    message = f"no run has read {listing} in time"
    return Finding("late", "", message, since, needs_person=not running)


def ago(moment: datetime, now: datetime) -> str:
    return f"{wording.duration(max(now - moment, timedelta()))} ago"


def _next(trouble: Trouble, line: str) -> str:
    """`line` is the command that met it, with its arguments."""
    if trouble.kind in _ALLOWANCE:
        return f"once the allowance is renewed, `seil {line}`"
    if command := _COMMAND.search(trouble.hint):
        return f"`{(command[1] or command[2]).strip().rstrip('.')}`"
    if trouble.kind in _WAIT:
        return f"wait for it to end, then `seil {line}`"
    if trouble.hint and trouble.kind in _BY_HINT:
        act, _, _ = trouble.hint.rpartition(": ")[2].partition(", then run the same command")
        return f"{act[:1].lower()}{act[1:]}, then `seil {line}`"
    return f"`{_NEXT.get(trouble.kind, f'seil {line} --verbose')}`"


def _weight(finding: Finding) -> tuple[bool, ...]:
    """Causes before consequences; what needs a person before what the next run resolves."""
    waits, is_late = finding.kind == "waiting", finding.kind == "late"
    return (
        waits,
        is_late,
        not finding.needs_person,
        finding.kind == "blocked",
        bool(finding.about),
    )


def _urgent(finding: Finding) -> Finding:
    return finding if finding.kind == "waiting" else replace(finding, needs_person=True)
