"""The site that a state belongs to: its id in `meta`, the same as in the site's `site.json`."""

from __future__ import annotations

from seil.errors import MissingStateError, OtherStateError, StateError
from seil.state.database import Database, Transaction, write
from seil.state.schema import meta_value, set_meta

_SITE_ID = "site_id"


def owner(database: Database) -> str:
    """The site's id; empty where there is no state, or none that a site has claimed."""
    return meta_value(database, _SITE_ID) if database.is_stored else ""


def check_owner(database: Database, site_id: str) -> None:
    """Raises MissingStateError or OtherStateError unless the state is this site's."""
    other = owner(database)
    if not other:
        raise MissingStateError(
            database.place,
            "open",
            "this site has a state, and there is none at this place",
            hint="Correct [state] url, or put a backup back with `seil state restore FILE`; "
            "`seil state new` starts with an empty one, and forgets runs, decisions and failures",
        )
    if other != site_id:
        raise other_site(database.place, other)


def claim(database: Database, site_id: str) -> None:
    """Makes it this site's, unless it is another's: OtherStateError."""

    def enter(transaction: Transaction) -> str:
        other = meta_value(transaction, _SITE_ID)
        if not other:
            set_owner(transaction, site_id)
        return other or site_id

    other = write(database, enter)
    if other != site_id:
        raise other_site(database.place, other)


def set_owner(transaction: Transaction, site_id: str) -> None:
    set_meta(transaction, _SITE_ID, site_id)


def other_site(place: str, owner_id: str) -> OtherStateError:
    return OtherStateError(
        place,
        "open",
        f"it belongs to another site, {owner_id}",
        hint="Point [state] url at this site's own. If that site's lake is lost and this one "
        "follows it, `seil state claim` takes the state over",
    )


def refuse_owned(database: Database) -> None:
    """Raises StateError where a site has the state already: nothing is missing."""
    if other := owner(database):
        raise StateError(
            database.place,
            "create",
            f"it exists, and belongs to site {other}",
            hint="Name another place in [state] url, or see what it holds with `seil runs`",
        )


def change_owner(database: Database, site_id: str) -> str:
    """Returns the former owner's id. Raises StateError without another one."""
    former = owner(database)
    if former in ("", site_id):
        reason = "it is this site's already" if former else "it belongs to no site"
        raise StateError(database.place, "take over", reason, hint="`seil status` looks at it")
    write(database, lambda transaction: set_owner(transaction, site_id))
    return former
