"""The service account's access token, for REST and SOAP alike.

One token is shared. Google's clients would send REST a self-signed JWT instead, which SOAP does not
accept.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import google.auth.credentials
import google.auth.transport.requests
from google.auth.exceptions import GoogleAuthError
from google.oauth2 import service_account
from typing_extensions import override

from seil.admanager.calls import time_for_call, too_late
from seil.errors import ConfigurationError, Problem
from seil.settings import AdManagerSettings

SCOPE = "https://www.googleapis.com/auth/admanager"


class AccountCredentials(google.auth.credentials.Credentials):
    """Google's credentials of a service account, refreshed by one thread at a time."""

    def __init__(self, account: service_account.Credentials, timeout: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # google-auth has no types
        self._account = account
        self._timeout = timeout
        self._lock = threading.Lock()
        self._request = google.auth.transport.requests.Request()

    @property
    def token_uri(self) -> str:
        return str(self._account._token_uri)  # noqa: SLF001  (google-auth gives it no public name)

    @override
    def refresh(self, request: Any) -> None:
        """Raises google.auth.exceptions.GoogleAuthError or TooSlowError."""
        refused = self.token
        with self._refresh_lock():
            if self.token != refused and self.valid:
                return  # Another thread has refreshed it.
            self._account.refresh(self._request_in_time)
            self.token, self.expiry = self._account.token, self._account.expiry

    @contextmanager
    def _refresh_lock(self) -> Iterator[None]:
        """Waits for another thread's refresh no longer than its own may take."""
        if not self._lock.acquire(timeout=time_for_call(self._timeout)):
            raise too_late(self._timeout)
        try:
            yield
        finally:
            self._lock.release()

    @override
    def before_request(
        self, request: Any, method: str, url: str, headers: MutableMapping[str, str]
    ) -> None:
        headers.update(self.header())

    def header(self) -> dict[str, str]:
        if not self.valid:
            self.refresh(None)
        return {"authorization": f"Bearer {self.token}"}

    def _request_in_time(self, *args: Any, **options: Any) -> Any:
        options["timeout"] = time_for_call(self._timeout)
        return self._request(*args, **options)


def account_credentials(settings: AdManagerSettings) -> AccountCredentials:
    """Raises ConfigurationError where the key is missing or invalid, without quoting it."""
    key = settings.service_account_key
    try:
        account = service_account.Credentials.from_service_account_info(
            json.loads(key.reveal()), scopes=[SCOPE]
        )
        # Checks the key and the URL now instead of at the first call.
        account.sign_bytes(b"")
        account_credentials = AccountCredentials(account, settings.timeout.total_seconds())
        if urlsplit(account_credentials.token_uri).scheme not in ("http", "https"):
            raise ValueError("token_uri is not a URL")
    except (ValueError, TypeError, AttributeError, RecursionError, GoogleAuthError):
        problem = Problem(key.location, "is not a service account's JSON key")
        raise ConfigurationError([problem]) from None
    return account_credentials
