"""`seil serve`: the HTTP API on this machine."""

from __future__ import annotations

import errno
import socket
import sys
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from seil.app.documents.servers import ServeDocument
from seil.cli import output
from seil.cli.frame import Call, command
from seil.errors import ConfigurationError, Problem
from seil.extras import requires

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from seil.settings import Settings


def register(app: typer.Typer) -> None:
    command(app, extra="api")(serve)


def serve(
    call: Call,
    *,
    host: Annotated[
        str | None, typer.Option(help="The address to listen at; default: [api] host.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Default: [api] port; 0: any that is free."),
    ] = None,
    sandbox: Annotated[
        bool,
        typer.Option("--sandbox", help="With stand-ins for Cognito, Ad Manager and TechOne."),
    ] = False,
) -> None:
    """Serve the HTTP API to Ad Manager and TechOne. Ctrl-C stops it."""
    from seil.api.default_secrets import check_secrets
    from seil.api.local import build_local
    from seil.api.serving.connections import connection_limit
    from seil.api.serving.server import HttpServer
    from seil.api.setup import check_issuer
    from seil.observe import logs, traces
    from seil.settings import load_settings

    settings = load_settings(call.config)
    address = host or settings.api.host
    if not sandbox:
        check_issuer(settings)
    check_secrets(settings, address)
    limit = connection_limit(
        settings.api.connections, workers=settings.api.workers, sandbox=sandbox
    )
    logs.configure("DEBUG" if call.verbose else settings.log.level, settings.log.format)
    with ExitStack() as resources:
        resources.callback(traces.configure(settings.trace))
        port = settings.api.port if port is None else port
        listening = resources.enter_context(_bound(address, port))
        url = f"http://{_url_host(address)}:{listening.getsockname()[1]}"
        app = _with_stand_ins(settings, url, resources) if sandbox else build_local(settings)
        server = HttpServer(
            app,
            listening,
            connections=limit,
            announce=partial(_announce, call, settings, url),
        )
        # uvicorn raises the signal again when everything is closed.
        with suppress(KeyboardInterrupt):
            server.run()
    if not call.json:
        output.line("The API has stopped.")


def _with_stand_ins(settings: Settings, url: str, resources: ExitStack) -> ASGIApp:
    with requires("sandbox"):
        from seil.sandbox.beside_api import build_with_issuer, far_ends

        return build_with_issuer(resources.enter_context(far_ends(settings)), url)


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named asyncio sets TCP_NODELAY, without it answers wait 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        in_use = error.errno == errno.EADDRINUSE
        cure = "take another with --port, or --port 0" if in_use else "check --host and --port"
        reason = error.strerror or str(error)
        raise ConfigurationError([Problem(f"{host}:{port}", reason, cure)]) from error
    return listening


def _url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _announce(call: Call, settings: Settings, url: str) -> None:
    own = not settings.api.issuer
    if call.json:
        call.answer_line(ServeDocument(url, url if own else settings.api.issuer))
    else:
        output.line(f"The API listens at {url}, its description is at {url}/docs; Ctrl-C stops it.")
        if own:
            client = settings.api.client_id
            output.line(f"Tokens: POST {url}/oauth2/token as client {client}; see docs/api.md.")
    sys.stdout.flush()
