"""`seil doctor`: is everything there, and does every far end answer? Each problem with its cure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from seil.app.doctor import examine
from seil.cli import output
from seil.cli.frame import UNBALANCED, Call, command

if TYPE_CHECKING:
    from seil.checks import SiteCheck


def register(app: typer.Typer) -> None:
    command(app)(doctor)


def doctor(call: Call) -> int:
    """Check the configuration and reach every far end. Exit code 1 if anything fails."""
    checks = []
    for check in examine(call.config):
        checks.append(check)
        if not call.json:
            _print(check)
    failed = sum(check.state == "fail" for check in checks)
    if call.json:
        from seil.app.documents.site import DoctorDocument

        answer = DoctorDocument(not failed, checks)
        call.answer(answer, problem=f"{failed:,} checks failed")
    else:
        warned = sum(check.state == "warn" for check in checks)
        output.line(f"{len(checks):,} checks, {failed:,} failed, {warned:,} to look at.")
    return UNBALANCED if failed else 0


_STYLES = {"ok": "", "warn": "yellow", "fail": "red"}


def _print(check: SiteCheck) -> None:
    output.line(f"{check.state:<4}  {check.name}: {check.detail}", style=_STYLES[check.state])
    if check.state != "ok" and check.cure:
        output.line(f"      -> {check.cure}")
