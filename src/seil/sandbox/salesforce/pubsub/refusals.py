"""The API's errors: a gRPC status with the trailers `error-code` and `rpc-id`."""

from __future__ import annotations

import uuid
from typing import Any, NoReturn

import grpc

_PREFIX = "sfdc.platform.eventbus.grpc"
_Status = grpc.StatusCode

# (code, status, words) as seen from the real service.
REFUSALS: dict[str, tuple[str, grpc.StatusCode, str]] = {
    "auth": ("service.auth.error", _Status.UNAUTHENTICATED, "Authentication exception occurred"),
    "auth-refresh": (
        "service.auth.refresh.invalid",
        _Status.UNAUTHENTICATED,
        "The auth refresh is invalid",
    ),
    "unavailable": ("service.unavailable", _Status.UNAVAILABLE, "The service is unavailable"),
    "clients": (
        "concurrent.client.limit.exceeded",
        _Status.RESOURCE_EXHAUSTED,
        "The limit of concurrent clients is exceeded",
    ),
    "limit": (
        "subscription.limit.exceeded",
        _Status.RESOURCE_EXHAUSTED,
        "You have exceeded the event delivery limit for your org",
    ),
    "corrupted": (
        "subscription.fetch.replayid.corrupted",
        _Status.INVALID_ARGUMENT,
        "The Replay ID validation failed. Ensure that the Replay ID is valid",
    ),
    "replay": (
        "subscription.fetch.replayid.validation.failed",
        _Status.INVALID_ARGUMENT,
        "The Replay ID validation failed. Ensure that the Replay ID is valid",
    ),
    "requested": (
        "subscription.fetch.requested.events.invalid",
        _Status.INVALID_ARGUMENT,
        "The requested number of events must be greater than 0",
    ),
    "topic": (
        "subscription.fetch.topic.invalid",
        _Status.INVALID_ARGUMENT,
        "The topic of a stream cannot change",
    ),
    "no-topic": ("topic.not.found", _Status.NOT_FOUND, "Topic not found"),
    "no-schema": ("schema.not.found", _Status.NOT_FOUND, "Schema not found"),
    "publish": ("publish.denied", _Status.PERMISSION_DENIED, "Publishing is not allowed"),
}


def new_rpc_id() -> str:
    return str(uuid.uuid4())


def refuse(context: Any, name: str) -> NoReturn:
    """Ends the call."""
    code, status, words = REFUSALS[name]
    rpc_id = new_rpc_id()
    context.set_trailing_metadata((("error-code", f"{_PREFIX}.{code}"), ("rpc-id", rpc_id)))
    context.abort(status, f"{words}. rpcId: {rpc_id}")
    raise AssertionError("abort raises")
