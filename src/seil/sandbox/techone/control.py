"""Control at /sandbox/, as at the other stand-ins, or /control/; without a token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from seil.sandbox.base.control import FaultControl
from seil.sandbox.base.faults import FaultTable
from seil.sandbox.base.messages import NoRouteError, Reply, RouteTable
from seil.sandbox.techone.faults import KINDS, TechOneFault
from seil.sandbox.techone.messages import (
    JSON,
    TechOneApiError,
    TechOneHandler,
    TechOneRequest,
    json_reply,
)
from seil.sandbox.techone.store import TechOneStore


class TechOneControl:
    """`requests` counts the requests so far, by method and path."""

    def __init__(
        self,
        store: TechOneStore,
        faults: FaultTable[TechOneFault],
        requests: Callable[[], dict[str, int]],
    ) -> None:
        self._store = store
        self._requests = requests
        fault_control = FaultControl(faults, KINDS, reply=_reply, refusal=_refusal)
        own: list[tuple[str, str, TechOneHandler]] = [
            ("GET", "/summary", self._summary),
            ("GET", "/rows", self._rows),
            ("GET", "/debtors", lambda _request: json_reply(store.debtors())),
            ("POST", "/debtors", self._set_credit),
        ]
        self._routes: RouteTable[TechOneHandler] = RouteTable([*fault_control.routes(""), *own])

    def answer(self, request: TechOneRequest) -> Reply:
        path = "/" + request.path.split("/", 2)[2]
        try:
            handler, args = self._routes.find(request.method, path)
        except NoRouteError as error:
            text = f"There is no {request.method} {request.path}."
            raise TechOneApiError(404, text) from error
        return handler(replace(request, args=args))

    def _summary(self, _request: TechOneRequest) -> Reply:
        return json_reply(
            {
                "requests": self._requests(),
                "debtors": self._store.debtors(),
                "rows": self._store.places(),
            }
        )

    def _rows(self, request: TechOneRequest) -> Reply:
        """?warehouse=SALESFORCE&table=ARDATA"""
        table = f"{request.params.get('warehouse', '')}/{request.params.get('table', '')}"
        return json_reply([row for _, row in self._store.rows(table)])

    def _set_credit(self, request: TechOneRequest) -> Reply:
        """{"D10042": "12.50", ...}"""
        body = request.json_object()
        for debtor, credit in body.items():
            if not isinstance(credit, str) or not _is_amount(credit):
                raise TechOneApiError(400, f"{debtor}: an amount in quotes is expected.")
        with self._store.transaction():
            for debtor, credit in body.items():
                self._store.set_credit(debtor, credit)
        return json_reply(self._store.debtors())


def _is_amount(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _reply(status: int, content: Any) -> Reply:
    return Reply(204, b"", JSON) if status == 204 else json_reply(content, status)


def _refusal(problem: str) -> TechOneApiError:
    return TechOneApiError(400, problem)
