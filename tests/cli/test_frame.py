"""What every command does alike: options, failures, exit codes, a quick start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.limits import HANGS, until
from typer.testing import CliRunner

from seil.app.documents.events import RedeliverDocument
from seil.cli import frame
from seil.cli.app import Root
from seil.cli.frame import signals_in_duckdb
from seil.errors import LakeError, QuotaExhaustedError
from seil.interruption import raised_signals

Seil = Callable[..., Any]

HEAVY = {
    "aiohttp",
    "asyncio",
    "duckdb",
    "httpx",
    "lark",
    "numpy",
    "obstore",
    "pandas",
    "pyarrow",
    "pydantic",
    "rich",
    "simple_salesforce",
    "sqlglot",
}
# What reads the settings and lists the lake.
LIGHT = {"obstore", "pydantic"}
_IMPORTED = """
import sys
from typer.testing import CliRunner
from seil.cli.app import app
result = CliRunner().invoke(app, sys.argv[1:])
assert result.exit_code == 0, result.output
print("\\n".join(sorted(sys.modules)))
"""


def imported(home: Path, *arguments: str) -> set[str]:
    """The modules that a process has in the end that runs this command line in `home`."""
    answer = subprocess.run(
        [sys.executable, "-c", _IMPORTED, *arguments],
        check=True,
        capture_output=True,
        text=True,
        cwd=home,
    )
    return set(answer.stdout.split())


def probe(function: Callable[..., int | None]) -> typer.Typer:
    app = typer.Typer(cls=frame.RootGroup, rich_markup_mode=None, pretty_exceptions_enable=False)

    @app.callback()
    def root(ctx: typer.Context, *, quiet: bool = False) -> None:
        ctx.obj = {"quiet": quiet}

    frame.command(app, "probe")(function)
    return app


@pytest.mark.parametrize(
    ("arguments", "besides"),
    # To convert a command's options typer imports pydantic.
    [(["--help"], set()), (["--version"], set()), (["run", "--help"], {"pydantic"})],
    ids=["help", "version", "a command's help"],
)
def test_help_imports_nothing_heavy(home: Path, arguments: list[str], besides: set[str]) -> None:
    assert (HEAVY - besides).isdisjoint(imported(home, *arguments))


@pytest.mark.parametrize("arguments", [["init"], ["status"], ["files"], ["events"]])
def test_everyday_commands_import_only_what_is_light(home: Path, arguments: list[str]) -> None:
    assert imported(home, *arguments) & HEAVY <= LIGHT


_UNBUILT = """
import sys
from seil.cli import main
sys.argv = ["seil", "status", "--quiet"]
try:
    main()
except SystemExit as ended:
    assert not ended.code
