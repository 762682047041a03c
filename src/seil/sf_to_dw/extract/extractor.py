"""Salesforce -> landing: one Bulk API 2.0 query job per object and window, page by page.

The order of effects makes a kill harmless: a page is written whole under its final key before the
flow's state names it; once all pages are there and their rows add up, the manifest is written, and
the window committed last. The next run resumes the job after the pages already landed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from seil.catalog import SyncedObject
from seil.errors import QuotaExhaustedError, RejectError, RetryError
from seil.events.bus import Bus
from seil.lake import Lake
from seil.observe.fields import log_fields
from seil.observe.progress import SILENT, Progress
from seil.observe.workers import Workers
from seil.settings import ExtractSettings
from seil.sf_to_dw.extract.deletions import extract_deletions
from seil.sf_to_dw.extract.flow_context import FlowContext, FlowResult
from seil.sf_to_dw.extract.flow_run import FlowRunner
from seil.sf_to_dw.extract.org_identity import OrgIdentity, check_identity
from seil.sf_to_dw.extract.partials import DELETIONS
from seil.sf_to_dw.extract.plan import quota
from seil.sf_to_dw.schema.registry import SchemaRegistry
from seil.state import State

if TYPE_CHECKING:
    from seil.salesforce.org import Org

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExtractReport:
    """One result per object, in the order of the request, and its deletions if any.

    `checked` names the objects whose list of deletions was read, also where it was empty.
    """

    flows: list[FlowResult]
    deletions: list[FlowResult] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(flow.landed for flow in self.flows)

    @property
    def failed(self) -> list[FlowResult]:
        return [flow for flow in (*self.flows, *self.deletions) if flow.error]


class Extractor:
    """Runs the flows of several objects at once against one org."""

    def __init__(
        self,
        org: Org,
        lake: Lake,
        bus: Bus,
        settings: ExtractSettings,
        *,
        registry: SchemaRegistry,
        state: State,
    ) -> None:
        self._org = org
        self._settings = settings
        self._stop = threading.Event()
        self._context = FlowContext(org, lake, bus, settings, registry, state.decisions, self._stop)
        self._state = state
        self._deletions: dict[str, FlowResult | None] = {}

    @property
    def context(self) -> FlowContext:
        return self._context

    def run(
        self,
        objects: Sequence[SyncedObject],
        *,
        full: bool = False,
        progress: Progress = SILENT,
        on_flow: Callable[[FlowResult], None] = lambda _: None,
    ) -> ExtractReport:
        """Reads every object; a failed flow is reported, and the others continue.

        `on_flow` is called in the caller's thread as each flow ends. Raises the first AbortError of
        a flow (login, quota, lake): windows not committed by then are read by the next run.
        """
        self._stop.clear()
        self._deletions.clear()
        self.check_identity()
        self._check_quota()
        now = self._org.now()
        results: dict[str, FlowResult] = {}
        with Workers(self._settings.flows, "flow", stop=self._stop) as workers:
            running = [
                workers.submit(self._extract, obj, now=now, full=full, progress=progress)
                for obj in objects
            ]
            for future in as_completed(running):
                result = future.result()
                results[result.object] = result
                on_flow(result)
        names = [obj.api_name for obj in objects]
        deletions = [entry for name in names if (entry := self._deletions.get(name))]
        checked = [
            name for name, result in self._deletions.items() if not (result and result.error)
        ]
        return ExtractReport([results[name] for name in names], deletions, checked)

    def check_identity(self) -> OrgIdentity:
        """Call it before anything is read or written. Raises OtherOrgError."""
        identity = check_identity(self._org, self._context.lake)
        self._state.troubles.clear_login()
        return identity

    def _check_quota(self) -> None:
        calls = quota(self._org)
        if calls and not calls.available:
            raise QuotaExhaustedError(
                "Salesforce API request",
                f"{calls.remaining:,} of {calls.allowed:,} calls are left today,"
                f" {calls.reserve:,} are reserved for others",
            )

    def _extract(
        self, obj: SyncedObject, *, now: datetime, full: bool, progress: Progress
    ) -> FlowResult:
        started = time.monotonic()
        with log_fields(object=obj.api_name):
            try:
                with progress.step(f"extract {obj.api_name}") as step:
                    result = FlowRunner(self._context, obj).run(step, now=now, full=full)
            except (RejectError, RetryError) as error:
                log.warning("extract of %s failed: %s", obj.api_name, error)
                self._context.publish(obj, "error", message=str(error))
                result = FlowResult(obj.api_name, error=error)
            else:
                self._extract_deletions(obj, result, now=now)
        return replace(result, seconds=time.monotonic() - started)

    def _extract_deletions(self, obj: SyncedObject, flow: FlowResult, *, now: datetime) -> None:
        """A failure does not undo the flow, which is committed."""
        try:
            result = extract_deletions(self._context, obj, flow, now=now)
        except (RejectError, RetryError) as error:
            log.warning("the deletions of %s cannot be read: %s", obj.api_name, error)
            self._context.publish(obj, "error", mode=DELETIONS, message=str(error))
            result = FlowResult(obj.api_name, mode=DELETIONS, error=error)
        self._deletions[obj.api_name] = result
