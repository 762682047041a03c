"""The ways back into Salesforce: `seil sync`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from seil.app.documents.base import JsonDocument
from seil.app.documents.error import ErrorPart
from seil.app.syncs import GamToSfResult
from seil.gam_to_sf.results import FieldChange, Sample, StepResult
from seil.salesforce.writes.batch import RowOutcome


@dataclass(frozen=True)
class _NotWritten:
    key: str
    state: str
    code: str
    reason: str

    @classmethod
    def of(cls, outcome: RowOutcome) -> Self:
        return cls(outcome.key, outcome.state, outcome.code, outcome.reason)


@dataclass(frozen=True)
class SyncStepPart:
    """`read` are Salesforce's records, of the inventory the network's; `differing` those that were
    written, or would be in a dry run, and `states` what became of them.

    `gaps` are what was left out, by reason: without_id, refused_id (not digits),
    not_in_ad_manager, not_in_salesforce (delivery of a line item without a record), shared_line
    (several records of a line item and day). `changes` and `not_written` are the first.
    """

    step: str
    object: str
    read: int
    differing: int
    states: Mapping[str, int]
    gaps: Mapping[str, Sample]
    changes: Sequence[FieldChange]
    not_written: Sequence[_NotWritten]
    note: str
    error: ErrorPart | None

    @classmethod
    def of(cls, step: StepResult) -> Self:
        return cls(
            step=step.name,
            object=step.object,
            read=step.read,
            differing=step.differing,
            states=dict(step.states),
            gaps={str(gap): sample for gap, sample in step.gaps.items()},
            changes=step.changes,
            not_written=[_NotWritten.of(outcome) for outcome in step.refused],
            note=step.note,
            error=ErrorPart.of(step.error) if step.error else None,
        )


@dataclass(frozen=True)
class GamToSfDocument(JsonDocument, schema="seil.sync-gam-to-sf/1", command="seil sync gam-to-sf"):
    """`calls` are those made, by far end."""

    run_id: str
    dry_run: bool
    steps: Sequence[SyncStepPart]
    calls: Mapping[str, int]

    @classmethod
    def of(cls, result: GamToSfResult) -> Self:
        steps = [SyncStepPart.of(step) for step in result.steps]
        return cls(result.run_id, result.dry_run, steps, result.calls)
