"""SOAP envelopes."""

from __future__ import annotations

from seil.sandbox.admanager.errors import ApiError
from seil.sandbox.admanager.messages import XML, Reply


def fault_reply(path: str, error: ApiError) -> Reply:
    return Reply(500, f"<{path}>{error}".encode(), XML)
