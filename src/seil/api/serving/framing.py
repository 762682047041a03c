"""Refuses or normalises requests that a proxy could parse differently: request smuggling.

h11 itself refuses conflicting lengths, unknown transfer codings and bad chunks.
"""

from __future__ import annotations

import logging
import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

from seil.api.serving.refusals import bad_request

__all__ = ["Framing"]

_log = logging.getLogger(__name__)

_ORIGIN = re.compile(rb"https?://[^/]*", re.IGNORECASE)


class Framing:
    """ASGI middleware of the server; on AWS the gateway has parsed the request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif reason := _ambiguity(scope):
            _log.warning("request refused: %s", reason)
            await bad_request(reason)(scope, receive, send)
        else:
            await self._app(_in_origin_form(scope), receive, send)


def _ambiguity(scope: Scope) -> str | None:
    """RFC 9112, section 6.1."""
    names = {name for name, _ in scope["headers"]}
    if b"transfer-encoding" not in names:
        return None
    if b"content-length" in names:
        return "Transfer-Encoding and Content-Length are both given"
    if scope["http_version"] == "1.0":
        return "HTTP/1.0 has no Transfer-Encoding"
    return None


def _in_origin_form(scope: Scope) -> Scope:
    """Servers must accept the absolute form too, http://host/path: RFC 9112, section 3.2.2."""
    origin = _ORIGIN.match(scope["raw_path"])
    if not origin:
        return scope
    raw = scope["raw_path"][origin.end() :] or b"/"
    return {**scope, "raw_path": raw, "path": unquote(raw.decode("ascii"))}
