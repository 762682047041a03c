"""Which org a site is read from, which one its login leads to, and how a site changes its org."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seil.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from seil.app.site import Site
    from seil.salesforce.browser_login import Grant
    from seil.sf_to_dw.extract.org_identity import OrgIdentity

_FILE = "refresh-token"


@dataclass(frozen=True)
class OrgStanding:
    """`source` is the org that the site was read from, None before the first run."""

    source: OrgIdentity | None
    login: OrgIdentity

    @property
    def is_same(self) -> bool:
        return self.source is None or self.source.is_same(self.login)


def org_standing(site: Site) -> OrgStanding:
    """Logs in, whatever org it leads to, and reads nothing but its name."""
    from seil.salesforce.org import Org
    from seil.sf_to_dw.extract.org_identity import login_identity, stored_identity

    with Org(site.settings.salesforce) as org:
        return OrgStanding(stored_identity(site.lake), login_identity(org))


def adopt_org(site: Site, confirm: Callable[[OrgStanding], None] = lambda _: None) -> OrgStanding:
    """Reads the site from the login's org from now on, from the beginning; where it is another.

    `confirm` is called before, under the run lock; what it raises prevents it. Returns how they
    stood before. Raises AlreadyRunningError.
    """
    from seil.sf_to_dw.extract.org_identity import adopt_org as adopt
    from seil.sf_to_dw.lock import run_lock

    with run_lock(site.lake):
        standing = org_standing(site)
        if not standing.is_same:
            confirm(standing)
            adopt(site.lake, standing.login)
            site.state.troubles.clear_login()
    return standing


@dataclass(frozen=True)
class BrowserGrant:
    """`other_org` is the id of the one that the site was read from, where it is another."""

    org_id: str
    instance_url: str
    file: Path
    other_org: str = ""


def log_in(
    site: Site, announce: Callable[[str], None], *, port: int, seconds: float
) -> BrowserGrant:
    """Waits for a login in a browser at the URL that is announced; keeps its refresh token.

    Raises LoginError, ConfigurationError where the token's file cannot be written.
    """
    from seil.salesforce.browser_login import BrowserLogin, open_callback
    from seil.salesforce.refresh_token import write_private

    settings = site.settings.salesforce
    own = settings.refresh_token.file if settings.refresh_token else None
    file = own or site.settings.events.journal.parent / _FILE
    with open_callback(port) as callback:
        login = BrowserLogin(settings, callback)
        announce(login.url)
        grant = login.grant(seconds=seconds)
    try:
        write_private(file, grant.refresh_token)
    except OSError as error:
        raise ConfigurationError([Problem(str(file), error.strerror or str(error))]) from error
    return _browser_grant(site, grant, file)


def _browser_grant(site: Site, grant: Grant, file: Path) -> BrowserGrant:
    from seil.sf_to_dw.extract.org_identity import OrgIdentity, stored_identity

    stored = stored_identity(site.lake)
    org_id = grant.session.org_id
    is_other = stored is not None and not stored.is_same(OrgIdentity(org_id))
    other = stored.org_id if stored and is_other else ""
    return BrowserGrant(org_id, grant.session.instance_url, file, other)
