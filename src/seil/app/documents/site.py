"""The site as a whole: `seil status`, `doctor`, `init`, `login`, `org`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Self

from seil.app.documents.base import JsonDocument
from seil.app.documents.runs import RunPart
from seil.app.status import FileCount, FlowStatus, SiteStatus, count_files
from seil.app.verdict import Finding
from seil.checks import SiteCheck
from seil.sf_to_dw.extract.org_identity import OrgIdentity
from seil.warehouse.bookkeeping import LedgerRow

SiteState = Literal["in_step", "behind", "broken", "new"]
_STATES: Mapping[str, SiteState] = {
    "in step": "in_step",
    "behind": "behind",
    "broken": "broken",
    "new": "new",
}


@dataclass(frozen=True)
class StatusDocument(JsonDocument, schema="seil.status/1", command="seil status"):
    state: SiteState
    sentence: str
    since: datetime | None
    next: str
    person_needed: bool
    findings: Sequence[Finding]
    flows: Sequence[FlowStatus]
    files: Mapping[str, FileCount]
    ledger: Sequence[LedgerRow]
    ledger_problem: str
    as_of: datetime | None
    age_seconds: float | None
    balanced: bool
    dead_letters: int
    last_run: RunPart | None
    under_way: Sequence[RunPart]

    @classmethod
    def of(cls, status: SiteStatus) -> Self:
        verdict, ledger = status.verdict, status.ledger
        age = datetime.now(UTC) - ledger.as_of if ledger.as_of else None
        return cls(
            state=_STATES[verdict.state],
            sentence=verdict.sentence,
            since=verdict.since,
            next=verdict.next,
            person_needed=verdict.needs_person,
            findings=verdict.findings,
            flows=status.flows,
            files={state: count_files(files) for state, files in status.files.items()},
            ledger=ledger.rows,
            ledger_problem=ledger.problem,
            as_of=ledger.as_of,
            age_seconds=age.total_seconds() if age else None,
            balanced=ledger.balanced,
            dead_letters=len(status.dead),
            last_run=RunPart.of(status.last_run) if status.last_run else None,
            under_way=[RunPart.of(run) for run in status.under_way],
        )


@dataclass(frozen=True)
class DoctorDocument(JsonDocument, schema="seil.doctor/1", command="seil doctor"):
    ok: bool
    checks: Sequence[SiteCheck]


@dataclass(frozen=True)
class InitDocument(JsonDocument, schema="seil.init/1", command="seil init"):
    file: str


@dataclass(frozen=True)
class LoginDocument(JsonDocument, schema="seil.login/1", command="seil login"):
    session: Mapping[str, Any]
    file: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class OrgDocument(JsonDocument, schema="seil.org/1", command="seil org"):
    site: OrgIdentity | None
    login: OrgIdentity | None
    same: bool


@dataclass(frozen=True)
class OrgAdoptDocument(JsonDocument, schema="seil.org-adopt/1", command="seil org adopt"):
    before: OrgIdentity | None
    org: OrgIdentity | None
    adopted: bool
