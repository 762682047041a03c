"""Binds a site to its state: the id in `site.json` is the one in the state.

Steps, each safe to repeat after a kill: the lake gets an id, the state gets the same, the lake
notes that there is a state. From then on a state that is missing or another site's is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seil.lake.site_layout import ensure_site_id, record_state, site_record
from seil.state.ownership import check_owner, claim, other_site, owner

if TYPE_CHECKING:
    from seil.lake import Lake
    from seil.state import State


def bind(lake: Lake, state: State) -> None:
    """Raises MissingStateError and OtherStateError."""
    site = site_record(lake)
    if site.has_state:
        check_owner(state.database, site.site_id)
        return
    if not site.site_id and (other := owner(state.database)):
        raise other_site(state.database.place, other)
    claim(state.database, ensure_site_id(lake))
    record_state(lake)


def check(lake: Lake, state: State) -> None:
    """Like `bind`, but writes nothing."""
    site = site_record(lake)
    if site.has_state:
        check_owner(state.database, site.site_id)
    elif (other := owner(state.database)) and other != site.site_id:
        raise other_site(state.database.place, other)
