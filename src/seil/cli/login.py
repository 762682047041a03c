"""`seil login`: once in a browser, for a refresh token."""

from __future__ import annotations

import os
import sys
import webbrowser
from typing import TYPE_CHECKING, Annotated

import typer

from seil.app import org
from seil.cli import arguments, output
from seil.cli.context import opened
from seil.cli.frame import Call, command

if TYPE_CHECKING:
    from seil.settings import SalesforceSettings


def register(app: typer.Typer) -> None:
    command(app)(login)


def login(
    call: Call,
    *,
    port: Annotated[
        int,
        typer.Option(
            min=1, max=65535, help="Of the app's callback URL: http://localhost:1717/callback."
        ),
    ] = 1717,
    wait: Annotated[str, typer.Option(help="How long the browser is waited for.")] = "5m",
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the address, or only print it.")
    ] = True,
) -> None:
    """Log in to the org in a browser, and keep a refresh token for [salesforce].

    On a machine without a browser, open the printed address elsewhere; that machine's port has to
    lead here: ssh -L 1717:localhost:1717 <this machine>.
    """
    seconds = arguments.interval(wait).total_seconds()

    def announce(url: str) -> None:
        typer.echo(f"Log in as the integration user at:\n\n{url}\n", err=True)
        if browser and _has_browser():
            webbrowser.open(url)

    with opened(call) as site:
        grant = org.log_in(site, announce, port=port, seconds=seconds)
        _report(call, site.settings.salesforce, grant)


def _has_browser() -> bool:
    """A browser in the terminal would take the terminal."""
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(screen) or sys.platform in ("darwin", "win32")


def _report(call: Call, settings: SalesforceSettings, grant: org.BrowserGrant) -> None:
    lines = {
        "login_url": settings.login_url,
        "auth": "refresh_token",
        "client_id": settings.client_id,
        "refresh_token": f"file:{grant.file}",
    }
    if call.json:
        from seil.app.documents.site import LoginDocument

        session = {"org_id": grant.org_id, "instance_url": grant.instance_url}
        call.answer(LoginDocument(session, str(grant.file), lines))
        return
    output.line(f"Logged in to org {grant.org_id} at {grant.instance_url}.")
    output.line(f"The refresh token is in {grant.file}, readable by you alone.")
    if settings.auth != "refresh_token" or not settings.refresh_token:
        output.line("Set in seil.toml:\n\n[salesforce]")
        for name, value in lines.items():
            output.line(f'{name} = "{value}"')
        output.line("")
    if grant.other_org:
        output.line(f"This site was read from another org, {grant.other_org}: see `seil org`.")
    output.line("Next: `seil doctor`.")
