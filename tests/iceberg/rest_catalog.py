"""An Iceberg REST catalog over pyiceberg's own SQL catalog, that loses answers when told to.

Endpoints as in https://iceberg.apache.org/rest-catalog-spec/: those that pyiceberg, DuckDB and
Spark call.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.schema import Schema
from pyiceberg.table import CommitTableRequest, Table
from pyiceberg.table.update import AssertRefSnapshotId, TableRequirement

Fault = Literal["", "403", "404", "409", "500", "501", "503", "504", "close"]
When = Literal["before", "after"]
_BASE = [
    "GET /v1/{prefix}/namespaces",
    "POST /v1/{prefix}/namespaces",
    "GET /v1/{prefix}/namespaces/{namespace}",
    "DELETE /v1/{prefix}/namespaces/{namespace}",
    "GET /v1/{prefix}/namespaces/{namespace}/tables",
    "POST /v1/{prefix}/namespaces/{namespace}/tables",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}",
]
TOGETHER = "POST /v1/{prefix}/transactions/commit"


@dataclass
class RestServer:
    """`fault` answers the next commit, which has landed by then if `lands`. `commits` counts those
    that landed. `on_commit` is called before and after a commit lands; the answer comes later.
    `authorization` is the last request's.
    """

    catalog: SqlCatalog
    moves_together: bool = True
    is_down: bool = False
    fault: Fault = ""
    lands: bool = True
    commits: int = 0
    on_commit: Callable[[When], None] = lambda _: None
    url: str = ""
    authorization: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if self.is_down:
            return 503, _problem("ServiceUnavailable", 503)
        parts = [unquote(part) for part in urlsplit(path).path.strip("/").split("/")][1:]
        match method, parts:
            case "GET", ["config"]:
                together = [TOGETHER] if self.moves_together else []
                return 200, {"defaults": {}, "overrides": {}, "endpoints": [*_BASE, *together]}
            case "POST", ["namespaces"]:
                self.catalog.create_namespace_if_not_exists(tuple(body["namespace"]))
                return 200, {"namespace": body["namespace"], "properties": {}}
            case _, ["namespaces", *place] if len(place) < 2:
                return self._namespaces(method, tuple(place))
            case _, ["namespaces", namespace, "tables"]:
                return self._tables(method, namespace, body)
            case "DELETE", ["namespaces", namespace, "tables", name]:
                return self._drop((namespace, name))
            case "GET", ["namespaces", namespace, "tables", name]:
                return self._load(namespace, name)
            case "POST", ["namespaces", namespace, "tables", name]:
                identifier = {"namespace": [namespace], "name": name}
                return self._commit([{"identifier": identifier, **body}])
            case "POST", ["transactions", "commit"]:
                return self._commit(body["table-changes"])
        return 404, _problem("NoSuchEndpoint", 404)

    def _namespaces(self, method: str, place: tuple[str, ...]) -> tuple[int, Any]:
        if not place:
            return 200, {"namespaces": self.catalog.list_namespaces()}
        if place not in self.catalog.list_namespaces():
            return 404, _problem("NoSuchNamespaceException", 404)
        if method == "DELETE":
            self.catalog.drop_namespace(place)
            return 204, None
        return 200, {"namespace": place, "properties": {}}

    def _tables(self, method: str, namespace: str, body: Any) -> tuple[int, Any]:
        if (namespace,) not in self.catalog.list_namespaces():
            return 404, _problem("NoSuchNamespaceException", 404)
        if method == "POST":
            return self._create(namespace, body)
        names = [name for _, name in self.catalog.list_tables(namespace)]
        return 200, {"identifiers": [{"namespace": [namespace], "name": n} for n in names]}

    def _drop(self, identifier: tuple[str, str]) -> tuple[int, Any]:
        try:
            self.catalog.drop_table(identifier)
        except NoSuchTableError:
            return 404, _problem("NoSuchTableException", 404)
        return 204, None

    def _create(self, namespace: str, body: Mapping[str, Any]) -> tuple[int, Any]:
        schema = Schema.model_validate(body["schema"])
        properties = dict(body["properties"])
        table = self.catalog.create_table((namespace, body["name"]), schema, properties=properties)
        return 200, _document(table)

    def _load(self, namespace: str, name: str) -> tuple[int, Any]:
        try:
            return 200, _document(self.catalog.load_table((namespace, name)))
        except NoSuchTableError:
            return 404, _problem("NoSuchTableException", 404)

    def _commit(self, changes: list[Any]) -> tuple[int, Any]:
        fault, self.fault = self.fault, ""
        self.on_commit("before")
        with self.lock:
            if not fault or self.lands:
                try:
                    tables = self._apply([CommitTableRequest.model_validate(c) for c in changes])
                except CommitFailedException as error:
                    return 409, _problem("CommitFailedException", 409, str(error))
                except NoSuchTableError as error:
                    return 404, _problem("NoSuchTableException", 404, str(error))
        self.on_commit("after")
        if fault == "close":
            raise ConnectionAbortedError
        if fault:
            return int(fault), _problem("Fault", int(fault))
        return 200, _document(tables[-1])

    def _apply(self, requests: list[CommitTableRequest]) -> list[Table]:
        """All or none: each is checked before the first is written."""
        tables = []
        for request in requests:
            identifier = (*request.identifier.namespace.root, request.identifier.name)
            table = self.catalog.load_table(identifier)
            requirements = tuple(r for r in request.requirements if not _is_new_branch(r, table))
            for requirement in requirements:
                requirement.validate(table.metadata)
            tables.append((table, requirements, request.updates))
        for change in tables:
            self.catalog.commit_table(*change)
        self.commits += 1
        return [self.catalog.load_table(table.name()) for table, *_ in tables]


def _is_new_branch(requirement: TableRequirement, table: Table) -> bool:
    """Met, as the specification has it; pyiceberg refuses it for a table without snapshots."""
    return (
        isinstance(requirement, AssertRefSnapshotId)
        and requirement.snapshot_id is None
        and requirement.ref not in table.metadata.refs
    )


def _document(table: Table) -> dict[str, Any]:
    metadata = json.loads(table.metadata.model_dump_json())
    return {"metadata-location": table.metadata_location, "metadata": metadata, "config": {}}


def _problem(kind: str, code: int, message: str = "") -> dict[str, Any]:
    return {"error": {"message": message or kind, "type": kind, "code": code}}


@contextmanager
def rest_server(folder: Path, *, moves_together: bool = True) -> Iterator[RestServer]:
    folder.mkdir(parents=True, exist_ok=True)
    catalog = SqlCatalog(
        "served", uri=f"sqlite:///{folder}/served.sqlite", warehouse=f"file://{folder}"
    )
    server = RestServer(catalog, moves_together)

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size) or b"null")
            server.authorization = self.headers.get("Authorization") or ""
            try:
                status, answer = server.answer(self.command, self.path, body)
            except ConnectionAbortedError:
                self.close_connection = True
                return
            data = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
            catalog.close()
