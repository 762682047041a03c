"""Outcomes of writes into Salesforce, record by record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seil.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from seil.app.site import Site
    from seil.state.outcomes import StoredOutcome

FINE = ("written", "unchanged", "undone")


@dataclass(frozen=True)
class OutcomePage:
    """`outcomes` are newest first; `states` counts all that match, beyond the page too."""

    states: Mapping[str, int]
    outcomes: Sequence[StoredOutcome]


def list_outcomes(
    site: Site, *, limit: int, after: Sequence[str] = (), **where: str
) -> OutcomePage:
    """`where` has the fields of OutcomeFilter; `after` is the `position` to continue behind.

    Raises ConfigurationError for an unknown state.
    """
    from seil.state.outcomes import STATES, OutcomeFilter

    state = where.get("state", "")
    if state and state not in STATES:
        from seil.wrong_values import suggest

        hint = suggest(state, STATES) or f"there are {', '.join(STATES)}"
        raise ConfigurationError([Problem("state", f"{state!r} is no state of an outcome", hint)])
    chosen = OutcomeFilter(**where)  # type: ignore[arg-type]
    outcomes = site.state_to_read.outcomes
    return OutcomePage(outcomes.counts(chosen), outcomes.find(chosen, limit=limit, after=after))
