"""The command as a person runs it, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from seil.cli.app import app


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Seil = Callable[..., Ran]


def environment(**extra: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SEIL_")}
    return {**clean, **extra}


@pytest.fixture
def seil(home: Path) -> Seil:
    """Runs a command line in this process; errors that nobody expects are raised."""
    runner = CliRunner()

    def run(*arguments: str) -> Ran:
        result = runner.invoke(app, list(arguments), prog_name="seil")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def seil_process(home: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts a command line in a process of its own."""

    def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "seil", *arguments],
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            text=True,
            cwd=home,
            env=environment(),
            **options,
        )

    return start
