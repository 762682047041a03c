"""Google Ad Manager: one method for each operation of the contract.

REST where it can, SOAP for what it does not have. Google's libraries are loaded and its clients
built when the first call needs them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from seil.admanager import models
from seil.admanager.deadline import within
from seil.settings import AdManagerSettings

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

    from seil.admanager.rest.codecs import Network
    from seil.admanager.rest.orders import Orders
    from seil.admanager.rest.transport import Rest

Part = TypeVar("Part")


class AdManager:
    """Safe to share between threads.

    Every method raises the errors of seil.errors only: RequestRejectedError for what Ad Manager
    refuses (status 404 where the thing does not exist), ConflictError, UnavailableError,
    TooSlowError, UnexpectedAnswerError, LoginError, ConfigurationError.
    """

    def __init__(self, settings: AdManagerSettings, credentials: Credentials | None = None) -> None:
        """`credentials` default to the service account of the settings."""
        self._settings = settings
        self._given = credentials
        self._parts: dict[str, Any] = {}
        self._lock = threading.RLock()

    def within(self, seconds: float | None) -> AbstractContextManager[None]:
        """Calls made inside are given up after so many seconds, where the settings allow more."""
        return within(seconds)

    def create_order(self, request: models.CreateOrder) -> models.CreatedOrder:
        return self._orders.create(request)

    def get_order(self, request: models.GetOrder) -> models.Order:
        return self._orders.get(request)

    def act_on_order(self, request: models.ActOnOrder) -> models.NumChanges:
        return self._orders.act(request)

    @property
    def _orders(self) -> Orders:
        from seil.admanager.rest.orders import Orders

        return self._once("orders", lambda: Orders(self._rest, self._network))

    @property
    def _rest(self) -> Rest:
        from seil.admanager.rest.transport import Rest

        return self._once("rest", lambda: Rest(self._settings, self._credentials))

    @property
    def _credentials(self) -> Credentials:
        from seil.admanager.credentials import account_credentials

        return self._once("credentials", lambda: self._given or account_credentials(self._settings))

    @property
    def _network(self) -> Network:
        from seil.admanager.rest.codecs import Network

        return Network.of(self._settings.network_code, self._settings.time_zone)

    def _once(self, name: str, build: Callable[[], Part]) -> Part:
        """Built by the first thread that needs it, then shared."""
        with self._lock:
            if name not in self._parts:
                self._parts[name] = build()
            part: Part = self._parts[name]
            return part
