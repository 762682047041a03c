"""The API's errors in SEIL's tree: by the trailer `error-code`, which is more than the status."""

from __future__ import annotations

from typing import Any

import grpc

from seil.errors import (
    QuotaExhaustedError,
    RequestRejectedError,
    SeilError,
    ThrottledError,
    UnavailableError,
)

SERVICE = "Salesforce Pub/Sub API"
_PREFIX = "sfdc.platform.eventbus.grpc."
_AUTH = "service.auth."
_REPLAY = "subscription.fetch.replayid."
_Status = grpc.StatusCode
# What may pass by itself. CANCELLED is our own: a stream that was silent for too long.
_PASSING = frozenset(
    {
        _Status.UNAVAILABLE,
        _Status.CANCELLED,
        _Status.DEADLINE_EXCEEDED,
        _Status.INTERNAL,
        _Status.UNKNOWN,
        _Status.ABORTED,
        _Status.RESOURCE_EXHAUSTED,
    }
)


class StreamLoginError(UnavailableError):
    """The session is refused: a new login, then the same call."""


class ReplayLostError(RequestRejectedError):
    """The stream cannot go on where it stopped: the replay id is too old, of another org or
    damaged.
    """

    cure = "`seil subscribe` reads the object's window again by itself; docs/events.md says how."


def translate(error: grpc.RpcError) -> SeilError:
    status, words = _status(error)
    trailers = _trailers(error)
    code = trailers.get("error-code", "").removeprefix(_PREFIX)
    rpc_id = trailers.get("rpc-id", "")
    reason = words if not rpc_id or rpc_id in words else f"{words} (rpc-id {rpc_id})"
    if code.startswith(_AUTH) or status == _Status.UNAUTHENTICATED:
        return StreamLoginError(SERVICE, f"{code or 'UNAUTHENTICATED'}: {reason}")
    if code.startswith(_REPLAY):
        return ReplayLostError(SERVICE, code, reason)
    if code == "subscription.limit.exceeded":
        return QuotaExhaustedError("Salesforce event delivery", reason)
    if code == "concurrent.client.limit.exceeded":
        return ThrottledError(SERVICE, f"{code}: {reason}")
    name = code or (status.name if status else "UNKNOWN")
    if status in _PASSING:
        return UnavailableError(SERVICE, f"{name}: {reason}")
    return RequestRejectedError(SERVICE, name, reason)


def _status(error: Any) -> tuple[grpc.StatusCode | None, str]:
    """An RpcError of a channel that was closed has neither."""
    code = error.code() if hasattr(error, "code") else None
    return code, str(error.details() if hasattr(error, "details") else error) or "no details"


def _trailers(error: Any) -> dict[str, str]:
    pairs = error.trailing_metadata() if hasattr(error, "trailing_metadata") else None
    return {key: value for key, value in pairs or () if isinstance(value, str)}
