"""`seil org`: which org this site was read from, which one the login leads to, and the way on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from seil.app import org as orgs
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
    with opened(call) as site:
        standing = orgs.org_standing(site)
    stored, login, same = standing.source, standing.login, standing.is_same
    if call.json:
        from seil.app.documents.site import OrgDocument

        answer = OrgDocument(stored, login, same)
        call.answer(answer, problem="the login leads to another org")
        return 0 if same else UNBALANCED
    output.line(f"read from      {stored or 'no org yet'}")
    output.line(f"login leads to {login}")
    if stored and not same:
        output.line("\nTwo orgs: mend login_url in [salesforce], or `seil org adopt`, which means:")
        _show_meaning(stored, login)
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
    if call.json and not yes:
        raise typer.BadParameter("nobody can be asked with --json: add --yes", param_hint="--json")

    def confirm(standing: orgs.OrgStanding) -> None:
        if standing.source and not call.json:
            output.line(f"From {standing.source} to {standing.login}:")
            _show_meaning(standing.source, standing.login)
        if not yes:
            typer.confirm("Adopt it?", abort=True)

    with opened(call) as site:
        standing = orgs.adopt_org(site, confirm)
    stored, login, changes = standing.source, standing.login, not standing.is_same
    if call.json:
        from seil.app.documents.site import OrgAdoptDocument

        call.answer(OrgAdoptDocument(stored, login, changes))
    elif changes:
        output.line(f"This site is read from {login.org_id} now. Next: `seil run`.")
    else:
        output.line(f"Nothing to adopt: the login leads to {login}, as before.")


def _show_meaning(stored: OrgIdentity, login: OrgIdentity) -> None:
    output.line(_MEANING.format(site=stored.org_id, login=login.org_id))
