"""Delivery reporting, measured in a process of its own."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.measure import Clock

NOON = datetime(2026, 11, 23, 1, tzinfo=UTC)
"""In the network's zone. The network's clock stands still there: a second run has nothing to write
only where nothing is delivered meanwhile.
"""
FIRST_ORDER, FIRST_LINE = 3_900_000_000, 5_900_000_000
LINES_OF_ORDER = 100


def sync(clock: Clock, *, org: str, network: dict[str, Any], folder: str) -> dict[str, Any]:
    """The flow's steps but the inventory, as `seil sync gam-to-sf` puts them together."""
    from seil.admanager.client import AdManager
    from seil.admanager.pace import CallPace
    from seil.gam_to_sf.changes import SalesforceRecords
    from seil.gam_to_sf.flow import GamToSf, flow_steps
    from seil.salesforce.org import Org
    from seil.salesforce.writes.writer import Writer, WriterOptions
    from seil.settings import AdManagerSettings, GamToSfSettings, SalesforceSettings, StateSettings
    from seil.state import open_state

    # The stand-in makes its report while it is asked to run it.
    reached = AdManagerSettings.model_validate({**network, "timeout": "10m"})
    admanager = AdManager(reached, pace=(pace := CallPace(1e9)))
    settings = GamToSfSettings.model_validate({"proposal_id_field": ""})
    state_url = f"sqlite:{Path(folder) / 'state.sqlite'}"
    with (
        Org(SalesforceSettings(login_url=org)) as salesforce,
        open_state(StateSettings(url=state_url)) as state,
    ):
        options = WriterOptions()
        writer = Writer(
            salesforce, state.outcomes.log("gam_to_sf", f"run-{time.time_ns()}"), options
        )
        recipient = SalesforceRecords(writer, crossover=options.crossover)
        begun = time.process_time()
        results, seconds = [], {}
        for step in flow_steps(admanager, settings, state.marks, clock=lambda: NOON):
            before = clock.seconds
            with clock:
                results += GamToSf(salesforce, recipient, [step]).run()
            seconds[step.name] = clock.seconds - before
    for result in results:
        if not result.ok:
            raise SystemExit(f"{result.name}: {result.problem}")
    return {
        "rows": sum(result.read for result in results),
        "written": sum(result.states["written"] for result in results),
        "cpu": time.process_time() - begun,
        "calls": pace.calls,
        "steps": seconds,
    }
