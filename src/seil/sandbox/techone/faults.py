"""TechOne's injectable faults."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from seil.sandbox.base.faults import FaultKind, FaultKinds, TokenFault
from seil.sandbox.base.messages import Reply
from seil.sandbox.techone.messages import JSON, TechOneRequest, json_reply

_XML = "text/xml; charset=utf-8"
_ROW = re.compile(rb"<(?:\w+:)?Row>.*?</(?:\w+:)?Row>", re.DOTALL)


class TechOneFault(TokenFault):
    """A fault in TechOne's responses."""

    members: dict[str, Any] = Field(
        default_factory=dict,
        description="Put these members into a JSON response (written as JSON only).",
    )

    rows: int | None = Field(
        None, ge=0, description="Import only so many of a request's rows (no transaction)."
    )

    def alter(self, received: TechOneRequest) -> TechOneRequest:
        """The request with the first `rows` of its rows."""
        if self.rows is None:
            return received
        sent = _ROW.findall(received.body)
        body = received.body
        for row in reversed(sent[self.rows :]):
            start = body.rindex(row)
            body = body[:start] + body[start + len(row) :]
        return replace(received, body=body)

    def reply(self) -> Reply:
        status = self.status or 200
        if self.html is not None:
            return Reply(status, self.html.encode(), "text/html; charset=utf-8", self.headers)
        if self.text is not None:
            kind = _XML if self.text.startswith("<") else JSON
            return Reply(status, self.text.encode(), kind, self.headers)
        return json_reply({"Message": "An error has occurred."}, status, self.headers)

    def spoil(self, reply: Reply) -> Reply:
        """The reply with the fault's members added, if it is a JSON object."""
        if not self.members or not reply.content_type.startswith("application/json"):
            return reply
        content = {**json.loads(reply.body), **self.members}
        return json_reply(content, reply.status, reply.headers)


_TOKEN = "^/oauth2/token"  # noqa: S105 - a path
_WAREHOUSE = "(?i)/warehouse"
_API = "^/(?!oauth2/)"
_PAGE = "<html><body><h1>Service Unavailable</h1><hr><p>HTTP Error 503.</p></body></html>"
_RATE = {
    "MAJOR_CCY_CODE": "AUD",
    "TRANS_CCY_CODE": "USD",
    "START_DATEI": "2026-01-01T00:00:00",
    "END_DATEI": "2026-01-31T00:00:00",
    "EXCH_RATE_AMT": 0.6512,
}


def _rates(*rows: Mapping[str, object]) -> TechOneFault:
    return TechOneFault(path=_API, members={"DataSet": list(rows)})


def _refusal(code: str, text: str) -> str:
    """An answer to an import: refused."""
    services = "http://TechnologyOneCorp.com/Public/Services"
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
        f'<Warehouse_DoImportResponse xmlns="{services}"><Warehouse_DoImportResult>'
        '<Errors IsError="true" IsWarning="false"><Items xmlns="WebService">'
        f'<ErrorItem ErrorType="Error" ErrorCode="{code}" Description="{text}"/>'
        "</Items></Errors></Warehouse_DoImportResult></Warehouse_DoImportResponse>"
        "</soap:Body></soap:Envelope>"
    )


def _credit(message: str, kind: str = "Information") -> TechOneFault:
    text = {"Code": "DEBTOR_REMAINING_CREDIT", "NotificationType": kind, "Message": message}
    return TechOneFault(path=_API, members={"Messages": [text]})


