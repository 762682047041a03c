"""/sandbox/faults: the table of faults, and how a single request orders one for itself."""

from __future__ import annotations

from collections.abc import Mapping

from seil.sandbox.fault_table import described
from seil.sandbox.salesforce.errors import ApiError
from seil.sandbox.salesforce.fault_kinds import KINDS, ordered
from seil.sandbox.salesforce.faults import Fault, Faults
from seil.sandbox.salesforce.messages import NO_CONTENT, Call, Reply, Route

HEADER = "X-Sandbox-Fault"


class FaultRoutes:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def routes(self) -> list[Route]:
        base = "/sandbox/faults"
        return [
            Route("GET", base, self._get, open=True),
            Route("POST", base, self._post, open=True),
            Route("DELETE", base, self._delete, open=True),
            Route("GET", f"{base}/kinds", self._kinds, open=True),
            Route("DELETE", f"{base}/{{number}}", self._delete, open=True),
        ]

    def _get(self, _call: Call) -> Reply:
        return Reply(200, self._faults.listed())

    def _kinds(self, _call: Call) -> Reply:
        return Reply(200, {name: kind.about for name, kind in KINDS.items()})

    def _post(self, call: Call) -> Reply:
        """A fault, or {"kind": name}; answers the number of the first, and all numbers."""
        body = call.json_object()
        try:
            faults = ordered(str(body["kind"])) if "kind" in body else (Fault(**body),)
        except ValueError as error:
            raise _refused(error) from error
        numbers = [self._faults.add(fault) for fault in faults]
        return Reply(201, {"id": numbers[0], "ids": numbers})

    def _delete(self, call: Call) -> Reply:
        number = call.args.get("number")
        self._faults.clear(int(number) if number else None)
        return NO_CONTENT


def own_fault(headers: Mapping[str, str]) -> Fault | None:
    """What a request asks to be done to itself. Raises ApiError for what is no fault."""
    if not (text := headers.get(HEADER)):
        return None
    try:
        return ordered(text)[-1]
    except ValueError as error:
        raise _refused(error) from error


def _refused(error: ValueError) -> ApiError:
    return ApiError(400, "INVALID_FAULT", described(error))
