"""The org that a site reads from: `org.json` in staging, beside the flows' states.

A site's ids, watermarks and jobs are void in another org. A refreshed sandbox is another org: it
has a new id and new data.
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
# An org can move to another instance, or change its time zone.
_REFRESH_AFTER = timedelta(days=1)
# The common prefix of a record's ids of 15 and of 18 characters.
_ID_CHARACTERS = 15
_CURSORS = ("flows/", "partials/")


@dataclass(frozen=True)
class OrgIdentity:
    """`time_zone` is the org's default, an IANA name; only `org_id` is always there."""

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


def stored_identity(lake: Lake) -> OrgIdentity | None:
    """None where no run has read an org yet, or only an older version that did not store it."""
    body = _document(lake).read()
    return _identity(body) if body else None


def _identity(body: Mapping[str, Any]) -> OrgIdentity:
    seen_at = body.get("seen_at")
    return OrgIdentity(
        org_id=body["org_id"],
        instance=body.get("instance", ""),
        is_sandbox=body.get("is_sandbox"),
        time_zone=body.get("time_zone", ""),
        # A text as read, a datetime as just written.
        seen_at=datetime.fromisoformat(str(seen_at)) if seen_at else None,
    )


def org_guard(lake: Lake, login_url: str) -> Admit:
    """For `Org(admit=...)`: raises OtherOrgError for a session of another org than the site's."""

    def admit(session: Session) -> None:
        if session.org_id and (site := stored_identity(lake)):
            _check_same(site, session.org_id, login_url)

    return admit


def check_identity(org: Org, lake: Lake) -> OrgIdentity:
    """The site's org, stored at the first read. Raises OtherOrgError.

    Its details are read once a day; in between the id from the login is compared.
    """
    site = stored_identity(lake)
    if site:
        _check_same(site, org.id(), org.login_url)
        if site.seen_at and datetime.now(UTC) - site.seen_at < _REFRESH_AFTER:
            return site
    current = login_identity(org)

    def merge(body: Mapping[str, Any] | None) -> dict[str, Any]:
        before = _identity(body) if body else current
        _check_same(before, current.org_id, org.login_url)
        return {**(body or {}), **asdict(_merge(current, before))}

    if not current.org_id:
        return current
    current = _identity(_document(lake).change(merge))
    log.info("this site reads from org %s", current)
    return current


def login_identity(org: Org) -> OrgIdentity:
    """Of the org that the configured login opens."""
    details = org.organization()
    return OrgIdentity(
        org.id(), details.instance, details.is_sandbox, details.time_zone, datetime.now(UTC)
    )


def adopt_org(lake: Lake, current: OrgIdentity) -> None:
    """Makes `current` the site's org, and deletes the old org's watermarks.

    The caller holds the run lock. The identity is written last, so that after a kill the site is
    still the old org's.
    """
    for prefix in _CURSORS:
        for entry in list(lake.staging.list(prefix)):
            lake.staging.delete(entry.key)
    _document(lake).update(**asdict(current))


def _document(lake: Lake) -> Document:
    return lake.document(_KEY, cure="the next run keeps the org that it reads from")


def _check_same(site: OrgIdentity, login_org: str, login_url: str) -> None:
    if login_org and site.org_id[:_ID_CHARACTERS] != login_org[:_ID_CHARACTERS]:
        raise OtherOrgError(login_url, site_org=site.org_id, login_org=login_org)


def _merge(current: OrgIdentity, site: OrgIdentity) -> OrgIdentity:
    """Details that the login may no longer read stay as stored."""
    return replace(
        current,
        instance=current.instance or site.instance,
        is_sandbox=site.is_sandbox if current.is_sandbox is None else current.is_sandbox,
        time_zone=current.time_zone or site.time_zone,
    )
