"""Logging in once in a browser, for a refresh token: authorization code with PKCE (RFC 7636, 8252).

The browser comes back to an address on this machine's loopback, where it is waited for.
"""

from __future__ import annotations

import base64
import hashlib
import html
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

from typing_extensions import override

from seil.errors import ConfigurationError, LoginError, Problem
from seil.salesforce.connection import OrgConnection
from seil.salesforce.session import Session, check_settings, client_secret, session_of
from seil.salesforce.token_endpoint import TokenEndpoint, refusal
from seil.settings import SalesforceSettings

CALLBACK_PORT = 1717
_PATH = "/callback"
_SCOPE = "api refresh_token"
# How often it is looked whether the time is up, and a connection without a request is given up.
_POLL_SECONDS = 0.2
_REQUEST_SECONDS = 5.0


@dataclass(frozen=True)
class Grant:
    session: Session
    refresh_token: str = field(repr=False)


class BrowserLogin:
    """One login. `url` is to be opened; then `grant` waits for the browser to come back.

    `state` ties the browser's answer to this login, `verifier` the code to this process.
    """

    def __init__(self, settings: SalesforceSettings, callback: Callback) -> None:
        check_settings(settings, ("client_id",))
        self._settings = settings
        # What is missing is better said before somebody logs in.
        self._secret = client_secret(settings)
        self._callback = callback
        self._state = secrets.token_urlsafe(24)
        self._verifier = secrets.token_urlsafe(64)

    @property
    def url(self) -> str:
        digest = hashlib.sha256(self._verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._callback.url,
            "scope": _SCOPE,
            "state": self._state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        base = self._settings.login_url.rstrip("/")
        return f"{base}/services/oauth2/authorize?{urlencode(asked)}"

    def grant(self, *, seconds: float) -> Grant:
        """Raises LoginError: denied, of another login, or nobody came within `seconds`."""
        answer = self._callback.wait(self._state, seconds)
        login_url = self._settings.login_url
        if answer is None:
            words = f"nobody logged in within {seconds:.0f} seconds"
            raise LoginError(login_url, "timeout", words, hint="Run `seil login` again")
        if not secrets.compare_digest(answer.get("state", ""), self._state):
            words = "the browser's answer belongs to another login (state), and was not used"
            raise LoginError(login_url, "state", words, hint="Run `seil login` again")
        if "code" not in answer:
            code, words = answer.get("error", "no code"), answer.get("error_description", "")
            raise refusal(login_url, code, words)
        return self._redeem(answer["code"])

    def _redeem(self, code: str) -> Grant:
        """A code serves once: it is not sent again."""
        settings = self._settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._callback.url,
            "client_id": settings.client_id,
            "code_verifier": self._verifier,
        } | ({"client_secret": self._secret} if self._secret else {})
        connection = OrgConnection(settings)
        try:
            granted = TokenEndpoint(settings.login_url, connection.post_form).grant(form)
        finally:
            connection.close()
        token = granted.get("refresh_token")
        if not token:
            hint = "Give the app the scope 'Perform requests at any time (refresh_token)'"
            words = "no refresh_token in the answer"
            raise LoginError(settings.login_url, "incomplete", words, hint=hint)
        return Grant(session_of(settings.login_url, granted), str(token))


class Callback:
    """Where the browser comes back to."""

    def __init__(self, server: _Server) -> None:
        self._server = server

    @property
    def url(self) -> str:
        """To be registered with the app, to the letter."""
        return f"http://localhost:{self._server.server_address[1]}{_PATH}"

    def wait(self, state: str, seconds: float) -> dict[str, str] | None:
        """What the browser brought, None where it did not come in time."""
        self._server.state = state
        ends = time.monotonic() + seconds
        while self._server.answer is None and time.monotonic() < ends:
            self._server.handle_request()
        return self._server.answer


@contextmanager
def open_callback(port: int = CALLBACK_PORT) -> Iterator[Callback]:
    """Raises ConfigurationError where the port is taken."""
    try:
        server = _Server(("127.0.0.1", port), _Handler)
    except OSError as error:
        cure = f"end what listens there, or register http://localhost:PORT{_PATH} with the app"
        reason = f"cannot be listened at: {error.strerror}"
        problem = Problem(f"port {port}", reason, f"{cure} and use --port PORT")
        raise ConfigurationError([problem]) from error
    with server:
        yield Callback(server)


class _Server(HTTPServer):
    timeout = _POLL_SECONDS
    state = ""
    answer: dict[str, str] | None = None

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no event."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _REQUEST_SECONDS

    def do_GET(self) -> None:
        server = cast("_Server", self.server)
        parts = urlsplit(self.path)
        answer = dict(parse_qsl(parts.query))
        if parts.path != _PATH or not answer.keys() & {"code", "error"}:
            self._answer(404, "Nothing is here.")
            return
        server.answer = answer
        if answer.get("state") != server.state:
            self._answer(400, "This belongs to another login. Nothing was used.")
        elif "code" not in answer:
            self._answer(400, f"The login was refused: {answer['error']}.")
        else:
            self._answer(200, "Logged in. You can close this window; SEIL goes on in the terminal.")

    def _answer(self, status: int, words: str) -> None:
        page = f"<!doctype html><title>SEIL</title><p>{html.escape(words)}</p>".encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(page)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """The address holds the code."""
