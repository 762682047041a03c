"""The commands, in the order in which people meet them, each imported when it is asked for."""

from __future__ import annotations

import shlex
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from seil.cli.frame import UNBALANCED, Call, RootGroup, command, signals_in_duckdb

_DEMO = Path("demo")
# Each command, and the module of this package whose `register` adds it.
_MODULES = {
    "init": "init",
    "login": "login",
    "doctor": "doctor",
    "org": "org",
    "plan": "steps",
    "run": "steps",
    "extract": "steps",
    "ingest": "files",
    "load": "steps",
    "build": "steps",
    "listen": "listen",
    "subscribe": "subscribe",
    "start": "start",
    "reconcile": "reconcile",
    "rebuild": "rebuild",
    "move": "move",
    "warehouse": "warehouse",
    "status": "status",
    "runs": "runs",
    "state": "state",
    "files": "files",
    "schema": "schema",
    "events": "events",
    "query": "query",
    "lineage": "query",
    "export": "export",
    "publish": "publish",
    "push": "push",
    "sync": "sync",
    "outcomes": "outcomes",
    "serve": "serve",
    "sandbox": "sandbox",
}


class Root(RootGroup):
    """All commands. A command's module is imported when that command is asked for."""

    modules = _MODULES


app = typer.Typer(
    cls=Root,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(requested: bool) -> None:
    if requested:
        from seil import __version__

        typer.echo(f"seil {__version__}")
        raise typer.Exit


@app.callback()
def seil(
    ctx: typer.Context,
    *,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The settings file; default: ./seil.toml.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress; warnings only.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log every step and call.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Salesforce to the warehouse, whole, on one machine.

    Exit codes: 0 fine; 1 finished, but something was set aside, failed or does not balance;
    2 usage or configuration; 3 login, far end, lake or warehouse; 4 API allowance used up;
    5 another run is under way; 6 status: a person is needed; 130 interrupted, 143 terminated.
    """
    ctx.obj = {"config": config, "json": json, "quiet": quiet, "verbose": verbose}


def demo(
    call: Call,
    *,
    folder: Annotated[Path, typer.Option(help="Where all of it is put.")] = _DEMO,
    orders: Annotated[int, typer.Option(min=1, help="The size of the org.")] = 2000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same org.")] = 1,
) -> int:
    """Show it all at once: a stand-in org, a full load, changes, an hourly delta, the proof."""
    # A child process serves it; what that lacks would go unreported.
    import_module("seil.sandbox.salesforce.server")
    from seil.cli.context import shown_progress
    from seil.cli.demo import Demo
    from seil.cli.demo_folder import DemoFolder

    demo_folder = DemoFolder(folder)
    try:
        run = Demo(demo_folder, lambda: shown_progress(call), orders=orders, seed=seed)
        with signals_in_duckdb():
            return 0 if run.run() else UNBALANCED
    except KeyboardInterrupt as error:
        place = shlex.quote(str(folder))
        again = "`seil demo`" if folder == _DEMO else f"`seil demo --folder {place}`"
        hint = f"{folder} stays; the next {again} starts over"
        raise KeyboardInterrupt(hint) from error


command(app, json=False, extra="sandbox")(demo)
