"""Batches, composites of requests that refer to each other, and graphs of composites.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite.htm
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seil.sandbox.salesforce.errors import (
    OrgApiError,
    not_found,
    processing_halted,
    unreadable_json,
)
from seil.sandbox.salesforce.json_rows import is_set
from seil.sandbox.salesforce.json_text import JsonSource
from seil.sandbox.salesforce.messages import OrgReply, OrgRequest, OrgRoute
from seil.sandbox.salesforce.references import check_name, resolve
from seil.sandbox.salesforce.store import OrgStore, RollBack
from seil.sandbox.salesforce.subrequests import Subrequests

_MOST = 25
_MOST_QUERIES = 5
_MOST_GRAPHS = 75
_MOST_NODES = 500
_GRAPHS_SINCE = 50.0
_OF_SUBREQUEST = ("body", "httpHeaders", "method", "referenceId", "url")
_QUERY = re.compile(r"/services/data/v[\d.]+/(query|queryAll|composite/sobjects)\b")
_SUPPORTED = re.compile(r"/services/data/v[\d.]+/(sobjects|query|queryAll|composite/sobjects)\b.*")
_NODE = re.compile(r"/services/data/v[\d.]+/sobjects/.*")
_ROLLED_BACK = (
    "The transaction was rolled back since another operation in the same transaction failed."
)


class Composite:
    def __init__(self, store: OrgStore, subrequests: Subrequests) -> None:
        self._store = store
        self._subrequests = subrequests

    def routes(self) -> list[OrgRoute]:
        base = "/services/data/{version}/composite"
        return [
            OrgRoute("POST", base, self._composite),
            OrgRoute("POST", f"{base}/batch", self._batch),
            OrgRoute("POST", f"{base}/graph", self._graphs),
        ]

    def _batch(self, call: OrgRequest) -> OrgReply:
        body = call.json_object("batchRequests", "haltOnError")
        halt = is_set(body, "haltOnError", source=JsonSource(call.text()))
        requests = body.get("batchRequests")
        if not isinstance(requests, list) or not all(isinstance(r, dict) for r in requests or [0]):
            raise OrgApiError(
                400, "INVALID_BATCH_REQUEST", "batchRequests must be a list of requests"
            )
        if len(requests) > _MOST:
            reason = f"The batch has {len(requests)} requests; at most {_MOST} are allowed"
            raise OrgApiError(400, "INVALID_BATCH_REQUEST", reason)
        for number, request in enumerate(requests):
            if not all(isinstance(request.get(name), str) for name in ("method", "url")):
                raise _missing(JsonSource(call.text()).inside("batchRequests", number))
        entries: list[dict[str, Any]] = []
        for request in requests:
            failed = any(entry["statusCode"] >= 400 for entry in entries)
            if failed and halt:
                skipped = OrgApiError(412, "BATCH_PROCESSING_HALTED", "Batch processing halted")
                entries.append({"statusCode": 412, "result": skipped.body})
            else:
                entries.append(self._run_in_batch(request, call))
        has_errors = any(entry["statusCode"] >= 400 for entry in entries)
        return OrgReply(200, {"hasErrors": has_errors, "results": entries})

    def _run_in_batch(self, request: Mapping[str, Any], call: OrgRequest) -> dict[str, Any]:
        url = "/" + str(request.get("url", "")).lstrip("/")
        url = url if url.startswith("/services/") else f"/services/data{url}"
        method = str(request.get("method", "GET"))
        reply = self._subrequests.answer(call, method, url, body=request.get("richInput"))
        return {"statusCode": reply.status, "result": reply.content}

    def _composite(self, call: OrgRequest) -> OrgReply:
        source = JsonSource(call.text())
        body = call.json_object("allOrNone", "collateSubrequests", "compositeRequest")
        all_or_none = is_set(body, "allOrNone", source=source)
        requests = _requests(body, source)
        _check_count(len(requests), _MOST, "subrequests")
        queries = [r for r in requests if _QUERY.match(str(r["url"]))]
        _check_count(len(queries), _MOST_QUERIES, "query or collection subrequests")
        entries, _ = self._run(call, requests, supported=_SUPPORTED, all_or_none=all_or_none)
        return OrgReply(200, {"compositeResponse": entries})

    def _graphs(self, call: OrgRequest) -> OrgReply:
        """Each graph is atomic, independently of the others."""
        if float(call.version) < _GRAPHS_SINCE:
            raise not_found()
        source, body = JsonSource(call.text()), call.json_object("graphs")
        graphs = body.get("graphs")
        if not isinstance(graphs, list) or not all(isinstance(graph, dict) for graph in graphs):
            raise _missing(source)
        _check_count(len(graphs), _MOST_GRAPHS, "graphs")
        _check_graph_ids(graphs, source)
        nodes = [_requests(g, source.inside("graphs", n)) for n, g in enumerate(graphs)]
        _check_count(sum(map(len, nodes)), _MOST_NODES, "nodes")
        answers = []
        for graph, requests in zip(graphs, nodes, strict=True):
            entries, done = self._run(call, requests, supported=_NODE, all_or_none=True)
            answers.append(
                {
                    "graphId": graph.get("graphId"),
                    "graphResponse": {"compositeResponse": entries},
                    "isSuccessful": done,
                }
            )
        return OrgReply(200, {"graphs": answers})

    def _run(
        self,
        call: OrgRequest,
        requests: Sequence[Mapping[str, Any]],
        *,
        supported: re.Pattern[str],
        all_or_none: bool,
    ) -> tuple[list[dict[str, Any]], bool]:
        """(results in the order of the requests, whether to commit)"""

        def answer(request: Mapping[str, Any], answers: Mapping[str, Any]) -> OrgReply:
            return self._answer(call, request, answers, supported)

        if not all_or_none:
            return _in_turn(requests, answer, halt=False), True
        results: list[dict[str, Any]] = []
        try:
            with self._store.write():
                results = _in_turn(requests, answer, halt=True)
                if _has_failed(results):
                    raise RollBack
        except RollBack:
            body = processing_halted(_ROLLED_BACK).body
            failed = len(results) - 1
            return [
                results[failed] if number == failed else _result(request, OrgReply(400, body))
                for number, request in enumerate(requests)
            ], False
        return results, True

    def _answer(
        self,
        call: OrgRequest,
        request: Mapping[str, Any],
        answers: Mapping[str, Any],
        supported: re.Pattern[str],
    ) -> OrgReply:
        try:
            check_name(str(request["referenceId"]))
            url, body = resolve(str(request["url"]), answers), resolve(request.get("body"), answers)
        except OrgApiError as error:
            return OrgReply(error.status, error.body)
        if not supported.fullmatch(url):
            return OrgReply(404, not_found().body)
        headers = {str(k): str(v) for k, v in (request.get("httpHeaders") or {}).items()}
        method = str(request["method"])
        return self._subrequests.answer(call, method, url, body=body, headers=headers)


def _in_turn(
    requests: Sequence[Mapping[str, Any]],
    answer: Callable[[Mapping[str, Any], Mapping[str, Any]], OrgReply],
    *,
    halt: bool,
) -> list[dict[str, Any]]:
    """Stops at the first failure if `halt` is set."""
    answers: dict[str, Any] = {}
    entries: list[dict[str, Any]] = []
    for request in requests:
        reply = answer(request, answers)
        answers[str(request["referenceId"])] = reply.content
        entries.append(_result(request, reply))
        if halt and _has_failed(entries):
            break
    return entries


def _has_failed(entries: Sequence[Mapping[str, Any]]) -> bool:
    """Includes collections with refused records."""
    return any(
        entry["httpStatusCode"] >= 400
        or (isinstance(entry["body"], list) and not all(map(_is_success, entry["body"])))
        for entry in entries
    )


def _is_success(outcome: Any) -> bool:
    return not isinstance(outcome, dict) or outcome.get("success", True)


def _result(request: Mapping[str, Any], reply: OrgReply) -> dict[str, Any]:
    return {
        "body": reply.content,
        "httpHeaders": dict(reply.headers),
        "httpStatusCode": reply.status,
        "referenceId": request["referenceId"],
    }


def _requests(body: Mapping[str, Any], source: JsonSource) -> list[dict[str, Any]]:
    requests = body.get("compositeRequest")
    if not isinstance(requests, list) or not requests:
        raise _missing(source)
    seen: set[str] = set()
    for number, request in enumerate(requests):
        names = ("method", "url", "referenceId")
        if not isinstance(request, dict) or not all(request.get(name) for name in names):
            raise _missing(source.inside("compositeRequest", number))
        source.inside("compositeRequest", number).check_members(request, _OF_SUBREQUEST)
        if not isinstance(request.get("httpHeaders") or {}, dict):
            raise _missing(source.inside("compositeRequest", number, "httpHeaders"))
        if (name := str(request["referenceId"])) in seen:
            raise OrgApiError(400, "INVALID_INPUT", f"Duplicate referenceId in the request: {name}")
        seen.add(name)
    return requests


def _check_graph_ids(graphs: Sequence[Mapping[str, Any]], source: JsonSource) -> None:
    seen: set[str] = set()
    for number, graph in enumerate(graphs):
        position = source.inside("graphs", number)
        position.check_members(graph, ("graphId", "compositeRequest"))
        if not isinstance(graph.get("graphId"), str):
            raise _missing(position)
        if (name := graph["graphId"]) in seen:
            raise OrgApiError(400, "INVALID_INPUT", f"Duplicate graphId in the request: {name}")
        seen.add(name)


def _missing(source: JsonSource) -> OrgApiError:
    return unreadable_json(
        "Cannot deserialize instance of <unknown> from null value null or request may be missing a"
        f" required field at {source.place}"
    )


def _check_count(count: int, most: int, what: str) -> None:
    if count > most:
        reason = f"The request has {count} {what}; at most {most} are allowed"
        raise OrgApiError(400, "LIMIT_EXCEEDED", reason)
