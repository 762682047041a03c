"""What `seil warehouse upkeep` answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from seil.app.documents.base import JsonDocument
from seil.app.upkeep import UpkeepReport
from seil.warehouse.upkeep import UpkeepPlan, UpkeepResult


@dataclass(frozen=True)
class WarehouseUpkeepDocument(
    JsonDocument, schema="seil.warehouse-upkeep/1", command="seil warehouse upkeep"
):
    results: Sequence[UpkeepResult]
    publish_problem: str

    @classmethod
    def of(cls, report: UpkeepReport) -> Self:
        return cls(report.results, report.publication.problem)


@dataclass(frozen=True)
class UpkeepPlanDocument(
    JsonDocument,
    schema="seil.warehouse-upkeep-plan/1",
    command="seil warehouse upkeep --dry-run",
):
    plans: Sequence[UpkeepPlan]