from pydantic.plugin import _loader
from seil import settings
fields = settings.Settings.model_fields.items()
parts = [name for name, f in fields if getattr(f.annotation, "__pydantic_complete__", False)]
print(*parts, "plugins" if _loader._plugins is not None else "")
"""


def test_status_builds_only_the_sections_that_are_set(home: Path) -> None:
    (home / "seil.toml").write_text('env = "dev"\n[lake]\nurl = "lake"\n')
    command = [sys.executable, "-c", _UNBUILT]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=home)
    assert answer.stdout.splitlines()[-1].split() == ["lake"]


def test_a_commands_help_imports_no_other_command(home: Path) -> None:
    parts = {f"seil.cli.{module}" for module in Root.modules.values()}
    assert imported(home, "plan", "--help") & parts == {"seil.cli.steps"}


def test_every_command_of_a_module_is_listed() -> None:
    for module in set(Root.modules.values()):
        part = frame.group("")
        import_module(f"seil.cli.{module}").register(part)
        registered = typer.main.get_group(part).commands
        assert set(registered) == {name for name, place in Root.modules.items() if place == module}


def test_an_unknown_command_is_met_with_the_likely_one(seil: Seil) -> None:
    answer = seil("statsu")
    assert answer.code == 2
    assert "No such command 'statsu'. Did you mean 'status'" in answer.err


def test_commands_can_be_added_and_taken_away() -> None:
    commands = frame.LazyCommands({"given": 1}, {"init": "init"})
    commands["more"] = 2
    assert list(commands) == ["given", "init", "more"]
    assert commands["init"].name == "init"
    del commands["init"]
    assert len(commands) == 2
    assert commands.get("init") is None


def test_common_options_stand_before_or_behind_the_command() -> None:
    seen: list[frame.Call] = []
    app = probe(seen.append)
    for arguments in (["--quiet", "probe"], ["probe", "--quiet"], ["probe"]):
        assert CliRunner().invoke(app, arguments).exit_code == 0
    assert [call.quiet for call in seen] == [True, True, False]


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (LakeError("file:///l", "write", "full"), "error: Cannot write file:///l: full\n", 3),
        (
            QuotaExhaustedError("API", "0 left, access_token=s3cr3t"),
            "error: API allowance is used up: 0 left, access_token=**** Nothing was committed",
            4,
        ),
        (KeyboardInterrupt(), "interrupted. What was committed stays", 130),
    ],
    ids=["lake", "quota, with a secret in it", "Ctrl-C"],
)
def test_a_failure_is_one_line_and_an_exit_code(error: BaseException, line: str, code: int) -> None:
    def fail(call: frame.Call) -> None:
        raise error

    result = CliRunner().invoke(probe(fail), ["probe"])
    assert result.exit_code == code
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "kind", "code"),
    [
        (["--config", "none.toml", "status"], "configuration", 2),
        (["events", "--since", "yesterday"], "usage", 2),
        (["statsu"], "usage", 2),
        (["--nonsense"], "usage", 2),
        (["events", "redeliver", "3"], "incomplete", 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_every_failure_is_an_error_object_too(
    seil: Seil, arguments: list[str], kind: str, code: int
) -> None:
    ran = seil("--json", *arguments)
    error = ran.json["error"]
    assert (ran.code, error["exit_code"], error["type"]) == (code, code, kind)
    assert error["message"]


def test_a_failure_behind_an_answer_is_the_only_document() -> None:
    def fail(call: frame.Call) -> None:
        call.answer(RedeliverDocument(0))
        raise LakeError("file:///l", "write", "full")

    app = probe(fail)
    result = CliRunner().invoke(app, ["probe", "--json"])
    assert json.loads(result.stdout) == {
        "schema": "seil.error/1",
        "error": {
            "type": "lake",
            "message": "Cannot write file:///l: full",
            "hint": "",
            "exit_code": 3,
        },
    }


def test_sigterm_runs_every_finally() -> None:
    steps: list[str] = []

    def wait(call: frame.Call) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            steps.append("in order")

    with raised_signals():
        result = CliRunner().invoke(probe(wait), ["probe"])
    assert (result.exit_code, steps) == (143, ["in order"])
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_an_unknown_error_keeps_its_traceback() -> None:
    def fail(call: frame.Call) -> None:
        raise ZeroDivisionError("odd")

    result = CliRunner().invoke(probe(fail), ["probe"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_an_unknown_error_is_an_error_object_besides() -> None:
    def fail(call: frame.Call) -> None:
        raise ZeroDivisionError("odd")

    result = CliRunner().invoke(probe(fail), ["probe", "--json"])
    assert isinstance(result.exception, ZeroDivisionError)
    error = json.loads(result.stdout)["error"]
    assert (error["type"], error["exit_code"]) == ("internal", 1)
    assert error["message"] == "ZeroDivisionError: odd"


@pytest.mark.parametrize("returned", [None, 0, 1])
def test_a_command_returns_its_exit_code(returned: int | None) -> None:
    assert CliRunner().invoke(probe(lambda call: returned), ["probe"]).exit_code == (returned or 0)


_FOLLOWING = ["events", "--follow"]


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [
        (signal.SIGINT, 130, "interrupted. What was committed stays"),
        (signal.SIGTERM, 143, "terminated. What was committed stays"),
    ],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_signal_ends_a_command_in_order(
    seil_process: Callable[..., subprocess.Popen[str]],
    home: Path,
    number: signal.Signals,
    code: int,
    line: str,
) -> None:
    following = seil_process(*_FOLLOWING)
    until((home / "seil-data" / "journal.sqlite").exists)
    following.send_signal(number)
    _, err = following.communicate(timeout=HANGS)
    assert following.returncode == code
    assert err.startswith(line)
    assert "Traceback" not in err


def test_a_reader_that_stops_reading_is_no_error(
    seil_process: Callable[..., subprocess.Popen[str]],
) -> None:
    with seil_process("init", "--json") as writing:
        assert writing.stdout
        assert writing.stderr
        writing.stdout.close()
        err = writing.stderr.read()
    assert (writing.returncode, err) == (frame.BROKEN_PIPE, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evnets"], "No such command 'evnets'. Did you mean 'events'?"),
        (["events", "--sinc", "1h"], "No such option: --sinc"),
        (["events", "--since", "yesterday"], "'yesterday' is no time; write 30m, 2h, 1d"),
        (["events", "redeliver"], "name one event, or --all"),
        (["events", "redeliver", "3", "--all"], "name one event, or --all"),
        (["--config"], "requires an argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage(seil: Seil, arguments: list[str], message: str) -> None:
    ran = seil(*arguments)
    assert ran.code == 2
    assert message in ran.err


def test_version(seil: Seil) -> None:
    from seil import __version__

    assert seil("--version").out == f"seil {__version__}\n"


def test_ctrl_c_in_a_statement_is_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), signals_in_duckdb():
        raise RuntimeError("Query interrupted")
    with pytest.raises(RuntimeError, match="odd"), signals_in_duckdb():
        raise RuntimeError("odd")


def test_serve_without_an_issuer_says_what_to_set(seil: Seil) -> None:
    ran = seil("serve", "--port", "0")

    assert ran.code == 2
    assert "api.issuer: is not set" in ran.err
    assert "`seil serve --sandbox`" in ran.err
