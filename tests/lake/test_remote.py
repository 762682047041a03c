"""A bucket on S3, as far as a service behind HTTP shows it: what is sent, and what is refused."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seil.errors import ConflictError, LakeError
from seil.lake import Bucket

TABLE = pa.table({"a": [1, 2, 3]})
_STAMP = "2026-11-23T10:00:00.000Z"
_HTTP_STAMP = "Mon, 23 Nov 2026 10:00:00 GMT"


@dataclass
class FakeS3:
    """`refused`: the code that answers every request from now on."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    parts: dict[int, bytes] = field(default_factory=dict)
    refused: str = ""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, held: FakeS3) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.held = held


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
        held = self.server.held
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        key = unquote(parts.path).split("/", 2)[2] if parts.path.count("/") > 1 else ""
        query = {k: v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
        if held.refused:
            self.refuse(403, held.refused)
        else:
            getattr(self, f"on_{self.command.lower()}")(key, query, body)

    def on_get(self, key: str, query: dict[str, str], body: bytes) -> None:
        if "list-type" in query:
            self.answer(200, listing(self.server.held, query.get("prefix", "")))
        else:
            self.on_head(key, query, body)

    def on_head(self, key: str, _query: dict[str, str], _body: bytes) -> None:
        if key not in self.server.held.objects:
            self.refuse(404, "NoSuchKey")
            return
        data, status, extra = self.server.held.objects[key], 200, {}
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(match[1]), min(int(match[2] or len(data)), len(data) - 1)
            extra = {"Content_Range": f"bytes {first}-{last}/{len(data)}"}
            data, status = data[first : last + 1], 206
        headers = {"ETag": etag(self.server.held.objects[key]), "Last_Modified": _HTTP_STAMP}
        self.answer(status, data, Content_Length=str(len(data)), **headers, **extra)

    def on_put(self, key: str, query: dict[str, str], body: bytes) -> None:
        if "partNumber" in query:
            self.server.held.parts[int(query["partNumber"])] = body
            self.answer(200, ETag='"part"')
        elif self.is_stale(key):
            self.refuse(412, "PreconditionFailed")
        elif source := self.headers.get("x-amz-copy-source"):
            self.server.held.objects[key] = self.server.held.objects[
                unquote(source).lstrip("/").split("/", 1)[1]
            ]
            self.answer(200, b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>")
        else:
            self.server.held.objects[key] = body
            self.answer(200, ETag=etag(body))

    def is_stale(self, key: str) -> bool:
        stored = self.server.held.objects.get(key)
        if self.headers.get("If-None-Match") == "*":
            return stored is not None
        tag = self.headers.get("If-Match")
        return tag is not None and (stored is None or tag != etag(stored))

    def on_post(self, key: str, query: dict[str, str], body: bytes) -> None:
        if "uploads" in query:
            result = "InitiateMultipartUploadResult"
            self.answer(200, f"<{result}><UploadId>u</UploadId></{result}>".encode())
        elif "delete" in query:
            found = re.findall(r"<Key>(.*?)</Key>", body.decode())
            for name in found:
                self.server.held.objects.pop(name, None)
            done = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in found)
            self.answer(200, f"<DeleteResult>{done}</DeleteResult>".encode())
        else:
            self.server.held.objects[key] = b"".join(
                self.server.held.parts[n] for n in sorted(self.server.held.parts)
            )
            result = "CompleteMultipartUploadResult"
            self.answer(200, f"<{result}><ETag>e</ETag></{result}>".encode())

    def on_delete(self, key: str, _query: dict[str, str], _body: bytes) -> None:
        self.server.held.objects.pop(key, None)
        self.answer(204)

    def log_message(self, *_: Any) -> None:
        pass


def etag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


def listing(held: FakeS3, prefix: str) -> bytes:
    entries = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>{_STAMP}</LastModified>"
        f"<ETag>e</ETag><Size>{len(data)}</Size></Contents>"
        for key, data in held.objects.items()
        if key.startswith(prefix)
    )
    text = f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
    return text.encode()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    held = FakeS3()
    with Server(held) as server:
        held.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        for name, value in {
            "AWS_ENDPOINT_URL": held.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "ap-southeast-2",
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }.items():
            monkeypatch.setenv(name, value)
        yield held
        server.shutdown()


