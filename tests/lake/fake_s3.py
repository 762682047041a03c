"""As much of S3 as a bucket of the lake speaks with, and what it refuses on order."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_STAMP = "2026-11-23T10:00:00.000Z"
_MODIFIED = datetime(2026, 11, 23, 10, tzinfo=UTC)


@dataclass
class FakeS3:
    """`refused`: the code that answers every request from now on; `lost`: how many changes are made
    and answered with 500, as when the answer gets lost; a service that `ignores_conditions` takes
    every write.
    """

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    parts: dict[int, bytes] = field(default_factory=dict)
    refused: str = ""
    lost: int = 0
    ignores_conditions: bool = False
    clock: datetime = _MODIFIED
    modified: dict[str, datetime] = field(default_factory=dict)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, storage: FakeS3) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.storage = storage


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.act
        raise AttributeError(name)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str) -> None:
        text = f"<Error><Code>{code}</Code><Message>{code}, it says</Message></Error>"
        self.answer(status, text.encode())

    def act(self) -> None:
        storage = self.server.storage
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        key = unquote(parts.path).split("/", 2)[2] if parts.path.count("/") > 1 else ""
        query = {k: v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
        if storage.refused:
            self.refuse(403, storage.refused)
        else:
            getattr(self, f"on_{self.command.lower()}")(key, query, body)

    def on_get(self, key: str, query: dict[str, str], body: bytes) -> None:
        if "list-type" in query:
            self.answer(
                200,
                listing(self.server.storage, query.get("prefix", ""), query.get("start-after", "")),
            )
        else:
            self.on_head(key, query, body)

    def on_head(self, key: str, _query: dict[str, str], _body: bytes) -> None:
        if key not in self.server.storage.objects:
            self.refuse(404, "NoSuchKey")
            return
        data, status, extra = self.server.storage.objects[key], 200, {}
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(match[1]), min(int(match[2] or len(data)), len(data) - 1)
            extra = {"Content_Range": f"bytes {first}-{last}/{len(data)}"}
            data, status = data[first : last + 1], 206
        headers = {
            "ETag": etag(self.server.storage.objects[key]),
            "Last_Modified": self.modified(key),
        }
        self.answer(status, data, Content_Length=str(len(data)), **headers, **extra)

    def on_put(self, key: str, query: dict[str, str], body: bytes) -> None:
        if "partNumber" in query:
            self.server.storage.parts[int(query["partNumber"])] = body
            self.answer(200, ETag='"part"')
        elif self.is_stale(key):
            self.refuse(412, "PreconditionFailed")
        elif source := self.headers.get("x-amz-copy-source"):
            self.server.storage.objects[key] = self.server.storage.objects[
                unquote(source).lstrip("/").split("/", 1)[1]
            ]
            self.answer(200, b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>")
        else:
            self.server.storage.objects[key] = body
            self.server.storage.modified[key] = self.server.storage.clock
            if self.server.storage.lost:
                self.server.storage.lost -= 1
                self.refuse(500, "InternalError")
            else:
                self.answer(200, ETag=etag(body))

    def modified(self, key: str) -> str:
        at = self.server.storage.modified.get(key, _MODIFIED)
        return format_datetime(at, usegmt=True)

    def is_stale(self, key: str) -> bool:
        if self.server.storage.ignores_conditions:
            return False
        stored = self.server.storage.objects.get(key)
        if self.headers.get("If-None-Match") == "*":
            return stored is not None
        tag = self.headers.get("If-Match")
        return tag is not None and (stored is None or tag != etag(stored))

    def on_post(self, key: str, query: dict[str, str], body: bytes) -> None:
        if "uploads" in query:
            result = "InitiateMultipartUploadResult"
            self.answer(200, f"<{result}><UploadId>u</UploadId></{result}>".encode())
        elif "delete" in query:
            names = re.findall(r"<Key>(.*?)</Key>", body.decode())
            for name in names:
                self.server.storage.objects.pop(name, None)
            done = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
            self.answer(200, f"<DeleteResult>{done}</DeleteResult>".encode())
        else:
            self.server.storage.objects[key] = b"".join(
                self.server.storage.parts[n] for n in sorted(self.server.storage.parts)
            )
            result = "CompleteMultipartUploadResult"
            self.answer(200, f"<{result}><ETag>e</ETag></{result}>".encode())

    def on_delete(self, key: str, _query: dict[str, str], _body: bytes) -> None:
        self.server.storage.objects.pop(key, None)
        self.answer(204)

    def log_message(self, *_: Any) -> None:
        pass


def etag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


def listing(storage: FakeS3, prefix: str, start_after: str) -> bytes:
    entries = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>{_STAMP}</LastModified>"
        f"<ETag>e</ETag><Size>{len(data)}</Size></Contents>"
        for key, data in storage.objects.items()
        if key.startswith(prefix) and key > start_after
    )
    text = f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
    return text.encode()
