"""Google's REST clients, built on demand and shared by all threads."""

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
from seil.admanager.pace import CallPace
from seil.admanager.rest.answer_check import LastAnswer, check
from seil.admanager.rest.errors import translate_error
from seil.errors import UnexpectedAnswerError
from seil.observe.correlation import correlation_id
from seil.settings import AdManagerSettings

PAGE = 1000
CONNECTIONS = 64


class Rest:
    """Calls a client's method by the names of its service and itself.

    `rest.read("Order", "get_order", {"name": ...})`.
    """

    def __init__(
        self, settings: AdManagerSettings, credentials: Credentials, pace: CallPace | None = None
    ) -> None:
        self.network = f"networks/{settings.network_code}"
        self._settings = settings
        self._credentials = credentials
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._last = LastAnswer()
        self._calls = Calls(
            timeout=settings.timeout.total_seconds(),
            attempts=settings.attempts,
            translate=translate_error,
            pace=pace,
        )

    def read(self, service: str, method: str, request: dict[str, Any], *, fields: str = "") -> Any:
        """`fields` is a field mask of the answer, by default all fields
        (https://cloud.google.com/apis/docs/system-parameters).
        """
        return self._calls.read(method, self._bound(service, method, request, fields))

    def write(self, service: str, method: str, request: dict[str, Any]) -> Any:
        return self._calls.write(method, self._bound(service, method, request))

    def pages(
        self, service: str, method: str, request: dict[str, Any], *, fields: str = ""
    ) -> Iterator[Any]:
        """Streams the pages of a list method; each page is a call of its own."""
        request = {"page_size": PAGE, **request}
        mask = f"{fields},nextPageToken" if fields else ""
        while True:
            page = next(iter(self.read(service, method, request, fields=mask).pages))
            yield page
            token = page.next_page_token
            if not token:
                return
            if token == request.get("page_token"):
                raise UnexpectedAnswerError(SERVICE, "a page has its own token as the next")
            request = {**request, "page_token": token}

    def _bound(
        self, service: str, method: str, request: dict[str, Any], fields: str = ""
    ) -> Callable[[float], Any]:
        call = getattr(self._client(service), method)
        metadata = [("x-correlation-id", identity)] if (identity := correlation_id()) else []
        if fields:
            metadata.append(("x-goog-fieldmask", fields))

        def run(seconds: float) -> Any:
            try:
                result = call(request=request, retry=None, timeout=seconds, metadata=metadata)
            except (AttributeError, TypeError) as error:  # The client does not check answers.
                reason = "it does not have the expected shape"
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
                # A redirect could send the order, or the token, to another host.
                session.max_redirects = 0
                session.hooks["response"].append(self._last)
                self._clients[service] = client
            return self._clients[service]


def prepare_session(session: requests.Session, url: str) -> None:
    """Sizes the pool for many threads, and resolves proxies and certificates for `url` once.

    requests would do so at each call, and look for a .netrc, which takes a sixth of a call's CPU.
    """
    session.mount("http://", HTTPAdapter(pool_maxsize=CONNECTIONS))
    session.mount("https://", HTTPAdapter(pool_maxsize=CONNECTIONS))
    options = session.merge_environment_settings(url, {}, None, None, None)
    session.proxies, session.verify = options["proxies"], options["verify"]
    session.trust_env = False


def _message(result: Any) -> Any:
    """The protobuf message; list methods return a pager, `run_report` an operation.

    The client does not parse the answers of methods that return nothing.
    """
    if result is None:
        return Empty()
    if hasattr(result, "pages"):
        result = next(iter(result.pages))
    result = getattr(result, "operation", result)
    return result if isinstance(result, Message) else type(result).pb(result)
