"""The rate and the credit of a debtor, over CiAnywhere's REST API."""

from __future__ import annotations

import calendar
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from seil.sandbox.base.messages import Reply
from seil.sandbox.techone.messages import TechOneApiError, TechOneRequest, json_reply
from seil.sandbox.techone.options import TechOneOptions
from seil.sandbox.techone.store import TechOneStore

_LOWEST = Decimal("0.6400")
_STEP = Decimal("0.0017")
_STEPS = 23
_EXECUTE = {"IgnoreOverride": False, "System": "DEFAULT", "Name": "DEBTOR_REMAINING_CREDIT"}


class TechOneRest:
    def __init__(self, store: TechOneStore, options: TechOneOptions) -> None:
        self._store = store
        self._options = options

    def rate(self, _request: TechOneRequest) -> Reply:
        """One row, valid for the month; the same month always has the same rate."""
        today = self._options.now().astimezone(ZoneInfo(self._options.time_zone)).date()
        last = calendar.monthrange(today.year, today.month)[1]
        return json_reply(
            {
                "DataSet": [
                    {
                        "MAJOR_CCY_CODE": "AUD",
                        "TRANS_CCY_CODE": "USD",
                        "START_DATEI": _midnight(today.replace(day=1)),
                        "END_DATEI": _midnight(today.replace(day=last)),
                        "EXCH_RATE_AMT": float(_rate(today)),
                    }
                ]
            }
        )

    def credit(self, request: TechOneRequest) -> Reply:
        debtor = _debtor(request.json_object())
        credit = self._store.credit(debtor)
        if credit is None:
            return _message("DEBTOR_NOT_FOUND", "Error", f"Debtor {debtor} does not exist")
        text = f"Remaining credit limit for debtor {debtor}={credit}"
        return _message("DEBTOR_REMAINING_CREDIT", "Information", text)


def _message(code: str, kind: str, text: str) -> Reply:
    return json_reply({"Messages": [{"Code": code, "NotificationType": kind, "Message": text}]})


def _midnight(day: date) -> str:
    """A date as .NET formats it."""
    return datetime.combine(day, time()).isoformat()


def _rate(day: date) -> Decimal:
    return _LOWEST + _STEP * ((day.year * 12 + day.month) % _STEPS)


def _debtor(body: dict[str, Any]) -> str:
    """Requires exactly the expected keys, to reveal a client's mistakes."""
    _check_keys("The body", body, {*_EXECUTE, "Data"})
    for name, value in _EXECUTE.items():
        if body[name] != value or type(body[name]) is not type(value):
            raise TechOneApiError(400, f"{name} has to be {value}.")
    _check_keys("Data", body["Data"], {"Variables"})
    _check_keys("Variables", body["Data"]["Variables"], {"DebtorNumber"})
    debtor = body["Data"]["Variables"]["DebtorNumber"]
    if not isinstance(debtor, str) or not debtor:
        raise TechOneApiError(400, "DebtorNumber has to be a text.")
    return debtor


def _check_keys(name: str, value: object, requested: set[str]) -> None:
    if not isinstance(value, dict):
        raise TechOneApiError(400, f"{name} has to be an object.")
    wrong = [f"{key} is missing" for key in sorted(requested - value.keys())]
    wrong += [f"{key} is not known" for key in sorted(value.keys() - requested)]
    if wrong:
        raise TechOneApiError(400, f"{name}: {', '.join(wrong)}.")
