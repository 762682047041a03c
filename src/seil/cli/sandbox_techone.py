"""`seil sandbox techone`: a stand-in for TechOne."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seil.cli import output
from seil.cli.frame import Call, command
from seil.errors import ConfigurationError, Problem
from seil.ports import TECHONE_PORT

if TYPE_CHECKING:
    from seil.sandbox.techone.faults import Fault
    from seil.sandbox.techone.server import Server

_STATE = Path("seil-data/sandbox/techone")


def register(app: typer.Typer) -> None:
    """Under `seil sandbox`."""
    command(app)(techone)


def techone(
    call: Call,
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = (
        TECHONE_PORT
    ),
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    state: Annotated[Path, typer.Option(help="The folder that holds debtors and rows.")] = _STATE,
    token_lifetime: Annotated[float, typer.Option(min=0, help="Seconds a token lasts.")] = 3600,
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
    faults: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="NAME|KEY=VALUE,...",
            help="Something to go wrong, see docs/sandbox.md. May be repeated.",
        ),
    ] = None,
) -> None:
    """Serve a stand-in TechOne; its first start seeds the debtors. Ctrl-C stops it."""
    from seil.observe import logs
    from seil.sandbox.listening import serve
    from seil.sandbox.techone.options import Options
    from seil.sandbox.techone.server import Server

    watched = call.quiet or call.json or sys.stderr.isatty()
    logs.configure("DEBUG" if call.verbose else "WARNING" if watched else "INFO", "auto")
    options = Options(token_lifetime=token_lifetime, wsdl=wsdl, keys=_keys(keys or []))
    server = Server(state, host=host, port=port, options=options, faults=_faults(faults or []))
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


def _faults(texts: list[str]) -> tuple[Fault, ...]:
    from seil.sandbox.fault_table import described
    from seil.sandbox.techone.faults import ordered

    found: list[Fault] = []
    problems = []
    for text in texts:
        try:
            found.append(ordered(text))
        except ValueError as error:
            problems.append(Problem(f"--fault {text}", described(error), "see docs/sandbox.md"))
    if problems:
        raise ConfigurationError(problems)
    return tuple(found)


def _announce(call: Call, server: Server) -> None:
    options = server.options
    if call.json:
        output.emit_line(
            {
                "url": server.url,
                "token_url": server.token_url,
                "warehouse": server.warehouse_url,
                "state": str(server.folder),
                "client_id": options.client_id,
            }
        )
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
