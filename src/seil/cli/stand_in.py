"""What the commands that serve a stand-in have in common."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from seil.cli.frame import Call
from seil.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from seil.sandbox.base.faults import FaultKinds, Occasion

__all__ = ["FaultTexts", "Host", "Port", "TokenLifetime", "faults_of", "set_up_logging"]

F = TypeVar("F", bound="Occasion")

Port = Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")]
Host = Annotated[str, typer.Option(help="The address to listen at.")]
TokenLifetime = Annotated[
    float, typer.Option(min=0, max=365 * 86400, help="Seconds a token lasts.")
]
FaultTexts = Annotated[
    list[str] | None,
    typer.Option(
        "--fault",
        metavar="NAME|KEY=VALUE,...",
        help="Something to go wrong; `seil sandbox faults` lists names. May be repeated.",
    ),
]


def set_up_logging(call: Call) -> None:
    """Requests on --verbose; where nobody watches a terminal, one line a step."""
    from seil.observe import logs

    watched = call.quiet or call.json or sys.stderr.isatty()
    logs.configure("DEBUG" if call.verbose else "WARNING" if watched else "INFO", "auto")


def faults_of(texts: list[str] | None, kinds: FaultKinds[F]) -> tuple[F, ...]:
    """Raises ConfigurationError with every text that is no fault."""
    from seil.sandbox.base.faults import fault_problems

    faults: list[F] = []
    problems = []
    for text in texts or []:
        try:
            faults += kinds.parse(text)
        except ValueError as error:
            cure = "see `seil sandbox faults` and docs/sandbox.md"
            problems.append(Problem(f"--fault {text}", fault_problems(error), cure))
    if problems:
        raise ConfigurationError(problems)
    return tuple(faults)
