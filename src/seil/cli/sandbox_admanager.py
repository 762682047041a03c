"""`seil sandbox admanager`: a stand-in for Google Ad Manager."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seil.app.documents.servers import AdManagerSandboxDocument
from seil.cli import output
from seil.cli.frame import Call, command
from seil.cli.stand_in import (
    FaultTexts,
    Host,
    Port,
    TokenLifetime,
    faults_of,
    set_up_logging,
)
from seil.errors import ConfigurationError, Problem
from seil.ports import ADMANAGER_PORT

if TYPE_CHECKING:
    from seil.sandbox.admanager.server import AdManagerServer

_STATE = Path("seil-data/sandbox/admanager")


def register(app: typer.Typer) -> None:
    """Under `seil sandbox`."""
    command(app, extra="sandbox")(admanager)


def admanager(
    call: Call,
    *,
    port: Port = ADMANAGER_PORT,
    host: Host = "127.0.0.1",
    state: Annotated[Path, typer.Option(help="The folder that holds the network.")] = _STATE,
    network_code: Annotated[str, typer.Option(help="Code of a new network: digits.")] = "1234567",
    seed: Annotated[int, typer.Option(help="The same seed makes the same network.")] = 1,
    creatives: Annotated[
        bool, typer.Option("--creatives", help="New line items have their creatives at once.")
    ] = False,
    report_polls: Annotated[
        int, typer.Option(min=0, help="How often a report says that it is not done yet.")
    ] = 2,
    token_lifetime: TokenLifetime = 3600,
    faults: FaultTexts = None,
) -> None:
    """Serve a stand-in Ad Manager; its first start makes a new network. Ctrl-C stops it."""
    from seil.sandbox.admanager.faults import KINDS
    from seil.sandbox.admanager.options import AdManagerOptions
    from seil.sandbox.admanager.server import AdManagerServer
    from seil.sandbox.base.listening import serve

    set_up_logging(call)
    if not (network_code.isascii() and network_code.isdigit()):
        raise ConfigurationError([Problem("--network-code", f"{network_code} is not all digits")])
    options = AdManagerOptions(
        network_code=network_code,
        seed=seed,
        creatives=creatives,
        report_polls=report_polls,
        token_lifetime=token_lifetime,
    )
    parsed = faults_of(faults, KINDS)
    server = AdManagerServer(state, host=host, port=port, options=options, faults=parsed)
    serve(server, started=lambda: _announce(call, server))
    if not call.json:
        output.line("The stand-in Ad Manager has stopped; the next start goes on where it was.")


def _announce(call: Call, server: AdManagerServer) -> None:
    if call.json:
        answer = AdManagerSandboxDocument(
            url=server.url,
            state=str(server.folder),
            network_code=server.network_code,
            service_account_key=str(server.service_account_key),
        )
        call.answer_line(answer)
        return
    output.line(
        f"The stand-in Ad Manager in {server.folder} listens at {server.url}; Ctrl-C stops it."
    )
    output.line(f"Network {server.network_code}, service account {server.service_account_key}.")
    if server.url != f"http://127.0.0.1:{ADMANAGER_PORT}":
        output.line(
            f'In seil.toml: [admanager] endpoint = soap_endpoint = "{server.url}", and'
            " service_account_key to that file."
        )
