"""`seil org`: which org this site was read from, which one the login leads to, and the way on."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seil.app.site import Site
from seil.cli import output
from seil.cli.context import opened
from seil.cli.frame import UNBALANCED, Call, command, default_command, group

if TYPE_CHECKING:
    from seil.sf_to_dw.extract.org_identity import OrgIdentity

_MEANING = """\
- The cursors and unfinished runs of {site} are void:
  the next run reads every object in full.
- A record that both orgs have keeps the version with the later SystemModstamp,
  whosever it is.
- What only {site} has stays in the warehouse until
  `seil reconcile --ids` finds it gone.
For a warehouse of {login} alone, leave this site as it is and
give that org places of its own: another url in [lake] and [warehouse], another
journal in [events]."""

app = group("Which org this site is read from.", has_default=True)


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="org")


@default_command(app)
def show(call: Call) -> int:
    """Show the org that this site was read from and the one that the login leads to.

    Exit code 1 if they are two.
    """
    from seil.sf_to_dw.extract.org_identity import stored_identity

    with opened(call) as site:
        kept, login = stored_identity(site.lake), _login_org(site)
    same = kept is None or kept.is_same(login)
    if call.json:
        body = {"site": _document(kept), "login": _document(login), "same": same}
        call.answer("seil.org/1", body, problem="the login leads to another org")
        return 0 if same else UNBALANCED
    output.line(f"read from      {kept or 'no org yet'}")
    output.line(f"login leads to {login}")
    if kept and not same:
        output.line("\nTwo orgs: mend login_url in [salesforce], or `seil org adopt`, which means:")
        output.line(_MEANING.format(site=kept.org_id, login=login.org_id))
    return 0 if same else UNBALANCED


@command(app)
def adopt(
    call: Call,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Read this site from the org that the login leads to, from the beginning.

    For an org that took the place of the one before: a refreshed sandbox has a new id.
    """
    from seil.sf_to_dw.extract.org_identity import adopt_org, stored_identity
    from seil.sf_to_dw.lock import run_lock

    if call.json and not yes:
        raise typer.BadParameter("nobody can be asked with --json: add --yes", param_hint="--json")
    with opened(call) as site, run_lock(site.lake):
        kept, login = stored_identity(site.lake), _login_org(site)
        changes = kept is not None and not kept.is_same(login)
        if kept and changes:
            if not call.json:
                output.line(f"From {kept} to {login}:")
                output.line(_MEANING.format(site=kept.org_id, login=login.org_id))
            if not yes:
                typer.confirm("Adopt it?", abort=True)
            adopt_org(site.lake, login)
            site.state.troubles.clear_login()
    if call.json:
        body = {"before": _document(kept), "org": _document(login), "adopted": changes}
        call.answer("seil.org-adopt/1", body)
    elif changes:
        output.line(f"This site is read from {login.org_id} now. Next: `seil run`.")
    else:
        output.line(f"Nothing to adopt: the login leads to {login}, as before.")


def _login_org(site: Site) -> OrgIdentity:
    """Whatever org it is; nothing but its name is asked for."""
    from seil.salesforce.org import Org
    from seil.sf_to_dw.extract.org_identity import login_identity

    with Org(site.settings.salesforce) as org:
        return login_identity(org)


def _document(identity: OrgIdentity | None) -> dict[str, Any] | None:
    return asdict(identity) if identity else None
