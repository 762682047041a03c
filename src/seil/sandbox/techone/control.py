"""/sandbox/, as at the other stand-ins, or /control/: the levers of a person or a test.

They need no token.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from seil.sandbox.fault_table import FaultTable, described
from seil.sandbox.techone.faults import KINDS, Fault, ordered
from seil.sandbox.techone.messages import Call, Handler, RefusedError, Reply
from seil.sandbox.techone.store import Store

_NO_CONTENT = Reply(204, b"")


class Control:
    """`requests` tells what was asked for so far."""

    def __init__(
        self, store: Store, faults: FaultTable[Fault], requests: Callable[[], dict[str, int]]
    ) -> None:
        self._store = store
        self._faults = faults
        self._requests = requests
        self._routes: dict[tuple[str, str], Handler] = {
            ("GET", r"/faults"): lambda _call: Reply.json(faults.listed()),
            ("GET", r"/faults/kinds"): _kinds,
            ("POST", r"/faults"): self._order_fault,
            ("DELETE", r"/faults(/\d+)?"): self._clear_faults,
            ("GET", r"/summary"): self._summary,
            ("GET", r"/rows"): self._rows,
            ("GET", r"/debtors"): lambda _call: Reply.json(store.debtors()),
            ("POST", r"/debtors"): self._set_credit,
        }

    def answer(self, call: Call) -> Reply:
        for (method, pattern), handler in self._routes.items():
            if method == call.method and re.fullmatch(f"/(?:sandbox|control){pattern}", call.path):
                return handler(call)
        raise RefusedError(404, f"There is no {call.method} {call.path}.")

    def _order_fault(self, call: Call) -> Reply:
        """A fault, or {"kind": name}; answers its number."""
        body = call.json_object()
        try:
            fault = ordered(str(body["kind"])) if "kind" in body else Fault.model_validate(body)
        except ValueError as error:
            raise RefusedError(400, described(error)) from error
        return Reply.json({"id": self._faults.add(fault)}, 201)

    def _clear_faults(self, call: Call) -> Reply:
        last = call.path.rpartition("/")[2]
        self._faults.clear(int(last) if last.isdecimal() else None)
        return _NO_CONTENT

    def _summary(self, _call: Call) -> Reply:
        found: dict[str, Any] = {
            "requests": self._requests(),
            "debtors": self._store.debtors(),
            "rows": self._store.places(),
        }
        return Reply.json(found)

    def _rows(self, call: Call) -> Reply:
        """?warehouse=SALESFORCE&table=ARDATA"""
        place = f"{call.params.get('warehouse', '')}/{call.params.get('table', '')}"
        return Reply.json([row for _, row in self._store.rows(place)])

    def _set_credit(self, call: Call) -> Reply:
        """{"D10042": "12.50", ...}"""
        body = call.json_object()
        for debtor, credit in body.items():
            if not isinstance(credit, str) or not _is_amount(credit):
                raise RefusedError(400, f"{debtor}: an amount in quotes is expected.")
        with self._store.transaction():
            for debtor, credit in body.items():
                self._store.set_credit(debtor, credit)
        return Reply.json(self._store.debtors())


def _is_amount(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _kinds(_call: Call) -> Reply:
    return Reply.json({name: about for name, (about, _) in KINDS.items()})
