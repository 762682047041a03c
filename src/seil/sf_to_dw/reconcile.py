"""What no window shows, when its time has come: the comparison of Ids, the refresh of formulas."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from seil.catalog import SyncedObject
from seil.errors import ObjectRejectedError, RejectError, RetryError, SeilError
from seil.sf_to_dw.deletions import list_deletions
from seil.sf_to_dw.deletions_compare import compare_ids
from seil.sf_to_dw.flow_run import FlowContext, FlowResult
from seil.sf_to_dw.flows import FlowStates, Mode
from seil.sf_to_dw.formulas import refresh_formulas
from seil.sf_to_dw.partials import DELETIONS, FORMULAS, PartialStates

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse

log = logging.getLogger(__name__)

Kind = Literal["deletions", "ids", "formulas"]
"""What can be asked for: the org's list of deletions, all Ids, the calculated fields."""


def reconcile(
    context: FlowContext,
    warehouse: Warehouse,
    objects: Sequence[SyncedObject],
    flows: Iterable[FlowResult],
) -> list[FlowResult]:
    """After the load of `flows`, what is due is read and landed; one that fails is in the results.

    Raises AbortError.
    """
    read = {flow.object: flow for flow in flows if flow.window}
    results: list[FlowResult] = []
    for obj in objects:
        if (flow := read.get(obj.api_name)) and flow.window:
            due = _due(context, obj, flow.window.end + obj.flow.lag)
            for mode in due:
                results += _tried(context, warehouse, obj, mode)
    return results


def reconcile_now(
    context: FlowContext,
    warehouse: Warehouse,
    objects: Sequence[SyncedObject],
    kinds: Collection[Kind],
) -> list[FlowResult]:
    """The same for what is asked for, due or not. Raises AbortError."""
    results: list[FlowResult] = []
    for obj in objects:
        if FlowStates(context.lake).get(obj).committed is None:
            error = ObjectRejectedError(
                obj.api_name, "it was never read", hint=f"Run `seil run {obj.api_name}` first"
            )
            results.append(FlowResult(obj.api_name, error=error))
            continue
        if "deletions" in kinds:
            results += _listed(context, obj)
        # Whatever that list has told, or the lack of it, the comparison is made once.
        due = PartialStates(context.lake).get(obj).is_compare_due
        if "ids" in kinds or (due and "deletions" in kinds):
            results += _tried(context, warehouse, obj, DELETIONS)
        if "formulas" in kinds:
            results += _tried(context, warehouse, obj, FORMULAS)
    return results


def _listed(context: FlowContext, obj: SyncedObject) -> list[FlowResult]:
    try:
        found = list_deletions(context, obj, now=context.org.now())
    except (RejectError, RetryError) as error:
        return [_failed(context, obj, DELETIONS, error)]
    return [found] if found else []


def _due(context: FlowContext, obj: SyncedObject, now: datetime) -> list[Mode]:
    """The time between two comparisons begins when the first could have been."""
    states = PartialStates(context.lake)
    state = states.get(obj)
    begun = {}
    if obj.flow.compare_ids is not None and state.compared_at is None and not state.is_compare_due:
        begun["compared_at"] = now
    if obj.flow.refresh_formulas is not None and state.refreshed_at is None:
        begun["refreshed_at"] = now
    due = state.due(obj.flow, now)
    if begun:
        states.change(obj, **begun)
    return due


def _tried(
    context: FlowContext, warehouse: Warehouse, obj: SyncedObject, mode: Mode
) -> list[FlowResult]:
    read = compare_ids if mode == DELETIONS else refresh_formulas
    try:
        return read(context, warehouse, obj, now=context.org.now())
    except (RejectError, RetryError) as error:
        return [_failed(context, obj, mode, error)]


def _failed(context: FlowContext, obj: SyncedObject, mode: Mode, error: SeilError) -> FlowResult:
    log.warning("%s of %s cannot be compared: %s", mode, obj.api_name, error)
    context.publish(obj, "error", mode=mode, message=str(error))
    return FlowResult(obj.api_name, mode=mode, error=error)