@pytest.fixture
def bucket(service: FakeS3) -> Bucket:
    return Bucket("s3://lake")


def test_put_get_head_and_list(bucket: Bucket) -> None:
    assert bucket.put("in/b c", b"two")
    assert bucket.put("in/a", b"one")
    assert bucket.get("in/b c") == b"two"
    entry = bucket.head("in/a")
    assert entry is not None
    assert (entry.key, entry.size) == ("in/a", 3)
    assert bucket.head("in/none") is None
    assert [entry.key for entry in bucket.list("in/")] == ["in/a", "in/b c"]


def test_the_first_to_create_a_key_has_it(bucket: Bucket) -> None:
    assert bucket.put("lock", b"one", create=True)
    assert not bucket.put("lock", b"two", create=True)
    assert bucket.get("lock") == b"one"


def test_a_conditional_write_needs_the_tag_of_what_is_there(bucket: Bucket) -> None:
    first = bucket.put_if("state", b"one", None)
    second = bucket.put_if("state", b"two", first)
    for tag in (None, first):
        with pytest.raises(ConflictError, match=r"s3://lake/state was changed"):
            bucket.put_if("state", b"three", tag)
    assert bucket.version("state") == (b"two", second)
    assert bucket.version("none") is None


def test_a_move_leaves_one_copy(bucket: Bucket, service: FakeS3) -> None:
    bucket.put("in/a", b"x")
    bucket.touch("in/a")
    bucket.move("in/a", "processed/a")
    bucket.delete("in/none")
    assert service.objects == {"processed/a": b"x"}


def test_a_file_is_written_and_read_in_ranges(bucket: Bucket) -> None:
    with bucket.writer("t.parquet") as file:
        pq.write_table(TABLE, file)
        assert bucket.head("t.parquet") is None
    with bucket.reader("t.parquet") as file:
        assert pq.read_table(file).equals(TABLE)


def test_a_large_file_appears_when_its_last_part_is_there(bucket: Bucket, service: FakeS3) -> None:
    block = bytes(range(256)) * (1 << 14)
    with bucket.writer("large") as file:
        for _ in range(6):
            file.write(block)
        assert service.objects == {}
    assert len(service.parts) > 1
    assert service.objects["large"] == block * 6


def test_a_file_that_is_not_finished_never_appears(bucket: Bucket, service: FakeS3) -> None:
    with pytest.raises(ZeroDivisionError), bucket.writer("half") as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert service.objects == {}


def _write(bucket: Bucket) -> None:
    with bucket.writer("a") as file:
        file.write(b"x")


def _read(bucket: Bucket) -> None:
    with bucket.reader("a"):
        pass


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda bucket: bucket.put("a", b"x"), "Cannot write s3://lake/a: "),
        (lambda bucket: bucket.put("a", b"x", create=True), "Cannot write s3://lake/a: "),
        (lambda bucket: bucket.put_if("a", b"x", None), "Cannot write s3://lake/a: "),
        (lambda bucket: bucket.version("a"), "Cannot read s3://lake/a: "),
        (lambda bucket: bucket.get("a"), "Cannot read s3://lake/a: "),
        (lambda bucket: bucket.head("a"), "Cannot read s3://lake/a: "),
        (lambda bucket: list(bucket.list("in/")), "Cannot list s3://lake/in/: "),
        (lambda bucket: bucket.move("a", "b"), "Cannot move s3://lake/a: "),
        (lambda bucket: bucket.delete("a"), "Cannot delete s3://lake/a: "),
        (_write, "Cannot write s3://lake/a: "),
        (_read, "Cannot read s3://lake/a: "),
    ],
)
def test_what_the_service_refuses_is_a_lake_error_in_one_line(
    bucket: Bucket, service: FakeS3, call: Any, said: str
) -> None:
    service.refused = "AccessDenied"
    with pytest.raises(LakeError) as caught:
        call(bucket)
    message = str(caught.value)
    assert message.startswith(said)
    assert "\n" not in message
    assert "secret" not in message
