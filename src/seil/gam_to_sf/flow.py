"""Delivery reporting: its steps, each run even when an earlier one failed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Protocol, TypeGuard

from seil.errors import SeilError, ThrottledError, UnavailableError
from seil.gam_to_sf.changes import Recipient
from seil.gam_to_sf.delivery import DeliveryRow, DeliveryStep, utc_now
from seil.gam_to_sf.results import StepName, StepResult
from seil.gam_to_sf.statuses import StatusStep
from seil.gam_to_sf.usages import FIGURES
from seil.gam_to_sf.usages import OBJECT as USAGE
from seil.observe.progress import SILENT, Progress
from seil.salesforce.org import Org

if TYPE_CHECKING:
    from seil.admanager.client import AdManager
    from seil.settings import GamToSfSettings
    from seil.state.marks import Marks

logger = logging.getLogger(__name__)

_DIMENSIONS = ("LINE_ITEM_ID", "DATE")
_METRICS = ("AD_SERVER_IMPRESSIONS", "AD_SERVER_CLICKS")
_REPORT = "gam_to_sf report"
_ORDER_STATUS = "vlocity_cmt__FulfilmentStatus__c"
_LINE_STATUS = "SWM_Status__c"


class FlowStep(Protocol):
    @property
    def name(self) -> StepName: ...

    @property
    def needs(self) -> Collection[str]:
        """The far ends, as errors name them."""
        ...

    def run(self, org: Org, recipient: Recipient, result: StepResult) -> None: ...


@dataclass(frozen=True)
class GamToSf:
    org: Org
    recipient: Recipient
    steps: Sequence[FlowStep]

    def run(self, progress: Progress = SILENT) -> list[StepResult]:
        """A failed step's error is in its result; of a far end that is down, in all later ones
        that need it.
        """
        results: list[StepResult] = []
        outages: list[UnavailableError] = []
        for step in self.steps:
            outage = next((error for error in outages if error.service in step.needs), None)
            results.append(result := self._run(step, progress, outage))
            if not outage and is_outage(result.error):
                outages.append(result.error)
        return results

    def _run(
        self, step: FlowStep, progress: Progress, outage: UnavailableError | None
    ) -> StepResult:
        with progress.step(f"sync {step.name}") as step_progress:
            result = StepResult(step.name, on_read=step_progress.advance)
            try:
                if outage:
                    raise outage
                step.run(self.org, self.recipient, result)
            except SeilError as error:
                result.error = error
            except Exception as error:
                # The other steps do not depend on this one.
                logger.exception("sync %s", step.name)
                result.error = error
            if not result.ok:
                step_progress.conclude(result.problem, ok=False)
        return result


def is_outage(error: Exception | None) -> TypeGuard[UnavailableError]:
    """Whether a far end was not reached in spite of every attempt.

    One kind of call may be too slow, throttled, or answered with a 503 while others work.
    """
    return (
        isinstance(error, UnavailableError)
        and not error.reached
        and error.status is None
        and not isinstance(error, ThrottledError)
    )


def written_fields(settings: GamToSfSettings) -> dict[str, tuple[str, ...]]:
    """By object."""
    of_order = [_ORDER_STATUS]
    if _has_proposals(settings):
        of_order.append(settings.proposal_status_field)
    return {
        "Order": tuple(of_order),
        "AdOrderItem": (_LINE_STATUS,),
        USAGE: FIGURES,
    }


def flow_steps(
    admanager: AdManager,
    settings: GamToSfSettings,
    marks: Marks,
    *,
    clock: Callable[[], datetime] = utc_now,
) -> Iterator[FlowStep]:
    """All but the inventory. `clock` is for tests."""
    if _has_proposals(settings):
        yield StatusStep(
            "proposals",
            "Order",
            settings.proposal_id_field,
            settings.proposal_status_field,
            where=f"{settings.proposal_id_field} != NULL",
            find=admanager.proposal_statuses,
            hint="name yours: proposal_id_field and proposal_status_field in [gam_to_sf]",
        )
    yield StatusStep(
        "orders",
        "Order",
        "SWM_GAMOrderId__c",
        _ORDER_STATUS,
        where="SWM_GAMUpdate_After_Complete__c > 0",
        find=admanager.order_statuses,
    )
    yield StatusStep(
        "line items",
        "AdOrderItem",
        "AdServerOrderLineIdentifier",
        _LINE_STATUS,
        where="SWM_Status__c != 'Completed' AND Production_System__c = 'GAM'",
        find=admanager.line_item_statuses,
    )
    seconds = settings.report_timeout.total_seconds()
    yield DeliveryStep(NetworkReports(admanager, ReportName(marks), seconds), clock)


def _has_proposals(settings: GamToSfSettings) -> bool:
    return bool(settings.proposal_id_field and settings.proposal_status_field)


@dataclass(frozen=True)
class ReportName:
    """Ad Manager's name of the report, which every run changes and runs again."""

    marks: Marks

    def get(self) -> str:
        return self.marks.get(_REPORT)

    def set(self, value: str) -> None:
        if value != self.get():
            self.marks.set(_REPORT, value)


@dataclass(frozen=True)
class NetworkReports:
    """The `DeliveryReports` of a network. `seconds` is the timeout for generating a report."""

    admanager: AdManager
    name_store: ReportName
    seconds: float

    def network_time_zone(self) -> str:
        return self.admanager.network_time_zone()

    def deliveries(self, days: tuple[date, date]) -> Iterable[DeliveryRow]:
        rows = self.admanager.report(
            _DIMENSIONS, _METRICS, days, seconds=self.seconds, name_store=self.name_store
        )
        for row in rows:
            figures = (*row.dimensions.values(), *row.metrics.values())
            yield DeliveryRow(*(int(figure) for figure in figures))
