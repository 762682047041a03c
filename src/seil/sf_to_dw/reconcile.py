"""What no window shows, when its time has come: the comparison of Ids, the refresh of formulas."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from seil.catalog import SyncedObject
from seil.errors import RejectError, RetryError
from seil.sf_to_dw.deletions_compare import compare_ids
from seil.sf_to_dw.flow_run import FlowContext, FlowResult
from seil.sf_to_dw.flows import Mode
from seil.sf_to_dw.formulas import refresh_formulas
from seil.sf_to_dw.partials import DELETIONS, FORMULAS, PartialStates

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse

log = logging.getLogger(__name__)


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


def _due(context: FlowContext, obj: SyncedObject, now: datetime) -> list[Mode]:
    """Where nothing was ever compared, what there is has just been read."""
    states = PartialStates(context.lake)
    state = states.get(obj)
    wishes = (
        (DELETIONS, "compared_at", state.compared_at, obj.flow.compare_ids),
        (FORMULAS, "refreshed_at", state.refreshed_at, obj.flow.refresh_formulas),
    )
    due: list[Mode] = []
    for mode, name, last, every in wishes:
        if mode == DELETIONS and state.is_compare_due:
            due.append(mode)
        elif every is not None and last is None:
            states.change(obj, **{name: now})
        elif every is not None and last is not None and last + every <= now:
            due.append(mode)
    return due


def _tried(
    context: FlowContext, warehouse: Warehouse, obj: SyncedObject, mode: Mode
) -> list[FlowResult]:
    read = compare_ids if mode == DELETIONS else refresh_formulas
    try:
        return read(context, warehouse, obj, now=context.org.now())
    except (RejectError, RetryError) as error:
        log.warning("%s of %s cannot be compared: %s", mode, obj.api_name, error)
        context.publish(obj, "error", mode=mode, message=str(error))
        return [FlowResult(obj.api_name, mode=mode, error=error)]
