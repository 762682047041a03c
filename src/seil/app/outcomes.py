"""Outcomes of writes into Salesforce, record by record: listed, exported, sent again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from seil.errors import ConfigurationError, Problem
from seil.observe.progress import SILENT, Progress

if TYPE_CHECKING:
    from seil.app.site import Site
    from seil.state.outcomes import OutcomeFilter, Outcomes, StoredOutcome

FINE = ("written", "unchanged", "undone")
_PAGE = 10_000
_PUSH = "push:"
_OTHERS = ("gam_to_sf", "sf_to_t1")


@dataclass(frozen=True)
class OutcomePage:
    """`outcomes` are newest first; `states` counts all that match, beyond the page too."""

    states: Mapping[str, int]
    outcomes: Sequence[StoredOutcome]


@dataclass(frozen=True)
class OutcomeFile:
    file: Path
    rows: int


@dataclass(frozen=True)
class FlowRetry:
    """`states` counts records; `note` says who sends them where this command did not."""

    flow: str
    run_id: str
    states: Mapping[str, int]
    note: str = ""

    @property
    def ok(self) -> bool:
        return not self.note and not set(self.states) - set(FINE)


def list_outcomes(
    site: Site, *, limit: int, after: Sequence[str] = (), **where: str
) -> OutcomePage:
    """`where` has the fields of OutcomeFilter; `after` is the `position` to continue behind.

    Raises ConfigurationError for an unknown state.
    """
    chosen = _filter(where)
    _refuse_flow(site, chosen.flow)
    outcomes = site.state_to_read.outcomes
    return OutcomePage(outcomes.counts(chosen), outcomes.find(chosen, limit=limit, after=after))


def export_outcomes(site: Site, file: Path, **where: str) -> OutcomeFile:
    """Writes all that match to a Parquet, CSV or JSON Lines file, by its suffix; streams.

    The file is there when it is complete. Raises ConfigurationError for another suffix.
    """
    from seil.app.outcome_files import write_outcomes

    chosen = _filter(where)
    _refuse_flow(site, chosen.flow)
    pages = site.state_to_read.outcomes.pages(chosen, rows=_PAGE)
    return OutcomeFile(file, write_outcomes(file, pages))


def retry_outcomes(site: Site, *, progress: Progress = SILENT, **where: str) -> Sequence[FlowRetry]:
    """Sends the rows that match and were not written again, each by its flow.

    Raises ConfigurationError for an unknown state, and as `pushes.retry_push` does.
    """
    from seil.app.pushes import retry_push

    chosen = replace(_filter(where), is_open=True)
    _refuse_flow(site, chosen.flow)
    retries = []
    for flow in _flows_to_retry(site.state.outcomes, chosen):
        of_flow = replace(chosen, flow=flow)
        if flow.startswith(_PUSH):
            result = retry_push(site, flow.removeprefix(_PUSH), of_flow, progress=progress)
            retries.append(FlowRetry(flow, result.run_id, dict(result.states)))
        else:
            states = site.state.outcomes.counts(of_flow)
            note = "the flow sends them again in its next run, where they still differ"
            retries.append(FlowRetry(flow, "", states, note))
    return retries


def _flows_to_retry(outcomes: Outcomes, chosen: OutcomeFilter) -> Sequence[str]:
    """Flows with open rows, and pushes with rows in doubt: a look-up may show them as open."""
    from seil.state.outcomes import IN_DOUBT

    flows = {flow for flow, *_ in outcomes.targets(chosen)}
    if chosen.state in ("", "retrying"):
        in_doubt = outcomes.targets(replace(chosen, state=IN_DOUBT, is_open=False))
        flows |= {flow for flow, *_ in in_doubt if flow.startswith(_PUSH)}
    return sorted(flows)


def _refuse_flow(site: Site, flow: str) -> None:
    """Raises ConfigurationError for a flow that neither exists nor has outcomes."""
    from seil.app.pushes import push_names
    from seil.state.outcomes import OutcomeFilter
    from seil.wrong_values import suggest

    flows = sorted([*(f"{_PUSH}{name}" for name in push_names(site)), *_OTHERS])
    if not flow or flow in flows or site.state_to_read.outcomes.counts(OutcomeFilter(flow=flow)):
        return
    hint = suggest(flow, flows) or f"there are {', '.join(flows)}"
    raise ConfigurationError([Problem("flow", f"{flow!r} is no flow", hint)])


def _filter(where: Mapping[str, str]) -> OutcomeFilter:
    from seil.state.outcomes import STATES, OutcomeFilter

    state = where.get("state", "")
    if state and state not in STATES:
        from seil.wrong_values import suggest

        hint = suggest(state, STATES) or f"there are {', '.join(STATES)}"
        raise ConfigurationError([Problem("state", f"{state!r} is no state of an outcome", hint)])
    return OutcomeFilter(**where)  # type: ignore[arg-type]
