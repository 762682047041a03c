"""Just enough of an org to serve one query job's rendered pages as fast as the machine sends files.

python -m benchmarks.page_server MANIFEST prints the URL it listens at.
"""

from __future__ import annotations

import json
import os
import sys
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_JOB = "750000000000001AAA"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, manifest: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.manifest = manifest
        self.body = os.open(manifest["body"], os.O_RDONLY)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        data = f"/services/data/{url.path.split('/')[3] if url.path.count('/') > 2 else ''}"
        match url.path.rstrip("/").split("/")[4:]:
            case ["limits"]:
                self._answer({"DailyApiRequests": {"Max": 100_000, "Remaining": 100_000}})
            case ["sobjects", _, "describe"]:
                self._answer(self.server.manifest["describe"])
            case ["jobs", "query", _]:
                self._answer(self._job())
            case ["jobs", "query", job, "resultPages"]:
                self._answer(
                    {
                        "resultPages": [
                            {"resultUrl": f"{data}/jobs/query/{job}/results?locator={n}"}
                            for n in range(len(self.server.manifest["pages"]))
                        ],
                        "done": True,
                    }
                )
            case ["jobs", "query", _, "results"]:
                self._page(int(parse_qs(url.query).get("locator", ["0"])[0]))
            case _:
                self._answer([{"errorCode": "NOT_FOUND", "message": "not here"}], 404)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/services/oauth2/token"):
            host, port = self.server.server_address[:2]
            url = f"http://{host!s}:{port}"
            self._answer({"access_token": "bench", "instance_url": url, "id": f"{url}/id/o/u"})
        else:
            self._answer(self._job())

    def do_PATCH(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(self._job())

    def do_DELETE(self) -> None:
        self._head(204, {"Content-Length": "0"})

    def _job(self) -> dict[str, Any]:
        manifest = self.server.manifest
        return {
            "id": _JOB,
            "operation": "queryAll",
            "object": manifest["describe"]["name"],
            "createdDate": "2026-01-01T00:00:00.000+0000",
            "systemModstamp": "2026-01-01T00:00:00.000+0000",
            "state": "JobComplete",
            "apiVersion": 62.0,
            "numberRecordsProcessed": sum(rows for _, _, rows in manifest["pages"]),
        }

    def _page(self, number: int) -> None:
        manifest = self.server.manifest
        start, end, rows = manifest["pages"][number]
        header = manifest["header"].encode()
        following = number + 1 if number + 1 < len(manifest["pages"]) else None
        self._head(
            200,
            {
                "Content-Type": "text/csv; charset=UTF-8",
                "Content-Length": str(len(header) + end - start),
                "Sforce-NumberOfRecords": str(rows),
                "Sforce-Locator": "null" if following is None else str(following),
            },
        )
        self.wfile.write(header)
        while start < end:
            start += os.sendfile(self.connection.fileno(), self.server.body, start, end - start)

    def _answer(self, body: Any, status: int = 200) -> None:
        data = json.dumps(body).encode()
        self._head(status, {"Content-Type": "application/json", "Content-Length": str(len(data))})
        self.wfile.write(data)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        self.send_header("Date", formatdate(usegmt=True))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def _main(manifest: str) -> None:
    server = _Server(json.loads(Path(manifest).read_text()))
    host, port = server.server_address[:2]
    print(f"http://{host!s}:{port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    _main(*sys.argv[1:])
