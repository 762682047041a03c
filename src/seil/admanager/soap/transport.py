"""The SOAP client, shared by all threads."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

import requests
from google.auth.credentials import Credentials
from googleads import ad_manager
from googleads.common import ZeepServiceProxy
from googleads.errors import (
    GoogleAdsValueError,
)
from lxml.etree import LxmlError
from typing_extensions import override
from zeep.exceptions import Error as ZeepError
from zeep.transports import Transport

from seil.admanager.calls import SERVICE, Calls, before_write, time_for_call
from seil.admanager.pace import CallPace
from seil.admanager.rest.transport import prepare_session
from seil.admanager.soap.errors import status_error, translate_error
from seil.admanager.soap.services import Services
from seil.admanager.soap.wsdl import RecordingCache, WsdlFolder
from seil.errors import (
    ConfigurationError,
    LoginError,
    Problem,
    RequestRejectedError,
    UnexpectedAnswerError,
)
from seil.observe.correlation import correlation_id
from seil.settings import AdManagerSettings

_log = logging.getLogger(__name__)

_SUCCESS, _FAULT = 200, 500
_TOKEN_REFUSED = ("401", "AuthenticationError.AUTHENTICATION_FAILED")


class Soap:
    """Calls a method of a service by their names: `soap.read("Proposal", "getProposalsBy...", x)`.

    Services are stateless: zeep's settings are thread-local, and the transport below takes each
    call's timeout from its deadline.
    """

    def __init__(
        self, settings: AdManagerSettings, credentials: Credentials, pace: CallPace | None = None
    ) -> None:
        self.version = settings.soap_version
        self.zone = settings.time_zone
        self._settings = settings
        self._timeout = settings.timeout.total_seconds()
        self._server = settings.soap_endpoint.rstrip("/")
        self._folder = WsdlFolder(settings.wsdl_cache, settings.wsdl_age)
        self._tokens = _Tokens(credentials)
        self._services = Services(self._load_cached_or_fetch, seconds=self._timeout)
        self._calls = Calls(
            timeout=self._timeout, attempts=settings.attempts, translate=translate_error, pace=pace
        )

    def read(self, service: str, method: str, *arguments: Any) -> Any:
        call = self._bound(service, method, arguments)
        return self._with_fresh_token(lambda: self._calls.read(method, call))

    def write(self, service: str, method: str, *arguments: Any) -> Any:
        call = self._bound(service, method, arguments)
        return self._with_fresh_token(lambda: self._calls.write(method, call))

    def _with_fresh_token(self, run: Callable[[], Any]) -> Any:
        """Retries once with a new token after a refusal, which had no effect.

        For REST Google's client does so itself.
        """
        token = self._tokens.current
        try:
            return run()
        except LoginError as error:
            if error.code not in _TOKEN_REFUSED or token is None:
                raise
            self._calls.read("token", lambda _seconds: self._tokens.renew(token))
            return run()

    def _bound(
        self, service: str, method: str, arguments: tuple[Any, ...]
    ) -> Callable[[float], Any]:
        with before_write():
            proxy = self._services.get(service)

        def call(_seconds: float) -> Any:
            try:
                return getattr(proxy, method)(*arguments)
            except KeyError as error:  # googleads looks up every field in the WSDL.
                reason = f"{error.args[0]}: {self.version} of the SOAP API does not have it"
                raise RequestRejectedError(SERVICE, "NOT_SUPPORTED", reason, status=400) from error
            except (TypeError, AttributeError, IndexError) as error:  # It does not check answers.
                reason = "the SOAP answer lacks its parts"
                raise UnexpectedAnswerError(SERVICE, reason) from error

        return call

    def _load_cached_or_fetch(self, name: str) -> Any:
        """From the folder, even if expired, with a refresh in the background; otherwise fetched."""
        url = self._address(name)
        fresh = self._folder.fresh(url)
        if content := fresh or self._folder.any_age(url):
            try:
                service = self._load(name, RecordingCache(content))
            except UnexpectedAnswerError:
                _log.warning("The cached WSDL of %s is not usable: fetching it again", name)
            else:
                if not fresh:
                    self._services.renew(name, self._fetch)
                return service
        return self._fetch(name)

    def _fetch(self, name: str) -> Any:
        def fetch(_seconds: float) -> Any:
            cache = RecordingCache(None)
            service = self._load(name, cache)
            self._keep(name, cache)
            return service

        return self._calls.read(f"{name}Service?wsdl", fetch)

    def _address(self, name: str) -> str:
        return f"{self._server}/apis/ads/publisher/{self.version}/{name}Service?wsdl"

    def _keep(self, name: str, cache: RecordingCache) -> None:
        try:
            for url, content in cache.fetched.items():
                self._folder.keep(url, content)
        except OSError as error:
            _log.warning("The WSDL of %s cannot be cached: %s", name, error)

    def _load(self, name: str, cache: RecordingCache) -> Any:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            # googleads reads the locale with a deprecated function.
            client = ad_manager.AdManagerClient(
                self._tokens,
                self._settings.application_name,
                network_code=self._settings.network_code,
                cache=cache,
                timeout=time_for_call(self._timeout),
            )
        try:
            service: ZeepServiceProxy = client.GetService(
                f"{name}Service", version=self.version, server=self._server
            )
        except GoogleAdsValueError as error:
            raise ConfigurationError([Problem("admanager.soap_version", str(error))]) from error
        except (ZeepError, LxmlError, IndexError, AttributeError, TypeError) as error:
            reason = f"the WSDL of {name} is not valid"
            raise UnexpectedAnswerError(SERVICE, reason) from error
        zeep_client = service.zeep_client
        zeep_client.transport = _Posts(zeep_client.transport.session, self._timeout, self._server)
        # The first adds the token; the second would log bodies.
        zeep_client.plugins = zeep_client.plugins[:1]
        return service


class _Tokens:
    """The part of an OAuth client that googleads calls."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def CreateHttpHeader(self) -> dict[str, str]:  # noqa: N802  (googleads calls it so)
        headers: dict[str, str] = {}
        self._credentials.before_request(None, "POST", "", headers)
        if identity := correlation_id():
            headers["x-correlation-id"] = identity
        return headers

    @property
    def current(self) -> str | None:
        return self._credentials.token

    def renew(self, refused: str | None) -> None:
        """A no-op if another thread has renewed it."""
        if self._credentials.token == refused:
            self._credentials.refresh(None)


class _Posts(Transport):
    """Posts with the call's remaining time, and logs nothing."""

    def __init__(self, session: requests.Session, timeout: float, server: str) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            session=session, timeout=timeout, operation_timeout=timeout
        )
        self._limit = timeout
        prepare_session(session, server)

    @override
    def post(self, address: str, message: Any, headers: Any) -> requests.Response:
        seconds = time_for_call(self._limit)
        response = self.session.post(
            address, data=message, headers=headers, timeout=seconds, allow_redirects=False
        )
        is_soap = "xml" in response.headers.get("Content-Type", "") and response.content
        if response.status_code not in (_SUCCESS, _FAULT) or not is_soap:
            raise status_error(response.status_code, response.headers)
        return response
