"""An HTTP org of one object that a test can change between two requests.

For what the sandbox does not do: fields that appear and vanish, unusable cursor fields, jobs that
fail depending on their query.
"""

from __future__ import annotations

import csv
import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Row = dict[str, Any]

FIELDS: dict[str, Row] = {
    "Id": {"type": "id", "nillable": False},
    "IsDeleted": {"type": "boolean", "nillable": False},
    "SystemModstamp": {"type": "datetime", "nillable": False},
}
_BOUND = re.compile(r"(\w+) (>=|<) (?:'(\w+)'|(\d{4}-[\d:T.-]+Z))")
_AMONG = re.compile(r"(\w+) IN \(([^)]*)\)")
_ORDER = re.compile(r"ORDER BY (\w+)(?: (ASC|DESC))? LIMIT 1")


def moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class SmallOrg:
    """`fields` is its describe, `rows` its records, all values as text. `clock` gives the Date
    header. `fails` maps a job's SOQL to its error, empty for success; if it raises
    ConnectionAbortedError, the request that starts the job gets no response. `queries` are the
    SOQL of all jobs.
    """

    name: str = "Widget__c"
    fields: dict[str, Row] = field(default_factory=lambda: deepcopy(FIELDS))
    rows: list[Row] = field(default_factory=list)
    fails: Callable[[str], str] = lambda _: ""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    described: Row = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)
    url: str = ""
    _jobs: dict[str, Row] = field(default_factory=dict)

    @contextmanager
    def serve(self) -> Iterator[SmallOrg]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        parts = urlsplit(target)
        path, params = parts.path.rstrip("/"), parse_qs(parts.query)
        if matches := re.search(r"/jobs/query/(\w+)(/\w+)?$", path):
            return self._of_job(method, self._jobs[matches[1]], matches[2])
        return _document(self._plain(path, params, body))

    def _plain(self, path: str, params: dict[str, list[str]], body: bytes) -> Any:
        if path.endswith("/oauth2/token"):
            return {
                "access_token": "00D!TOKEN",
                "instance_url": self.url,
                "id": f"{self.url}/id/00D000000000001EAA/005000000000001AAA",
                "token_type": "Bearer",
            }
        if path.endswith("/limits"):
            return {"DailyApiRequests": {"Max": 100_000, "Remaining": 99_000}}
        if path.endswith("/describe"):
            fields = [{"name": name, **attributes} for name, attributes in self.fields.items()]
            return {"name": self.name, "queryable": True, **self.described, "fields": fields}
        if path.endswith("/deleted"):
            covered = {"latestDateCovered": moment(self.clock() + timedelta(days=1))}
            return {"deletedRecords": [], "earliestDateAvailable": moment(_LONG_AGO), **covered}
        if path.endswith(("/query", "/queryAll")) and "jobs" not in path:
            return self._query(params["q"][0])
        if path.endswith("/jobs/query"):
            return self._start(json.loads(body)["query"])
        return {}

    def _query(self, soql: str) -> Any:
        matches = self.select(soql)
        if "COUNT()" in soql:
            return {"totalSize": len(matches), "done": True, "records": []}
        return {"totalSize": len(matches), "done": True, "records": matches}

    def _start(self, soql: str) -> Row:
        self.queries.append(soql)
        job = {"id": f"750{len(self._jobs):012d}AAA", "soql": soql, "fails": self.fails(soql)}
        self._jobs[job["id"]] = job
        return self._job_document(job, "UploadComplete")

    def _of_job(self, method: str, job: Row, part: str | None) -> tuple[int, bytes, dict[str, str]]:
        if method == "DELETE":
            return 204, b"", {}
        if part is None:
            state = "Failed" if job["fails"] else "JobComplete"
            return _document(self._job_document(job, state))
        matches = self.select(job["soql"])
        out = io.StringIO(newline="")
        names = re.findall(r"\w+", job["soql"].partition("SELECT")[2].partition(" FROM ")[0])
        writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([row.get(name, "") for name in names] for row in matches)
        headers = {"Sforce-NumberOfRecords": str(len(matches)), "Sforce-Locator": "null"}
        return 200, out.getvalue().encode(), {"Content-Type": "text/csv", **headers}

    def _job_document(self, job: Row, state: str) -> Row:
        rows = len(self.select(job["soql"])) if state == "JobComplete" else 0
        about = {"operation": "queryAll", "object": self.name, "state": state}
        error = {"errorMessage": job["fails"]} if state == "Failed" else {}
        return {"id": job["id"], **about, "numberRecordsProcessed": rows, **error}

    def select(self, soql: str) -> list[Row]:
        """The rows within the query's bounds; a row without a value is outside."""
        rows = list(self.rows)
        for name, sign, text, at in _BOUND.findall(soql):
            bound = text or at
            rows = [
                row
                for row in rows
                if (value := row.get(name)) and (value >= bound if sign == ">=" else value < bound)
            ]
        for name, values in _AMONG.findall(soql):
            rows = [row for row in rows if row.get(name) in re.findall(r"\w+", values)]
        if order := _ORDER.search(soql):
            rows.sort(key=lambda row: str(row[order[1]]), reverse=order[2] == "DESC")
            return rows[:1]
        return rows


_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def _document(body: Any) -> tuple[int, bytes, dict[str, str]]:
    return 200, json.dumps(body).encode(), {"Content-Type": "application/json"}


def _handler(org: SmallOrg) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def _reply(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            try:
                status, data, headers = org.answer(self.command, self.path, body)
            except ConnectionAbortedError:
                self.close_connection = True
                return
            self.send_response_only(status)
            self.send_header("Date", format_datetime(org.clock(), usegmt=True))
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    for method in ("GET", "POST", "DELETE", "PATCH"):
        setattr(Handler, f"do_{method}", Handler._reply)
    return Handler
