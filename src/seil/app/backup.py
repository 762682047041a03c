"""A site's state in a file and back from it; a new one; another site's taken over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seil.errors import OtherStateError

if TYPE_CHECKING:
    from pathlib import Path

    from seil.app.site import Site


def back_up(site: Site, file: Path) -> dict[str, int]:
    """Returns rows by table. Runs may go on meanwhile."""
    from seil.state.backup import back_up as copy

    return copy(site.state.database, file)


def restore(
    site: Site, file: Path, *, replace: bool = False, other_site: bool = False
) -> dict[str, int]:
    """Returns rows by table. `replace` admits a state that holds something, `other_site` a backup
    of another site.

    Raises AlreadyRunningError, and OtherStateError where backup or state are another site's.
    """
    from seil.lake.site_layout import ensure_site_id, record_state, site_record
    from seil.sf_to_dw.lock import run_lock
    from seil.state.backup import backup_owner
    from seil.state.backup import restore as put_back
    from seil.state.ownership import owner

    backup_site = backup_owner(file)
    with run_lock(site.lake):
        if backup_site not in ("", site_record(site.lake).site_id) and not other_site:
            raise OtherStateError(
                str(file),
                "restore",
                f"it is a backup of another site, {backup_site}",
                hint="Add --other-site to give this site its runs and decisions all the same",
            )
        if site_record(site.lake).has_state and not owner(site.unbound_state.database):
            state = site.unbound_state  # The one that is missing.
        else:
            state = site.state
        site_id = ensure_site_id(site.lake)
        counts = put_back(state.database, file, site_id=site_id, replace=replace)
        record_state(site.lake)
    return counts


@dataclass(frozen=True)
class StateOwner:
    """Whose the state at `place` is now; `former` is empty where it was nobody's."""

    place: str
    site_id: str
    former: str = ""


def start_anew(site: Site) -> StateOwner:
    """An empty state for a site whose own is missing.

    Raises StateError where there is one.
    """
    from seil.app.adoption import end_adoption
    from seil.lake.site_layout import site_record
    from seil.sf_to_dw.lock import run_lock
    from seil.state.database import write
    from seil.state.ownership import claim, owner, refuse_owned
    from seil.state.restored import mark_restored

    state = site.unbound_state
    with run_lock(site.lake):
        refuse_owned(state.database)
        record = site_record(site.lake)
        if record.has_state:
            # Before the claim: a claimed state is not created again.
            write(state.database, mark_restored)
            claim(state.database, record.site_id)
            end_adoption(state)
        database = site.state.database
    return StateOwner(database.place, owner(database))


def take_over(site: Site) -> StateOwner:
    """Makes another site's state this one's.

    Raises StateError where there is none, or it is this site's already.
    """
    from seil.lake.site_layout import ensure_site_id, record_state
    from seil.sf_to_dw.lock import run_lock
    from seil.state.ownership import change_owner

    with run_lock(site.lake):
        database, site_id = site.unbound_state.database, ensure_site_id(site.lake)
        former = change_owner(database, site_id)
        record_state(site.lake)
    return StateOwner(database.place, site_id, former)
