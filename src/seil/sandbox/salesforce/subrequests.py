"""Subrequests, routed like requests, in the same transaction."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from multidict import CIMultiDict

from seil.sandbox.salesforce.errors import OrgApiError
from seil.sandbox.salesforce.messages import FileRange, OrgReply, OrgRequest, OrgRouter


class Subrequests:
    """Routes subrequests through the router that its users belong to."""

    def __init__(self) -> None:
        self._router: OrgRouter | None = None

    def use(self, router: OrgRouter) -> None:
        self._router = router

    def answer(
        self,
        outer: OrgRequest,
        method: str,
        url: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> OrgReply:
        """Returns errors as replies. `url` is below /services/data."""
        if self._router is None:
            raise RuntimeError("use() was not called")
        parts = urlsplit(url)
        try:
            route, args = self._router.find(method.upper(), parts.path)
            inner = replace(
                outer,
                method=route.method,
                path=parts.path,
                params=dict(parse_qsl(parts.query, keep_blank_values=True)),
                headers=CIMultiDict({**outer.headers, **(headers or {})}),
                body=io.BytesIO(b"" if body is None else json.dumps(body).encode()),
                args=args,
            )
            reply = route.handler(inner)
        except OrgApiError as error:
            return OrgReply(error.status, error.body)
        binary = isinstance(reply.content, bytes | FileRange)
        return replace(reply, content=None) if binary else reply
