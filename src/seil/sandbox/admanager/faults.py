"""Ad Manager's injectable faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from pydantic import Field
from typing_extensions import override

from seil.sandbox.admanager.errors import (
    AdManagerApiError,
    modified_concurrently,
    quota_exceeded,
    unauthenticated_error,
)
from seil.sandbox.base.faults import FaultKind, FaultKinds, TokenFault


class AdManagerFault(TokenFault):
    """A fault in Ad Manager's responses."""

    error: Literal["", "concurrent-modification", "quota", "unauthenticated", "internal"] = Field(
        "", description="Answer with this error of Ad Manager, in the shape of the API called."
    )

    @property
    @override
    def answers(self) -> bool:
        return bool(self.error) or super().answers

    def api_error(self) -> AdManagerApiError:
        """The fault's error; default: `internal`."""
        return _ERRORS[self.error or "internal"]()


def _internal() -> AdManagerApiError:
    return AdManagerApiError(
        "INTERNAL", "ServerError", "SERVER_ERROR", "Internal error encountered."
    )


_ERRORS: Mapping[str, Callable[[], AdManagerApiError]] = {
    "concurrent-modification": modified_concurrently,
    "quota": quota_exceeded,
    "unauthenticated": lambda: unauthenticated_error("AUTHENTICATION_FAILED"),
    "internal": _internal,
}


_API = "^/(v1|apis)/"
_PAGE = "<html><body><h1>502. That's an error.</h1></body></html>"

_RUNNING = '{"name": "networks/1/operations/reports/runs/1", "done": false}'

_KINDS: Mapping[str, tuple[str, AdManagerFault]] = {
    "slow": ("Responses take two seconds.", AdManagerFault(path=_API, delay=2)),
    "unavailable": (
        "503 with Retry-After, twice.",
        AdManagerFault(path=_API, status=503, retry_after="1", times=2),
    ),
    "down": ("503 on every request.", AdManagerFault(path=_API, status=503)),
    "internal": ("500, once.", AdManagerFault(path=_API, error="internal", times=1)),
    "html-error": (
        "An HTML page from the edge, status 502.",
        AdManagerFault(path=_API, status=502, html=_PAGE),
    ),
    "html-answer": (
        "An HTML page instead of the response, status 200.",
        AdManagerFault(path=_API, html=_PAGE),
    ),
    "wrong-shape": (
        "An answer of another shape, status 200.",
        AdManagerFault(path=_API, text='{"surprise": [1, 2, 3]}'),
    ),
    "empty-answer": ("No body, status 200.", AdManagerFault(path=_API, text="")),
    "cut-answer": ("Answers break off.", AdManagerFault(path=_API, cut=20)),
    "reset": (
        "Connections are reset before the request is executed.",
        AdManagerFault(path=_API, reset="before"),
    ),
    "answer-lost": (
        "A change is made, but its response is lost.",
        AdManagerFault(
            path=f"{_API}.*(batchCreate|lineItems|Proposal)", method="POST", reset="after", times=1
        ),
    ),
    "concurrent-modification": (
        "A concurrent modification, once.",
        AdManagerFault(
            path=_API,
            method="POST",
            body="(?s)update|requests",
            error="concurrent-modification",
            times=1,
        ),
    ),
    "modified-for-ever": (
        "A concurrent modification on every request.",
        AdManagerFault(path=_API, error="concurrent-modification"),
    ),
    "quota": ("The API quota is used up.", AdManagerFault(path=_API, error="quota")),
    "report-late": (
        "Reports never finish.",
        AdManagerFault(path=r"^/v1/networks/\d+/(reports/\d+:run|operations/)", text=_RUNNING),
    ),
    "report-empty": (
        "Reports have no rows.",
        AdManagerFault(path="^/v1/.*:fetchRows", text='{"totalRowCount": 0}'),
    ),
    "token-expired": (
        "All tokens expire, once.",
        AdManagerFault(path=_API, end_tokens=True, times=1),
    ),
    "token-refused": (
        "No tokens are issued.",
        AdManagerFault(path="^/token", status=401, text='{"error": "invalid_client"}'),
    ),
}

KINDS = FaultKinds(
    AdManagerFault,
    {name: FaultKind(about, (fault,)) for name, (about, fault) in _KINDS.items()},
)
