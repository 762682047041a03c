"""What is on the wire: header names, sizes, content types, and the shape of refusals."""

from __future__ import annotations

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest
from tests.limits import HANGS
from tests.sandbox.salesforce.conftest import Org

from seil.sandbox.salesforce.describe import Describe
from seil.sandbox.salesforce.options import OrgOptions, Quotas


def _raw(org: Org, request: str) -> bytes:
    place = urlsplit(org.server.url)
    token = org.http.headers["Authorization"]
    head = f"{request} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n"
    with socket.create_connection((place.hostname, place.port or 0), timeout=HANGS) as wire:
        wire.sendall(head.encode())
        received = b""
        while chunk := wire.recv(65_536):
            received += chunk
    return received


def _head(answer: bytes) -> list[str]:
    return answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")


def test_header_names_leave_in_title_case(shared: Org) -> None:
    job = shared.query_job("SELECT Id FROM Account")
    shared.finished("query", job)
    base = "/services/data/v62.0"
    head = _head(_raw(shared, f"GET {base}/jobs/query/{job}/results?maxRecords=1"))
    assert head[0] == "HTTP/1.1 200 OK"
    names = {line.partition(":")[0] for line in head[1:]}
    assert {
        "Sforce-Locator",
        "Sforce-NumberOfRecords",
        "Sforce-Limit-Info",
        "Content-Type",
        "Content-Length",
        "Date",
        "Server",
    } <= names
    assert all(part[:1].isupper() for name in names for part in name.split("-"))
    missing = _head(_raw(shared, f"GET {base}/nothing"))
    assert missing[0] == "HTTP/1.1 404 Not Found"
    assert "Content-Type: application/json;charset=UTF-8" in missing


def test_limit_info_counts_every_request(serving: Callable[..., Org]) -> None:
    org = serving(OrgOptions(quotas=Quotas(api_requests=5000)))
    used = [org.http.get(path).headers["Sforce-Limit-Info"] for path in ("/limits", "/sobjects/X")]
    assert used == ["api-usage=1/5000", "api-usage=2/5000"]
    org = serving(OrgOptions(quotas=Quotas(api_requests=5000), app_name="app"))
    assert org.http.get("/limits/").headers["Sforce-Limit-Info"] == (
        "api-usage=3/5000; per-app-api-usage=3/250(appName=app)"
    )
    limits = org.http.get("/limits").json()
    assert limits["DailyApiRequests"] == {"Max": 5000, "Remaining": 4996}
    assert {
        "DailyBulkApiBatches",
        "DailyBulkApiRequests",
        "DailyBulkV2QueryJobs",
        "DailyBulkV2QueryFileStorageMB",
    } <= set(limits)


def test_quota_gone(serving: Callable[..., Org]) -> None:
    org = serving(OrgOptions(quotas=Quotas(api_requests=1)))
    assert org.http.get("/limits").status_code == 200
    refused = org.http.get("/limits")
    assert refused.status_code == 403
    assert refused.json() == [
        {"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}
    ]
    assert refused.headers["Sforce-Limit-Info"] == "api-usage=1/1"


def test_uri_or_headers_too_long(shared: Org) -> None:
    long_uri = shared.http.get("/query", params={"q": "x" * 17_000})
    assert long_uri.status_code == 414
    assert "<h1>Bad Message 414</h1>" in long_uri.text
    long_head = shared.http.get("/limits", headers={"X-Long": "x" * 17_000})
    assert long_head.status_code == 431
    assert long_head.text.startswith("<h1>Bad Message 431</h1>")
    almost = shared.http.get("/query", params={"q": "x" * 15_000})
    assert almost.json()[0]["errorCode"] == "MALFORMED_QUERY"


def test_wrong_method_path_or_content_type(shared: Org) -> None:
    wrong = shared.http.put("/limits")
    assert (wrong.status_code, wrong.json()[0]["errorCode"]) == (405, "METHOD_NOT_ALLOWED")
    assert shared.http.get("/nothing").json()[0]["errorCode"] == "NOT_FOUND"
    assert httpx.get(f"{shared.server.url}/nowhere", timeout=HANGS).status_code == 404
    text = shared.http.post(
        "/sobjects/Account", content=b"x", headers={"Content-Type": "text/plain"}
    )
    assert (text.status_code, text.json()[0]["errorCode"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_slash_at_the_end_pretty_print_and_head(shared: Org) -> None:
    plain = shared.http.get("/sobjects/Account/describe/")
    pretty = shared.http.get("/sobjects/Account/describe", headers={"X-PrettyPrint": "1"})
    assert plain.json() == pretty.json()
    assert b"\n  " in pretty.content
    assert b"\n" not in plain.content
    head = shared.http.head("/sobjects/Account/describe")
    assert (head.status_code, head.content) == (200, b"")


def test_json_is_compressed_on_request(shared: Org) -> None:
    answer = shared.http.get("/sobjects", headers={"Accept-Encoding": "gzip, deflate"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.json()["maxBatchSize"] == 200


def test_what_no_handler_foresaw_is_answered(
    serving: Callable[..., Org], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(Describe, "_global", broken)
    answer = serving().http.get("/sobjects")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (500, "UNKNOWN_EXCEPTION")
    assert "secret detail" not in answer.text
    assert "secret detail" in caplog.text


def test_a_client_that_goes_away_does_no_harm(shared: Org) -> None:
    place = urlsplit(shared.server.url)
    token = shared.http.headers["Authorization"]
    with socket.create_connection((place.hostname, place.port or 0)) as wire:
        wire.sendall(
            f"GET /services/data/v62.0/sobjects HTTP/1.1\r\nAuthorization: {token}".encode()
        )
    assert shared.http.get("/limits").status_code == 200


def test_an_address_may_begin_with_two_slashes(shared: Org) -> None:
    """`sf` puts the path behind an instance address that ends in a slash."""
    answer = shared.http.get(f"{shared.server.url}//services/data/v62.0/limits")
    assert answer.status_code == 200
    assert "Sforce-Limit-Info" in answer.headers
