"""Several requests in one.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_batch.htm
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from seil.sandbox.salesforce.errors import ApiError
from seil.sandbox.salesforce.messages import Call, FileRange, Reply, Route, Router

_MOST = 25


class Batch:
    """Finds the requests' own handlers in the router that it is itself a part of."""

    def __init__(self) -> None:
        self._router: Router | None = None

    def routes(self) -> list[Route]:
        return [Route("POST", "/services/data/{version}/composite/batch", self._batch)]

    def use(self, router: Router) -> None:
        self._router = router

    def _batch(self, call: Call) -> Reply:
        body = call.json_object()
        wanted = body.get("batchRequests")
        if not isinstance(wanted, list) or not wanted:
            raise ApiError(400, "INVALID_BATCH_REQUEST", "batchRequests must be a list of requests")
        if len(wanted) > _MOST:
            reason = f"The batch has {len(wanted)} requests; at most {_MOST} are allowed"
            raise ApiError(400, "INVALID_BATCH_REQUEST", reason)
        results: list[dict[str, Any]] = []
        for request in wanted:
            failed = any(result["statusCode"] >= 400 for result in results)
            if failed and body.get("haltOnError"):
                skipped = ApiError(412, "BATCH_PROCESSING_HALTED", "Batch processing halted")
                results.append({"statusCode": 412, "result": skipped.body})
            else:
                results.append(self._one(request, call))
        has_errors = any(result["statusCode"] >= 400 for result in results)
        return Reply(200, {"hasErrors": has_errors, "results": results})

    def _one(self, request: Mapping[str, Any], call: Call) -> dict[str, Any]:
        if self._router is None:
            raise RuntimeError("use() was not called")
        parts = urlsplit(str(request.get("url", "")))
        path = "/" + parts.path.lstrip("/")
        path = path if path.startswith("/services/") else f"/services/data{path}"
        try:
            route, args = self._router.find(str(request.get("method", "GET")).upper(), path)
            inner = replace(
                call,
                method=route.method,
                path=path,
                params=dict(parse_qsl(parts.query)),
                body=io.BytesIO(json.dumps(request.get("richInput")).encode()),
                args=args,
            )
            reply = route.handler(inner)
        except ApiError as error:
            return {"statusCode": error.status, "result": error.body}
        content = None if isinstance(reply.content, bytes | FileRange) else reply.content
        return {"statusCode": reply.status, "result": content}
