"""Google's REST clients, built when they are first needed and shared by all threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import requests
from google.ads import admanager_v1
from google.api_core.client_options import ClientOptions
from google.api_core.gapic_v1.client_info import ClientInfo
from google.auth.credentials import Credentials
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from requests.adapters import HTTPAdapter

import seil
from seil.admanager.calls import SERVICE, Calls
from seil.admanager.rest.errors import translated
from seil.admanager.rest.promised import LastAnswer, check
from seil.errors import UnexpectedAnswerError
from seil.observe.correlation import correlation_id
from seil.settings import AdManagerSettings

PAGE = 1000
CONNECTIONS = 64


class Rest:
    """Calls a method of a service by their names, as the client has them.

    `rest.read("Order", "get_order", {"name": ...})`.
    """

    def __init__(self, settings: AdManagerSettings, credentials: Credentials) -> None:
        self.network = f"networks/{settings.network_code}"
        self._settings = settings
        self._credentials = credentials
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._last = LastAnswer()
        self._calls = Calls(
            timeout=settings.timeout.total_seconds(),
            attempts=settings.attempts,
            translate=translated,
        )

    def read(self, service: str, method: str, request: dict[str, Any]) -> Any:
        return self._calls.read(method, self._bound(service, method, request))

    def effect(self, service: str, method: str, request: dict[str, Any]) -> Any:
        return self._calls.effect(method, self._bound(service, method, request))

    def pages(self, service: str, method: str, request: dict[str, Any]) -> Iterator[Any]:
        """The answers of a list method, page by page; each page is a call of its own."""
        request = {"page_size": PAGE, **request}
        while True:
            page = next(iter(self.read(service, method, request).pages))
            yield page
            token = page.next_page_token
            if not token:
                return
            if token == request.get("page_token"):
                raise UnexpectedAnswerError(SERVICE, "a page names itself as the next")
            request = {**request, "page_token": token}

    def _bound(self, service: str, method: str, request: dict[str, Any]) -> Callable[[float], Any]:
        call = getattr(self._client(service), method)
        metadata = [("x-correlation-id", identity)] if (identity := correlation_id()) else []

        def run(seconds: float) -> Any:
            try:
                result = call(request=request, retry=None, timeout=seconds, metadata=metadata)
            except (AttributeError, TypeError) as error:  # The client reads answers unlooked.
                reason = "it does not have the shape of Google's"
                raise UnexpectedAnswerError(SERVICE, reason) from error
            if self._last.answer is not None:
                check(self._last.answer, _message(result))
            return result

        return run

    def _client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                name = self._settings.application_name
                client = getattr(admanager_v1, f"{service}ServiceClient")(
                    credentials=self._credentials,
                    transport="rest",
                    client_options=ClientOptions(api_endpoint=self._settings.endpoint.rstrip("/")),
                    client_info=ClientInfo(
                        client_library_version=admanager_v1.__version__,
                        user_agent=f"{name} seil/{seil.__version__}",
                    ),
                )
                session = client.transport._session  # noqa: SLF001  (no public way to widen it)
                prepare_session(session, self._settings.endpoint)
                # A redirect could send an order, or the token, to somebody else.
                session.max_redirects = 0
                session.hooks["response"].append(self._last)
                self._clients[service] = client
            return self._clients[service]


def prepare_session(session: requests.Session, url: str) -> None:
    """For many threads, which call `url`.

    What the environment says of proxies and certificates is looked up here: requests would do so at
    each call, and on the disk for a .netrc as well, which is a sixth of a call's CPU.
    """
    session.mount("http://", HTTPAdapter(pool_maxsize=CONNECTIONS))
    session.mount("https://", HTTPAdapter(pool_maxsize=CONNECTIONS))
    options = session.merge_environment_settings(url, {}, None, None, None)
    session.proxies, session.verify = options["proxies"], options["verify"]
    session.trust_env = False


def _message(result: Any) -> Any:
    """Of protobuf; a list method gives it in a pager, `run_report` in an operation.

    Of a method that has nothing to say the client does not even read the answer.
    """
    if result is None:
        return Empty()
    if hasattr(result, "pages"):
        result = next(iter(result.pages))
    result = getattr(result, "operation", result)
    return result if isinstance(result, Message) else type(result).pb(result)
