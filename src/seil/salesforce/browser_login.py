"""A browser login for a refresh token: authorization code with PKCE (RFC 7636, 8252).

The browser is redirected to a local server on the loopback interface.
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
# How often the deadline is checked, and the timeout of a connection without a request.
_POLL_SECONDS = 0.2
_REQUEST_SECONDS = 5.0


@dataclass(frozen=True)
class Grant:
    session: Session
    refresh_token: str = field(repr=False)


class BrowserLogin:
    """One login: open `url` in a browser, then `grant` waits for the redirect.

    `state` ties the redirect to this login, `verifier` the code to this process.
    """

    def __init__(self, settings: SalesforceSettings, callback: Callback) -> None:
        check_settings(settings, ("client_id",))
        self._settings = settings
        # Raises for a missing secret before the login.
        self._secret = client_secret(settings)
        self._callback = callback
        self._state = secrets.token_urlsafe(24)
        self._verifier = secrets.token_urlsafe(64)

    @property
    def url(self) -> str:
        digest = hashlib.sha256(self._verifier.encode()).digest()
        parameters = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._callback.url,
            "scope": _SCOPE,
            "state": self._state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        base = self._settings.login_url.rstrip("/")
        return f"{base}/services/oauth2/authorize?{urlencode(parameters)}"

    def grant(self, *, seconds: float) -> Grant:
        """Raises LoginError: denied, of another login, or no redirect within `seconds`."""
        answer = self._callback.wait(self._state, seconds)
        login_url = self._settings.login_url
        if answer is None:
            reason = f"nobody logged in within {seconds:.0f} seconds"
            raise LoginError(login_url, "timeout", reason, hint="Run `seil login` again")
        if not secrets.compare_digest(answer.get("state", ""), self._state):
            reason = "the browser's answer belongs to another login (state), and was not used"
            raise LoginError(login_url, "state", reason, hint="Run `seil login` again")
        if "code" not in answer:
            code, reason = answer.get("error", "no code"), answer.get("error_description", "")
            raise refusal(login_url, code, reason)
        return self._redeem(answer["code"])

    def _redeem(self, code: str) -> Grant:
        """Without retries: a code can be used once."""
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
            grant = TokenEndpoint(settings.login_url, connection.post_form).grant(form)
        finally:
            connection.close()
        token = grant.get("refresh_token")
        if not token:
            hint = "Give the app the scope 'Perform requests at any time (refresh_token)'"
            reason = "no refresh_token in the answer"
            raise LoginError(settings.login_url, "incomplete", reason, hint=hint)
        return Grant(session_of(settings.login_url, grant), str(token))


class Callback:
    """The local server that the browser is redirected to."""

    def __init__(self, server: _Server) -> None:
        self._server = server

    @property
    def url(self) -> str:
        """The callback URL; the app must register it exactly."""
        return f"http://localhost:{self._server.server_address[1]}{_PATH}"

    def wait(self, state: str, seconds: float) -> dict[str, str] | None:
        """The redirect's parameters; None after `seconds`."""
        self._server.state = state
        deadline = time.monotonic() + seconds
        while self._server.answer is None and time.monotonic() < deadline:
            self._server.handle_request()
        return self._server.answer


@contextmanager
def open_callback(port: int = CALLBACK_PORT) -> Iterator[Callback]:
    """Raises ConfigurationError where the port is taken."""
    try:
        server = _Server(("127.0.0.1", port), _Handler)
    except OSError as error:
        cure = f"stop what listens there, or register http://localhost:PORT{_PATH} with the app"
        reason = f"cannot be opened: {error.strerror}"
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
        """Ignores browsers that disconnect."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _REQUEST_SECONDS

    def do_GET(self) -> None:
        server = cast("_Server", self.server)
        parts = urlsplit(self.path)
        answer = dict(parse_qsl(parts.query))
        if parts.path != _PATH or not answer.keys() & {"code", "error"}:
            self._answer(404, "Not found.")
            return
        server.answer = answer
        if answer.get("state") != server.state:
            self._answer(400, "This belongs to another login, and was not used.")
        elif "code" not in answer:
            self._answer(400, f"The login was refused: {answer['error']}.")
        else:
            self._answer(200, "Logged in. You can close this window; SEIL goes on in the terminal.")

    def _answer(self, status: int, text: str) -> None:
        page = f"<!doctype html><title>SEIL</title><p>{html.escape(text)}</p>".encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(page)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing: the URL contains the code."""
