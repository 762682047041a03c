"""Control of the stand-in at /sandbox/, without a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from seil.errors import ConflictError
from seil.sandbox.base.control import FaultControl
from seil.sandbox.base.faults import FaultTable
from seil.sandbox.salesforce.describe import Describe, find_object
from seil.sandbox.salesforce.errors import OrgApiError
from seil.sandbox.salesforce.fault_kinds import KINDS
from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.merge import merge
from seil.sandbox.salesforce.messages import NO_CONTENT, OrgReply, OrgRequest, OrgRoute
from seil.sandbox.salesforce.metadata import SField
from seil.sandbox.salesforce.store import OrgStore
from seil.sandbox.salesforce.tick import TickCount, summary, tick
from seil.sandbox.salesforce.usage import Usage

_TICK_WISHES: Mapping[str, Callable[[Any], Any]] = {
    "share": float,
    "hard": float,
    "seed": int,
    "now": datetime.fromisoformat,
}


class OrgControl:
    def __init__(
        self, store: OrgStore, usage: Usage, describe: Describe, faults: FaultTable[OrgFault]
    ) -> None:
        self._store = store
        self._fault_control = FaultControl(faults, KINDS, reply=_reply, refusal=_bad_fault)
        self._usage = usage
        self._describe = describe

    def routes(self) -> list[OrgRoute]:
        faults = self._fault_control.routes("/sandbox")
        return [
            *(OrgRoute(method, path, handler, open=True) for method, path, handler in faults),
            OrgRoute("GET", "/sandbox/summary", self._summary, open=True),
            OrgRoute("POST", "/sandbox/schema", self._schema, open=True),
            OrgRoute("POST", "/sandbox/tick", self._tick, open=True),
            OrgRoute("POST", "/sandbox/merge", self._merge, open=True),
        ]

    def _summary(self, _call: OrgRequest) -> OrgReply:
        objects = {name: asdict(counts) for name, counts in summary(self._store).items()}
        rows = sum(sum(counts.values()) for counts in objects.values())
        return OrgReply(200, {"rows": rows, "objects": objects, "limits": self._usage.limits()})

    def _tick(self, call: OrgRequest) -> OrgReply:
        return OrgReply(200, run_tick(self._store, call.json_object()))

    def _merge(self, call: OrgRequest) -> OrgReply:
        """{"object", "winner", "losers": [...]}."""
        body = call.json_object()
        entity = find_object(self._store, str(body.get("object", "")))
        losers = body.get("losers")
        if not isinstance(losers, list):
            raise OrgApiError(400, "INVALID_MERGE", "losers is a list of Ids")
        changed = merge(self._store, entity, str(body.get("winner", "")), [str(i) for i in losers])
        return OrgReply(200, {"object": entity.name, "changed": changed})

    def _schema(self, call: OrgRequest) -> OrgReply:
        """{"object", "action": add|drop|change, "field", "type", ...attributes of the field}."""
        body = call.json_object()
        entity = find_object(self._store, str(body.pop("object", "")))
        action, name = body.pop("action", "add"), str(body.pop("field", ""))
        try:
            if action == "drop":
                self._store.drop_field(entity.name, name)
            elif action in ("add", "change"):
                created = SField.of(name, str(body.pop("type", "string")), **body)
                change = self._store.add_field if action == "add" else self._store.change_field
                change(entity.name, created)
            else:
                raise OrgApiError(400, "INVALID_SCHEMA", f"action is add, drop or change: {action}")
        except (KeyError, TypeError, ConflictError) as error:
            raise OrgApiError(400, "INVALID_SCHEMA", str(error)) from error
        self._describe.schema_changed()
        return OrgReply(200, {"object": entity.name, "field": name, "action": action})


def run_tick(store: OrgStore, wishes: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """What happened to how many records, by object; each record counts once.

    `wishes`: share, hard, seed and now (an ISO time), see `tick`. Raises OrgApiError for any other.
    """
    if unknown := wishes.keys() - _TICK_WISHES.keys():
        raise OrgApiError(400, "INVALID_TICK", f"unknown: {', '.join(sorted(unknown))}")
    try:
        body: dict[str, Any] = {name: _TICK_WISHES[name](wishes[name]) for name in wishes}
    except (TypeError, ValueError) as error:
        raise OrgApiError(400, "INVALID_TICK", str(error)) from error
    report = tick(store, **body)
    return {name: _without_moved(count) for name, count in report.objects.items()}


def _without_moved(count: TickCount) -> dict[str, int]:
    """Without those moved, which are among the changed."""
    return {name: value for name, value in asdict(count).items() if name != "moved"}


def _reply(status: int, content: Any) -> OrgReply:
    return NO_CONTENT if status == NO_CONTENT.status else OrgReply(status, content)


def _bad_fault(problem: str) -> OrgApiError:
    return OrgApiError(400, "INVALID_FAULT", problem)
