"""`seil sandbox faults`: what can be made to go wrong, without starting anything."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import typer

from seil.app.documents.servers import SandboxFaultsDocument
from seil.cli import output
from seil.cli.frame import Call, command


class StandInName(StrEnum):
    SALESFORCE = "salesforce"
    ADMANAGER = "admanager"
    TECHONE = "techone"


def register(app: typer.Typer) -> None:
    """Under `seil sandbox`."""
    command(app, extra="sandbox")(faults)


def faults(
    call: Call,
    stand_in: Annotated[
        StandInName | None, typer.Argument(help="One stand-in; default: all three.")
    ] = None,
) -> None:
    """List the faults that --fault takes by name, and what each does."""
    names = [stand_in] if stand_in else list(StandInName)
    kinds = {name.value: _kinds(name) for name in names}
    if call.json:
        call.answer(SandboxFaultsDocument(kinds))
        return
    rows = [[name, fault, about] for name, each in kinds.items() for fault, about in each.items()]
    output.table(["stand-in", "fault", "what happens"], rows)


def _kinds(name: StandInName) -> Mapping[str, str]:
    """What each fault does, by its name."""
    if name is StandInName.SALESFORCE:
        from seil.sandbox.salesforce.fault_kinds import KINDS as SALESFORCE

        return SALESFORCE.about()
    if name is StandInName.ADMANAGER:
        from seil.sandbox.admanager.faults import KINDS as ADMANAGER

        return ADMANAGER.about()
    from seil.sandbox.techone.faults import KINDS as TECHONE

    return TECHONE.about()
