from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from tests.lake.fake_s3 import FakeS3, Server


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    storage = FakeS3()
    with Server(storage) as server:
        storage.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        for name, value in {
            "AWS_ENDPOINT_URL": storage.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "ap-southeast-2",
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }.items():
            monkeypatch.setenv(name, value)
        yield storage
        server.shutdown()
