"""The shape of every `--json` answer. docs/json.md is written from here; a test compares the two,
and every command's answer with its shape.

Only documentation and tests import this: a command writes its own answer.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal, NotRequired, TypedDict

from seil.app.doctor_machine import Check
from seil.app.verdict import Finding
from seil.errors import Problem
from seil.modeling.lineage import Origin, Use
from seil.modeling.tests import TestFailure
from seil.sf_to_dw.extract.org_identity import OrgIdentity
from seil.sf_to_dw.feed import FeedFile
from seil.sf_to_dw.ingest.files import FileInfo
from seil.sf_to_dw.ingest.imports import ImportResult
from seil.sf_to_dw.ingest.retry import RetryResult
from seil.sf_to_dw.schema.diff import ColumnChange
from seil.state.decisions import Decision
from seil.warehouse.bookkeeping import LedgerRow


class Failure(TypedDict):
    """`type` is for programs, `message` and `hint` are for people."""

    type: str
    message: str
    hint: str
    exit_code: int
    problems: NotRequired[list[Problem]]


class Flow(TypedDict):
    """One object's run; `error` is set where its window stays open."""

    object: str
    mode: str | None
    flow_run_id: str
    window_start: datetime | None
    window_end: datetime | None
    reported: int
    landed: int
    files: int
    resumed: bool
    left_out: dict[str, str]
    seconds: float
    error: str | None


class FileTakenIn(TypedDict):
    """What became of one landed file."""

    key: str
    state: Literal["success", "error", "waiting", "blocked", "gone"]
    message: str
    object: str
    flow_run_id: str
    check: str
    hint: str
    archived_key: str
    curated_key: str
    exceptions_key: str
    landed_rows: int
    curated_rows: int
    rejected_rows: int
    rules: list[Any]
    drift: dict[str, Any]
    notes: list[str]


class ObjectLoaded(TypedDict):
    """What became of one object's files: every row is counted once."""

    object: str
    table: str
    files: int
    rows: int
    inserted: int
    updated: int
    deleted: int
    unchanged: int
    superseded: int
    without_key: int
    changes: list[str]
    errors: list[str]


class TableBuilt(TypedDict):
    """One table; `message` says why it is not built."""

    table: str
    state: Literal["built", "failed", "skipped"]
    rows: int
    seconds: float
    mode: str
    reason: str
    deleted: int
    inserted: int
    message: str
    notes: list[str]
    failures: list[TestFailure]


class TablePlanned(TypedDict):
    """What a build would do; `keys` is how many driving records are affected, null if unknown."""

    table: str
    mode: str
    reason: str
    changed: list[dict[str, Any]]
    keys: int | None


class ObjectPlanned(TypedDict):
    """What a run would read of an object; `estimated_rows` is null where the org does not count."""

    object: str
    mode: str
    window_start: datetime | None
    window_end: datetime
    estimated_rows: int | None
    jobs: int
    calls: int
    resumes: bool
    problem: str
    beside: list[str]
    note: str


class Quota(TypedDict):
    allowed: int
    used: int
    remaining: int
    reserve: int


# An event (docs/events.md) with its number.
JournalEvent = TypedDict(
    "JournalEvent",
    {
        "number": int,
        "version": str,
        "id": str,
        "detail-type": str,
        "source": str,
        "account": str,
        "time": datetime,
        "region": str,
        "resources": list[str],
        "detail": dict[str, Any],
    },
)


class DeadLetter(JournalEvent):
    """An event that a subscriber could not handle; `waiting`: it is to be delivered again."""

    subscriber: str
    reason: str
    attempts: int
    died_at: datetime
    waiting: bool


class FlowStanding(TypedDict):
    """`lag` in seconds; `late`: two turns were missed."""

    object: str
    mode: str
    committed: datetime | None
    finished_at: datetime | None
    flow_run_id: str
    lag: timedelta | None
    late: bool
    running_pages: int | None


class FileCount(TypedDict):
    files: int
    bytes: int


class Run(TypedDict):
    """`is_alive`: it is under way; without it and without `ended_at`, it died."""

    run_id: str
    command: str
    started_at: datetime
    outcome: str
    ended_at: datetime | None
    message: str
    hint: str
    error: str
    exit_code: int
    host: str
    pid: int
    plan: dict[str, Any]
    counts: dict[str, int]
    is_alive: bool


class RunAttempt(TypedDict):
    """A try of a step of a run; `number` counts all of the run's."""

    step: str
    about: str
    attempt: int
    number: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    done: int
    error: str
    message: str


class RunLine(TypedDict):
    """`number` is that of the attempt that logged it, 0 outside of any."""

    number: int
    logged_at: datetime
    level: str
    text: str


class SchemaOfObject(TypedDict):
    """`stops`: nothing of it is read until somebody decides. `history` with --history."""

    object: str
    is_read: bool
    stops: bool
    changes: list[ColumnChange]
    history: NotRequired[list[Any]]


class RecordSetAside(TypedDict):
    key: str
    landed_key: str
    messages: list[str]
    record: dict[str, Any]


