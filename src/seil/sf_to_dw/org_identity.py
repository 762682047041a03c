"""Which org a site was read from: `org.json` in staging, beside the flows' states.

The ids, cursors and jobs that a site keeps mean nothing in another org: one that was refreshed,
too, has a new id and new data.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from seil.errors import OtherOrgError

if TYPE_CHECKING:
    from seil.lake import Lake
    from seil.lake.documents import Document
    from seil.salesforce.org import Org
    from seil.salesforce.session import Admit, Session

log = logging.getLogger(__name__)

_KEY = "org.json"
# An org may be moved to another instance, or be given another time zone.
_ASKED_AGAIN_AFTER = timedelta(days=1)
# The same record's ids of 15 and of 18 characters begin alike.
_ID_CHARACTERS = 15
_CURSORS = ("flows/", "partials/")


@dataclass(frozen=True)
class OrgIdentity:
    """`time_zone` is the org's default, by its IANA name; all but the id may be unknown."""

    org_id: str
    instance: str = ""
    is_sandbox: bool | None = None
    time_zone: str = ""
    seen_at: datetime | None = None

    def is_same(self, other: OrgIdentity) -> bool:
        return self.org_id[:_ID_CHARACTERS] == other.org_id[:_ID_CHARACTERS]

    def __str__(self) -> str:
        kind = {True: "sandbox", False: "production", None: ""}[self.is_sandbox]
        notes = ", ".join(filter(None, (self.instance, kind, self.time_zone)))
        return f"{self.org_id} ({notes})" if notes else self.org_id


def kept_identity(lake: Lake) -> OrgIdentity | None:
    """None for a site that was never read from an org, or last by a version that kept none."""
    body = _document(lake).read()
    return _identity(body) if body else None


def _identity(body: Mapping[str, Any]) -> OrgIdentity:
    seen_at = body.get("seen_at")
    return OrgIdentity(
        org_id=body["org_id"],
        instance=body.get("instance", ""),
        is_sandbox=body.get("is_sandbox"),
        time_zone=body.get("time_zone", ""),
        # As it was read, or as it was just written.
        seen_at=datetime.fromisoformat(str(seen_at)) if seen_at else None,
    )


def refuse_other_org(lake: Lake, login_url: str) -> Admit:
    """For `Org(admit=...)`: each session is compared with the site's org before it is used."""

    def admit(session: Session) -> None:
        if session.org_id and (kept := kept_identity(lake)):
            _compare(kept, session.org_id, login_url)

    return admit


def keep_identity(org: Org, lake: Lake) -> OrgIdentity:
    """The site's org, kept from its first read on. Raises OtherOrgError.

    The org is asked once a day; otherwise its login tells enough.
    """
    kept = kept_identity(lake)
    if kept:
        _compare(kept, org.id(), org.login_url)
        if kept.seen_at and datetime.now(UTC) - kept.seen_at < _ASKED_AGAIN_AFTER:
            return kept
    met = met_identity(org)

    def with_what_was_known(body: Mapping[str, Any] | None) -> dict[str, Any]:
        before = _identity(body) if body else met
        _compare(before, met.org_id, org.login_url)
        return {**(body or {}), **asdict(_completed(met, before))}

    if not met.org_id:
        return met
    current = _identity(_document(lake).change(with_what_was_known))
    log.info("this site is read from org %s", current)
    return current


def met_identity(org: Org) -> OrgIdentity:
    """That of the org that the login leads to."""
    about = org.organization()
    return OrgIdentity(
        org.id(), about.instance, about.is_sandbox, about.time_zone, datetime.now(UTC)
    )


def adopt_org(lake: Lake, met: OrgIdentity) -> None:
    """From now on the site is read from `met`, from the beginning: the old org's cursors are void.

    For whoever holds the run lock. Killed in between, it is still the old org's site.
    """
    for prefix in _CURSORS:
        for entry in list(lake.staging.list(prefix)):
            lake.staging.delete(entry.key)
    _document(lake).update(**asdict(met))


def _document(lake: Lake) -> Document:
    return lake.document(_KEY, cure="the next run keeps the org that it reads from")


def _compare(kept: OrgIdentity, met_id: str, login_url: str) -> None:
    if met_id and kept.org_id[:_ID_CHARACTERS] != met_id[:_ID_CHARACTERS]:
        raise OtherOrgError(login_url, kept=kept.org_id, met=met_id)


def _completed(met: OrgIdentity, kept: OrgIdentity) -> OrgIdentity:
    """A permission that was lost does not change the time zone."""
    return replace(
        met,
        instance=met.instance or kept.instance,
        is_sandbox=kept.is_sandbox if met.is_sandbox is None else met.is_sandbox,
        time_zone=met.time_zone or kept.time_zone,
    )
