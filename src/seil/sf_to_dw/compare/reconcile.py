"""Reconciliation of what no window has: comparison of Ids, refresh of formulas, new fields.

In three steps, so that the warehouse is not held open while the org works: the data to compare is
read from the org; it is compared with the warehouse; records that the warehouse lacks are read.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from seil.catalog import SyncedObject
from seil.errors import ObjectRejectedError, RejectError, RetryError, SeilError
from seil.sf_to_dw.compare.fields import FieldComparison
from seil.sf_to_dw.compare.ids import IdComparison
from seil.sf_to_dw.extract.deletions import list_deletions
from seil.sf_to_dw.extract.flow_context import FlowContext, FlowResult
from seil.sf_to_dw.extract.flows import FlowMode, FlowStates
from seil.sf_to_dw.extract.partials import DELETIONS, FIELDS, FORMULAS, PartialStates

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse

log = logging.getLogger(__name__)

_FIRST = "Run `seil run` first"

ComparisonKind = Literal["deletions", "ids", "formulas"]
"""The org's list of deletions, all Ids, or the calculated fields."""

Comparison = IdComparison | FieldComparison


class Reconciliation:
    """`start_due` or `start_now`, then `compare`, then `extract_missing`.

    `results` are the landed files and the failures; `checked` the comparisons done, also those
    without a difference. Every step raises AbortError.
    """

    def __init__(self, context: FlowContext) -> None:
        self.results: list[FlowResult] = []
        self.checked: list[tuple[str, FlowMode]] = []
        self._context = context
        self._comparisons: list[Comparison] = []
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def start_due(self, objects: Sequence[SyncedObject], flows: Iterable[FlowResult]) -> None:
        """Starts the comparisons that are due after these `flows`."""
        windows = {flow.object: flow.window for flow in flows if flow.window}
        for obj in objects:
            if window := windows.get(obj.api_name):
                for mode in _due(self._context, obj, window.end + obj.flow.lag):
                    self._start(obj, mode)
                if FlowStates(self._context.lake).get(obj).due_fields:
                    self._start(obj, FIELDS)

    def start_now(
        self,
        objects: Sequence[SyncedObject],
        kinds: Collection[ComparisonKind],
        *,
        believe: Collection[str] = (),
    ) -> None:
        """Starts these comparisons, due or not. Objects to `believe` may lack any share of their
        records in the org.
        """
        lake = self._context.lake
        for obj in objects:
            if FlowStates(lake).get(obj).committed is None:
                reason = "was never read: there is nothing to compare"
                error = ObjectRejectedError(obj.api_name, reason, hint=_FIRST)
                self.results.append(FlowResult(obj.api_name, error=error))
                continue
            if "deletions" in kinds:
                self._list_deletions(obj)
            # A gap in the list makes the comparison due: read after the list, and started once.
            is_due = PartialStates(lake).get(obj).is_compare_due
            if "ids" in kinds or (is_due and "deletions" in kinds):
                self._start(obj, DELETIONS, believe=obj.api_name in believe)
            if "formulas" in kinds:
                self._start(obj, FORMULAS)

    def compare(self, warehouse: Warehouse) -> None:
        for comparison in list(self._comparisons):
            is_done = self._attempt(comparison, comparison.compare(warehouse))
            if is_done and not comparison.lacks_records:
                self._finish(comparison)

    @property
    def has_files(self) -> bool:
        """Whether a step has landed files."""
        return any(result.files for result in self.results)

    @property
    def lacks_records(self) -> bool:
        """Whether there is anything for `extract_missing`."""
        return bool(self._comparisons)

    def extract_missing(self) -> None:
        for comparison in list(self._comparisons):
            if self._attempt(comparison, comparison.extract_missing()):
                self._finish(comparison)

    def _list_deletions(self, obj: SyncedObject) -> None:
        try:
            result = list_deletions(self._context, obj, now=self._context.org.now())
        except (RejectError, RetryError) as error:
            self._fail(obj, DELETIONS, error)
        else:
            self.results += [result] if result else []
            self.checked.append((obj.api_name, DELETIONS))

    def _start(self, obj: SyncedObject, mode: FlowMode, *, believe: bool = False) -> None:
        try:
            now = self._context.org.now()
            comparison: Comparison
            if mode == DELETIONS:
                comparison = IdComparison(self._context, obj, now=now, believe=believe)
            else:
                comparison = FieldComparison(self._context, obj, mode, now=now)
            self._open.callback(comparison.close)
            comparison.start()
        except (RejectError, RetryError) as error:
            self._mark_due(obj, mode)
            self._fail(obj, mode, error)
        else:
            self._comparisons.append(comparison)

    def _attempt(self, comparison: Comparison, landed: Iterable[FlowResult]) -> bool:
        try:
            for result in landed:
                self.results.append(result)
        except (RejectError, RetryError) as error:
            self._comparisons.remove(comparison)
            self._mark_due(comparison.obj, comparison.mode)
            self._fail(comparison.obj, comparison.mode, error)
            return False
        return True

    def _finish(self, comparison: Comparison) -> None:
        self._comparisons.remove(comparison)
        self.checked.append((comparison.obj.api_name, comparison.mode))
        comparison.finish()
        comparison.close()

    def _mark_due(self, obj: SyncedObject, mode: FlowMode) -> None:
        """The next run repeats a comparison of Ids that failed, also a requested one."""
        if mode == DELETIONS:
            PartialStates(self._context.lake).change(obj, is_compare_due=True)

    def _fail(self, obj: SyncedObject, mode: FlowMode, error: SeilError) -> None:
        log.warning("comparison of %s of %s failed: %s", mode, obj.api_name, error)
        self._context.publish(obj, "error", mode=mode, message=str(error))
        self.results.append(FlowResult(obj.api_name, mode=mode, error=error))


def _due(context: FlowContext, obj: SyncedObject, now: datetime) -> list[FlowMode]:
    """Which comparisons are due at `now`. The first call starts their intervals."""
    states = PartialStates(context.lake)
    state = states.get(obj)
    starts = {}
    if obj.flow.compare_ids is not None and state.compared_at is None and not state.is_compare_due:
        starts["compared_at"] = now
    if obj.flow.refresh_formulas is not None and state.refreshed_at is None:
        starts["refreshed_at"] = now
    due = state.due(obj.flow, now)
    if starts:
        states.change(obj, **starts)
    return due