# By schema: what prints it, and its fields besides `schema` and `error`.
ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    "seil.status/1": (
        "seil status",
        {
            "state": Literal["in_step", "behind", "broken", "new"],
            "sentence": str,
            "since": datetime | None,
            "next": str,
            "person_needed": bool,
            "findings": list[Finding],
            "flows": list[FlowStanding],
            "files": dict[str, FileCount],
            "ledger": list[LedgerRow],
            "ledger_problem": str,
            "as_of": datetime | None,
            "age_seconds": float | None,
            "balanced": bool,
            "dead_letters": int,
            "last_run": Run | None,
            "under_way": list[Run],
        },
    ),
    "seil.doctor/1": ("seil doctor", {"ok": bool, "checks": list[Check]}),
    "seil.init/1": ("seil init", {"file": str}),
    "seil.login/1": (
        "seil login",
        {"session": dict[str, Any], "file": str, "settings": dict[str, Any]},
    ),
    "seil.org/1": (
        "seil org",
        {"site": OrgIdentity | None, "login": OrgIdentity | None, "same": bool},
    ),
    "seil.org-adopt/1": (
        "seil org adopt",
        {"before": OrgIdentity | None, "org": OrgIdentity | None, "adopted": bool},
    ),
    "seil.plan/1": (
        "seil plan",
        {
            "objects": list[ObjectPlanned],
            "rows": int,
            "jobs": int,
            "calls": int,
            "quota": Quota | None,
            "fits": bool,
        },
    ),
    "seil.run/1": (
        "seil run, seil reconcile",
        {
            "ok": bool,
            "extract": list[Flow],
            "beside": list[Flow],
            "ingest": list[FileTakenIn],
            "load": list[ObjectLoaded],
            "build": list[TableBuilt],
            "ledger": list[LedgerRow],
        },
    ),
    "seil.extract/1": ("seil extract", {"flows": list[Flow]}),
    "seil.ingest/1": ("seil ingest", {"imported": list[ImportResult], "files": list[FileTakenIn]}),
    "seil.load/1": ("seil load", {"objects": list[ObjectLoaded]}),
    "seil.build/1": ("seil build", {"tables": list[TableBuilt], "removed": list[str]}),
    "seil.build-plan/1": ("seil build --explain", {"tables": list[TablePlanned]}),
    "seil.rebuild/1": (
        "seil rebuild",
        {
            "replaced": bool,
            "was": str,
            "refused": list[str],
            "kept": list[str],
            "left_out": list[str],
            "files": int,
            "inserted": int,
            "updated": int,
            "deleted": int,
            "unchanged": int,
            "superseded": int,
            "without_key": int,
            "tables": dict[str, int],
        },
    ),
    "seil.listen/1": (
        "seil listen, a line each",
        {"step": str, "state": str, "about": str, "message": str, "ok": bool, "at": datetime},
    ),
    "seil.files/1": ("seil files", {"files": list[FileInfo]}),
    "seil.file/1": (
        "seil files why",
        {"key": str, "state": str | None, "reason": str, "events": list[JournalEvent]},
    ),
    "seil.files-show/1": ("seil files show", {"records": list[RecordSetAside]}),
    "seil.files-retry/1": ("seil files retry", {"files": list[RetryResult]}),
    "seil.schema-diff/1": (
        "seil schema diff",
        {"objects": list[SchemaOfObject], "errors": dict[str, str]},
    ),
    "seil.runs/1": ("seil runs, seil runs list", {"runs": list[Run], "next": str | None}),
    "seil.run-report/1": (
        "seil runs show",
        {"run": Run | None, "attempts": list[RunAttempt], "lines": list[RunLine]},
    ),
    "seil.state/1": ("seil state backup, restore", {"file": str, "rows": dict[str, int]}),
    "seil.schema-accept/1": ("seil schema accept", {"object": str, "decisions": list[Decision]}),
    "seil.events/1": ("seil events", {"events": list[JournalEvent]}),
    "seil.event/1": ("seil events --follow, a line each", JournalEvent.__annotations__),
    "seil.dead-letters/1": ("seil events dead", {"dead_letters": list[DeadLetter]}),
    "seil.redeliver/1": ("seil events redeliver", {"redelivered": int}),
    "seil.query/1": (
        "seil query",
        {"as_of": datetime | None, "columns": list[str], "rows": list[dict[str, Any]]},
    ),
    "seil.lineage/1": ("seil lineage", {"lineage": Origin}),
    "seil.uses/1": ("seil lineage --down", {"uses": list[Use]}),
    "seil.feed/1": (
        "seil export feed",
        {"as_of": datetime | None, "files": list[FeedFile]},
    ),
    "seil.serve/1": ("seil serve, one line", {"url": str, "issuer": str}),
    "seil.sandbox-salesforce/1": (
        "seil sandbox salesforce, one line",
        {
            "url": str,
            "state": str,
            "made": bool,
            "client_id": str,
            "username": str,
            "jwt_key": str,
        },
    ),
    "seil.sandbox-admanager/1": (
        "seil sandbox admanager, one line",
        {"url": str, "state": str, "network_code": str, "service_account_key": str},
    ),
    "seil.sandbox-techone/1": (
        "seil sandbox techone, one line",
        {"url": str, "token_url": str, "warehouse": str, "state": str, "client_id": str},
    ),
    "seil.sandbox-tick/1": ("seil sandbox tick", {"changes": dict[str, Any]}),
    "seil.sandbox-faults/1": ("seil sandbox faults", {"faults": dict[str, Any]}),
    "seil.sandbox-reset/1": ("seil sandbox reset", {"removed": str}),
    "seil.error/1": ("any command that fails before it has an answer", {}),
}
