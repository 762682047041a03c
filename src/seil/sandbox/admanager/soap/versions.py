"""A proposal's versions: the buyer's, and the one that both sides have accepted.

https://support.google.com/admanager/answer/7520509: edits stay here until they are sent, and can
be thrown away for the version that the buyer has.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from seil.sandbox.admanager.network import GamObject, public
from seil.sandbox.admanager.soap.proposals import SandboxProposals
from seil.sandbox.admanager.soap.states import (
    FREE_FIELDS,
    READ_ONLY,
    READ_ONLY_LINE,
    SELLER_LINE_FIELDS,
)

_PUBLISHED, _ACCEPTED = "_published", "_accepted"
_PAUSE = ("pauseRole", "pauseReason")
_IGNORED = READ_ONLY | {"marketplaceInfo"}
_IGNORED_IN_LINES = READ_ONLY_LINE - {"isArchived"}


class Versions:
    def __init__(self, proposals: SandboxProposals) -> None:
        self._proposals = proposals

    def publish(self, proposal: GamObject, *, accepted: bool = False) -> None:
        """Stores the version that the buyer sees; `accepted`: by both sides."""
        retained = {"proposal": public(proposal), "lines": self._proposals.lines(proposal)}
        proposal[_PUBLISHED] = copy.deepcopy(retained)
        if accepted:
            proposal[_ACCEPTED] = copy.deepcopy(retained)

    def of_buyer(self, proposal: Mapping[str, Any]) -> GamObject:
        """The buyer's version with its line items, without edits."""
        return self._restore(proposal, proposal[_PUBLISHED])

    def of_both(self, proposal: Mapping[str, Any]) -> GamObject:
        """The version that both accepted last, without a renegotiation."""
        return self._restore(proposal, proposal[_ACCEPTED])

    def edits(self, proposal: GamObject) -> tuple[frozenset[str], frozenset[str]]:
        """(the seller's, both sides') fields that differ from the accepted version."""
        before = proposal[_ACCEPTED]
        fields = _changed_fields(before["proposal"], public(proposal), _IGNORED)
        lines = self._line_edits(before["lines"], self._proposals.lines(proposal))
        own = (fields & FREE_FIELDS) | (lines & SELLER_LINE_FIELDS)
        return own, (fields - FREE_FIELDS) | (lines - SELLER_LINE_FIELDS)

    def _line_edits(self, before: list[GamObject], after: list[GamObject]) -> frozenset[str]:
        lines = {line["id"]: line for line in before}
        if lines.keys() != {line["id"] for line in after}:
            return frozenset({"proposalLineItems"})
        changes = (_changed_fields(lines[line["id"]], line, _IGNORED_IN_LINES) for line in after)
        return frozenset().union(*changes)

    def _restore(self, proposal: Mapping[str, Any], version: Mapping[str, Any]) -> GamObject:
        now = {line["id"]: line for line in self._proposals.lines(proposal)}
        for number in now.keys() - {line["id"] for line in version["lines"]}:
            self._proposals.remove_line(number)
        for line in version["lines"]:
            # Delivery is paused and resumed outside of the negotiation.
            retained = {k: v for k, v in line.items() if k not in _PAUSE}
            pause = {k: v for k, v in now.get(line["id"], line).items() if k in _PAUSE}
            self._proposals.save_line({**retained, **pause})
        restored: GamObject = copy.deepcopy(version["proposal"])
        if _ACCEPTED in proposal:
            restored[_ACCEPTED] = proposal[_ACCEPTED]
        restored[_PUBLISHED] = copy.deepcopy(dict(version))
        return restored


def _changed_fields(before: GamObject, after: GamObject, ignored: Iterable[str]) -> frozenset[str]:
    names = (before.keys() | after.keys()).difference(ignored)
    return frozenset(name for name in names if before.get(name) != after.get(name))
