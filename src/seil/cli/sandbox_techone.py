"""`seil sandbox techone`: a stand-in for TechOne."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seil.app.documents.servers import TechOneSandboxDocument
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
from seil.ports import TECHONE_PORT

if TYPE_CHECKING:
    from seil.sandbox.techone.server import TechOneServer

_STATE = Path("seil-data/sandbox/techone")


def register(app: typer.Typer) -> None:
    """Under `seil sandbox`."""
    command(app, extra="sandbox")(techone)


def techone(
    call: Call,
    *,
    port: Port = TECHONE_PORT,
    host: Host = "127.0.0.1",
    state: Annotated[Path, typer.Option(help="The folder that holds debtors and rows.")] = _STATE,
    token_lifetime: TokenLifetime = 3600,
    wsdl: Annotated[
        Path | None,
        typer.Option(help="Serve this WSDL and check requests against it; default: the own one."),
    ] = None,
    keys: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            metavar="WAREHOUSE/TABLE=COLUMN",
            help="A warehouse table's key: the same row is not taken twice. May be repeated.",
        ),
    ] = None,
    faults: FaultTexts = None,
) -> None:
    """Serve a stand-in TechOne; its first start seeds the debtors. Ctrl-C stops it."""
    from seil.sandbox.base.listening import serve
    from seil.sandbox.techone.faults import KINDS
    from seil.sandbox.techone.options import TechOneOptions
    from seil.sandbox.techone.server import TechOneServer

    set_up_logging(call)
    options = TechOneOptions(token_lifetime=token_lifetime, wsdl=wsdl, keys=_keys(keys or []))
    server = TechOneServer(
        state,
        host=host,
        port=port,
        options=options,
        faults=faults_of(faults, KINDS),
    )
    serve(server, started=lambda: _announce(call, server))
    if not call.json:
        output.line("The stand-in TechOne has stopped; the next start goes on where it was.")


def _keys(texts: list[str]) -> dict[str, str]:
    pairs = {text: text.partition("=") for text in texts}
    cure = "as in SALESFORCE/ARDATA=INVOICE_LINE"
    problems = [
        Problem(f"--key {text}", "is not WAREHOUSE/TABLE=COLUMN", cure)
        for text, (place, _, column) in pairs.items()
        if not all(place.partition("/")) or not column
    ]
    if problems:
        raise ConfigurationError(problems)
    return {place: column for place, _, column in pairs.values()}


def _announce(call: Call, server: TechOneServer) -> None:
    options = server.options
    if call.json:
        answer = TechOneSandboxDocument(
            url=server.url,
            token_url=server.token_url,
            warehouse=server.warehouse_url,
            state=str(server.folder),
            client_id=options.client_id,
        )
        call.answer_line(answer)
        return
    output.line(
        f"The stand-in TechOne in {server.folder} listens at {server.url}; Ctrl-C stops it."
    )
    login = options.login
    output.line(f"Client {options.client_id}, debtor {next(iter(options.debtors))}.")
    output.line(f"Warehouse {server.warehouse_url}: user {login.user}, config {login.config}.")
    if server.url != f"http://127.0.0.1:{TECHONE_PORT}":
        output.line(
            f'In seil.toml: [techone] base_url = "{server.url}", token_url = "{server.token_url}".'
        )
