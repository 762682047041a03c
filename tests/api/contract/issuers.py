"""An issuer of tokens besides the API's own."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.api.deployments import SCOPES


@dataclass
class Issuer:
    """Another issuer: its keys are served over HTTP, while it is up."""

    url: str
    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)
    up: bool = True
    fetches: int = 0
    nonsense: bytes = b""

    def jwks(self) -> bytes:
        keys = []
        for kid, key in self.keys.items():
            public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
            keys.append({**public, "kid": kid, "use": "sig", "alg": "RS256"})
        return json.dumps({"keys": keys}).encode()

    def token(self, kid: str = "first", **changes: Any) -> str:
        claims = {
            "iss": self.url,
            "client_id": "salesforce",
            "token_use": "access",
            "scope": " ".join(SCOPES),
            "exp": int(time.time()) + 600,
            **changes,
        }
        payload = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(payload, self.keys[kid], "RS256", {"kid": kid})


@contextmanager
def issuing(key: rsa.RSAPrivateKey) -> Iterator[Issuer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.fetches += 1
            if not issuer.up:
                self.close_connection = True
                return
            body = issuer.nonsense or issuer.jwks()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = Issuer(f"http://127.0.0.1:{server.server_port}", {"first": key})
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
