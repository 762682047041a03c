"""What the flows of one extract share, and what each of them returns."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from seil.catalog import SyncedObject
from seil.errors import SeilError
from seil.events.bus import Bus
from seil.events.envelope import Event
from seil.events.file_events import event_id
from seil.lake import Lake
from seil.settings import ExtractSettings
from seil.sf_to_dw.extract.flows import FlowMode, Window
from seil.sf_to_dw.schema.registry import SchemaRegistry
from seil.state.decisions import DecisionStore

if TYPE_CHECKING:
    from seil.salesforce.org import Org


@dataclass(frozen=True)
class FlowResult:
    """One object's run. With an `error` its window stays uncommitted."""

    object: str
    mode: FlowMode | None = None
    flow_run_id: str = ""
    window: Window | None = None
    reported: int = 0
    landed: int = 0
    files: int = 0
    resumed: bool = False
    left_out: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    error: SeilError | None = None


@dataclass(frozen=True)
class FlowContext:
    """`stop` is set when the whole extract is to stop."""

    org: Org
    lake: Lake
    bus: Bus
    settings: ExtractSettings
    registry: SchemaRegistry
    decisions: DecisionStore
    stop: threading.Event

    def publish(self, obj: SyncedObject, state: str, **detail: object) -> None:
        """An event `flow-run`. Re-publishing the success of a flow run yields the same event id."""
        event = Event(
            "seil.sf-to-dw", "flow-run", {"state": state, "object": obj.api_name, **detail}
        )
        if state == "success":
            event = replace(event, id=event_id("flow-run", state, detail["flow_run_id"]))
        self.bus.publish([event])
