"""Plans, what came of them, and outcomes: `seil push`, `seil outcomes`, and the console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from seil.app.documents.base import JsonDocument
from seil.app.outcomes import FlowRetry
from seil.app.pushes import PlannedValue, PushResult
from seil.dw_to_sf.plan import Plan
from seil.state.outcomes import StoredOutcome

_INTERNAL = ("mirrored", "new_key_characters")


@dataclass(frozen=True)
class PushPlanDocument(JsonDocument, schema="seil.push-plan/1", command="seil push plan"):
    """`records` are the query's, `held` those rejected before and not sent again yet;
    `fields` are values by verdict; `values` the first that differ.

    `over_the_brakes`: why `seil push apply` asks first.
    """

    push: str
    hash: str
    file: str
    object: str
    operation: str
    records: int
    same: int
    changed: int
    new: int
    missing: int
    refused: int
    held: int
    fields: Mapping[str, int]
    calls: int
    batches: int
    over_the_brakes: Sequence[str]
    mirror_as_of: datetime | None
    created_at: datetime
    values: Sequence[PlannedValue]

    @classmethod
    def of(cls, plan: Plan, values: Sequence[PlannedValue]) -> Self:
        counts = {name: count for name, count in vars(plan.counts).items() if name not in _INTERNAL}
        return cls(
            push=plan.definition.name,
            hash=plan.hash,
            file=str(plan.path),
            object=plan.definition.object,
            operation=plan.definition.operation,
            calls=plan.calls,
            batches=plan.batches,
            over_the_brakes=plan.over_the_brakes,
            mirror_as_of=plan.mirror_as_of,
            created_at=plan.created_at,
            values=values,
            **counts,
        )


@dataclass(frozen=True)
class _NotWritten:
    key: str
    state: str
    code: str
    reason: str


@dataclass(frozen=True)
class PushDocument(JsonDocument, schema="seil.push/1", command="seil push apply"):
    """`states` are records by what became of them; `not_written` the first that were not written.

    `plan` is empty for an undo.
    """

    push: str
    plan: str
    run_id: str
    states: Mapping[str, int]
    not_written: Sequence[_NotWritten]

    @classmethod
    def of(cls, name: str, result: PushResult) -> Self:
        rows = [_NotWritten(o.key, o.state, o.code, o.reason) for o in result.refused]
        plan = result.plan.hash if result.plan else ""
        return cls(name, plan, result.run_id, dict(result.states), rows)


@dataclass(frozen=True)
class OutcomesDocument(JsonDocument, schema="seil.outcomes/1", command="seil outcomes"):
    """The newest first; `states` counts all that the filter takes."""

    states: Mapping[str, int]
    outcomes: Sequence[StoredOutcome]


@dataclass(frozen=True)
class OutcomesFileDocument(JsonDocument, schema="seil.outcomes-file/1", command="seil outcomes"):
    """The answer to `--output`."""

    file: str
    rows: int


@dataclass(frozen=True)
class OutcomesRetryDocument(
    JsonDocument, schema="seil.outcomes-retry/1", command="seil outcomes retry"
):
    """`note` says who sends the rows of a flow that this command does not."""

    flows: Sequence[FlowRetry]
