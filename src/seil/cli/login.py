"""`seil login`: once in a browser, for a refresh token."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seil.app.site import Site
from seil.cli import arguments, output
from seil.cli.context import opened
from seil.cli.frame import Call, command
from seil.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from seil.salesforce.browser_login import Grant

_FILE = "refresh-token"


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
    from seil.salesforce.browser_login import BrowserLogin, open_callback
    from seil.salesforce.refresh_token import write_private

    seconds = arguments.interval(wait).total_seconds()
    with opened(call) as site:
        settings = site.settings.salesforce
        own = settings.refresh_token.file if settings.refresh_token else None
        file = own or site.settings.events.journal.parent / _FILE
        with open_callback(port) as callback:
            begun = BrowserLogin(settings, callback)
            typer.echo(f"Log in as the integration user at:\n\n{begun.url}\n", err=True)
            if browser and _has_browser():
                webbrowser.open(begun.url)
            grant = begun.grant(seconds=seconds)
        try:
            write_private(file, grant.refresh_token)
        except OSError as error:
            raise ConfigurationError([Problem(str(file), error.strerror or str(error))]) from error
        _report(call, site, grant, file)


def _has_browser() -> bool:
    """A browser in the terminal would take the terminal."""
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(screen) or sys.platform in ("darwin", "win32")


def _report(call: Call, site: Site, grant: Grant, file: Path) -> None:
    from seil.sf_to_dw.extract.org_identity import OrgIdentity, stored_identity

    settings = site.settings.salesforce
    wanted = {
        "login_url": settings.login_url,
        "auth": "refresh_token",
        "client_id": settings.client_id,
        "refresh_token": f"file:{file}",
    }
    if call.json:
        session: dict[str, Any] = {
            "org_id": grant.session.org_id,
            "instance_url": grant.session.instance_url,
        }
        body = {"session": session, "file": str(file), "settings": wanted}
        call.answer("seil.login/1", body)
        return
    output.line(f"Logged in to org {grant.session.org_id} at {grant.session.instance_url}.")
    output.line(f"The refresh token is in {file}, readable by you alone.")
    if settings.auth != "refresh_token" or not settings.refresh_token:
        output.line("Set in seil.toml:\n\n[salesforce]")
        for name, value in wanted.items():
            output.line(f'{name} = "{value}"')
        output.line("")
    kept = stored_identity(site.lake)
    if kept and not kept.is_same(OrgIdentity(grant.session.org_id)):
        output.line(f"This site was read from another org, {kept.org_id}: see `seil org`.")
    output.line("Next: `seil doctor`.")