_KINDS: Mapping[str, tuple[str, TechOneFault]] = {
    "slow-answer": ("A response takes three seconds.", TechOneFault(path=_API, delay=3, times=1)),
    "slow-drip": (
        "Responses arrive one byte at a time.",
        TechOneFault(path=_API, drip=1, drip_delay=0.5),
    ),
    "unavailable": (
        "503 with Retry-After, twice.",
        TechOneFault(path=_API, status=503, retry_after="1", times=2),
    ),
    "down": ("503 on every request.", TechOneFault(path=_API, status=503)),
    "throttled": (
        "429 with Retry-After, twice.",
        TechOneFault(path=_API, status=429, retry_after="1", times=2),
    ),
    "internal": ("500, once.", TechOneFault(path=_API, status=500, times=1)),
    "html-error": ("An HTML page, status 503.", TechOneFault(path=_API, status=503, html=_PAGE)),
    "html-answer": (
        "An HTML page instead of the response, status 200.",
        TechOneFault(path=_API, html=_PAGE),
    ),
    "empty-answer": ("No body, status 200.", TechOneFault(path=_API, text="")),
    "wrong-shape": (
        "A response of another shape, status 200.",
        TechOneFault(path=_API, text='{"surprise": [1, 2, 3]}'),
    ),
    "reset": (
        "Connections are reset before the request is executed.",
        TechOneFault(path=_API, reset="before"),
    ),
    "answer-lost": (
        "Rows are imported, but the response is lost.",
        TechOneFault(path="(?i)warehouse", method="POST", reset="after", times=1),
    ),
    "import-half": (
        "Two rows are imported, the others are not, and the response is lost.",
        TechOneFault(path=_WAREHOUSE, body="DoImport", rows=2, reset="after", times=1),
    ),
    "import-slow": (
        "An import takes ten minutes, and is carried out when its client has gone.",
        TechOneFault(path=_WAREHOUSE, body="DoImport", delay=600, times=1),
    ),
    "password-expired": (
        "The user of the warehouse is refused.",
        TechOneFault(
            path=_WAREHOUSE, body="DoImport", text=_refusal("AUTH", "The password has expired.")
        ),
    ),
    "period-closed": (
        "The warehouse refuses a row.",
        TechOneFault(
            path=_WAREHOUSE,
            body="DoImport",
            text=_refusal("PERIOD", "Row 1: The period is closed."),
        ),
    ),
    "cut-answer": ("Responses are truncated.", TechOneFault(path=_API, cut=20)),
    "no-rate": ("The rate report is empty.", _rates()),
    "two-rates": ("The rate report has two rows.", _rates(_RATE, _RATE)),
    "rate-over": (
        "The reported rate is that of January 2020.",
        _rates({**_RATE, "START_DATEI": "2020-01-01T00:00:00", "END_DATEI": "2020-01-31T00:00:00"}),
    ),
    "rate-ahead": (
        "The reported rate is that of January 2999.",
        _rates({**_RATE, "START_DATEI": "2999-01-01T00:00:00", "END_DATEI": "2999-01-31T00:00:00"}),
    ),
    "rate-without-amount": (
        "The reported rate has no amount.",
        _rates({name: value for name, value in _RATE.items() if name != "EXCH_RATE_AMT"}),
    ),
    "credit-without-number": (
        "The message about a debtor ends without =<number>.",
        _credit("Remaining credit limit for debtor is not known"),
    ),
    "credit-refused": (
        "The function reports an error instead.",
        _credit("Function DEBTOR_REMAINING_CREDIT is locked", "Error"),
    ),
    "token-expired": (
        "All tokens expire, once.",
        TechOneFault(path=_API, end_tokens=True, times=1),
    ),
    "token-refused": (
        "Every token is rejected.",
        TechOneFault(path=_API, status=401, text='{"Message": "Authorization has been denied."}'),
    ),
    "login-unavailable": (
        "The login answers 503, twice.",
        TechOneFault(path=_TOKEN, status=503, retry_after="1", times=2),
    ),
    "login-refused": (
        "No tokens are issued.",
        TechOneFault(path=_TOKEN, status=401, text='{"error": "invalid_client"}'),
    ),
    "login-html": (
        "The login responds with an HTML page, status 200.",
        TechOneFault(path=_TOKEN, html=_PAGE),
    ),
}

KINDS = FaultKinds(
    TechOneFault,
    {name: FaultKind(about, (fault,)) for name, (about, fault) in _KINDS.items()},
)
