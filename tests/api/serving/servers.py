"""An app under the API's server, in a thread."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.limits import HANGS

from seil.api.serving.protocol import HttpProtocol
from seil.api.serving.server import HttpServer


@contextmanager
def serving(
    app: Any, *, connections: int = 100, protocol: type[HttpProtocol] = HttpProtocol
) -> Iterator[int]:
    """Its port."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.bind(("127.0.0.1", 0))
    port = int(bound.getsockname()[1])
    listens = threading.Event()
    server = HttpServer(
        app, bound, connections=connections, announce=listens.set, grace=2, protocol=protocol
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert listens.wait(HANGS)
        yield port
    finally:
        server.should_exit = True
        thread.join()
