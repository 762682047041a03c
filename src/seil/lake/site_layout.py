"""The layout of a site: which form its keys, state documents and bookkeeping have.

`site.json` in staging has its number. Whoever takes the run lock migrates an older site, step by
step, before anything else is written; a newer one is refused, since this version does not know what
its documents mean. docs/upgrade.md has what each layout changed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seil import __version__
from seil.errors import NewerSiteError

if TYPE_CHECKING:
    from seil.lake import Lake

log = logging.getLogger(__name__)

KEY = "site.json"
# What a site has in staging that was made before layouts had numbers.
_FIRST_LAYOUT = 1
_STATE = ("flows/", "runs/", "schemas/", "ingested/")


@dataclass(frozen=True)
class Migration:
    """To layout `to` from the one before. `apply` is idempotent: a kill repeats it."""

    to: int
    what: str
    apply: Callable[[Lake], None]


def _nothing(_: Lake) -> None:
    """Where old documents are read as they are, and new fields have a default."""


MIGRATIONS: tuple[Migration, ...] = (
    Migration(2, "state documents may carry a fencing token and an org's identity", _nothing),
    Migration(3, "manifests lie in a folder a day, manifests/; those in runs/ stay", _nothing),
    # By who opens the state: it is not the lake's.
    Migration(4, "decisions, runs and what failed are kept in the state", _nothing),
)
LAYOUT = MIGRATIONS[-1].to


def site_layout(lake: Lake) -> int | None:
    """None for a site that nothing was written to."""
    stored = lake.document(KEY).read()
    if stored is not None:
        return int(stored["layout"])
    is_used = any(next(iter(lake.staging.list(prefix)), None) for prefix in _STATE)
    return _FIRST_LAYOUT if is_used else None


def refuse_newer(lake: Lake, known: int = LAYOUT) -> None:
    """Raises NewerSiteError for a layout beyond `known`. One read of a small document."""
    stored = lake.document(KEY).read()
    if stored is not None and stored["layout"] > known:
        place, author = lake.staging.uri(KEY), stored.get("written_by", "")
        raise NewerSiteError(place, stored["layout"], known, author)


def migrate(lake: Lake, migrations: Sequence[Migration] = MIGRATIONS) -> list[Migration]:
    """Brings the site to the last layout, and returns the steps it took.

    For whoever holds the run lock. Raises NewerSiteError.
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
    def raised(body: dict[str, Any] | None) -> dict[str, Any]:
        return {**(body or {}), "layout": layout, "written_by": __version__}

    lake.document(KEY).change(raised)
