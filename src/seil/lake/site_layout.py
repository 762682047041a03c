"""A site's layout (the form of its keys, documents and bookkeeping) and its id.

`site.json` in staging holds the layout's number, the site's id, and whether the site has a state.
Whoever takes the run lock migrates an older site step by step before anything else is written; a
newer one is refused. docs/upgrade.md lists what each layout changed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from seil import __version__
from seil.errors import NewerSiteError

if TYPE_CHECKING:
    from seil.lake import Lake

log = logging.getLogger(__name__)

KEY = "site.json"
# A site older than layout numbers has keys below these in staging.
_FIRST_LAYOUT = 1
_STATE_PREFIXES = ("flows/", "runs/", "schemas/", "ingested/")


@dataclass(frozen=True)
class Migration:
    """From layout `to - 1` to `to`. `apply` is idempotent: it is repeated after a kill."""

    to: int
    what: str
    apply: Callable[[Lake], None]


@dataclass(frozen=True)
class SiteRecord:
    """`site_id` is empty before the site's first state; `has_state` is true from then on."""

    site_id: str = ""
    has_state: bool = False


def _no_change(_: Lake) -> None:
    """Old documents stay readable: new fields have a default."""


MIGRATIONS: tuple[Migration, ...] = (
    Migration(2, "state documents may carry a fencing token and an org's identity", _no_change),
    Migration(3, "manifests lie in a folder a day, manifests/; those in runs/ stay", _no_change),
    # `seil.app.adoption` moves them: the state is above the lake.
    Migration(4, "decisions, runs and open failures lie in the state", _no_change),
)
LAYOUT = MIGRATIONS[-1].to
FIRST_WITH_STATE = 4


def site_layout(lake: Lake) -> int | None:
    """None for a new site."""
    stored = lake.document(KEY).read()
    if stored is not None:
        return int(stored["layout"])
    is_used = any(next(iter(lake.staging.list(prefix)), None) for prefix in _STATE_PREFIXES)
    return _FIRST_LAYOUT if is_used else None


def site_record(lake: Lake) -> SiteRecord:
    stored = lake.document(KEY).read() or {}
    return SiteRecord(str(stored.get("site_id", "")), bool(stored.get("has_state")))


def ensure_site_id(lake: Lake) -> str:
    """The site's id, created if it has none. Concurrent callers get the same one."""

    def with_id(body: dict[str, Any] | None) -> dict[str, Any] | None:
        if body and body.get("site_id"):
            return None
        whole = body or {"layout": site_layout(lake) or LAYOUT, "written_by": __version__}
        return {**whole, "site_id": str(uuid4())}

    return str(lake.document(KEY).change(with_id)["site_id"])


def record_state(lake: Lake) -> None:
    """Marks that the site has a state: from now on a missing one is an error."""
    lake.document(KEY).update(has_state=True)


def refuse_newer(lake: Lake, newest: int = LAYOUT) -> None:
    """Raises NewerSiteError for a layout beyond `known`. Reads one document."""
    stored = lake.document(KEY).read()
    if stored is not None and stored["layout"] > newest:
        place, author = lake.staging.uri(KEY), stored.get("written_by", "")
        raise NewerSiteError(place, stored["layout"], newest, author)


def migrate(lake: Lake, migrations: Sequence[Migration] = MIGRATIONS) -> list[Migration]:
    """Brings the site to the last layout, under the run lock; returns the applied steps.

    Raises NewerSiteError.
    """
    last = migrations[-1].to
    refuse_newer(lake, last)
    current = site_layout(lake)
    if current == last:
        return []
    due = [step for step in migrations if current is not None and step.to > current]
    for step in due:
        step.apply(lake)
        _write(lake, step.to)
        log.info("site migrated to layout %d: %s", step.to, step.what)
    if current is None:
        _write(lake, last)
    return due


def _write(lake: Lake, layout: int) -> None:
    def with_layout(body: dict[str, Any] | None) -> dict[str, Any]:
        return {**(body or {}), "layout": layout, "written_by": __version__}

    lake.document(KEY).change(with_layout)
