"""The one token that all threads share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.limits import HELD, SOON, until

from seil.admanager.client import AdManager
from seil.admanager.models import GetOrder
from seil.deadline import deadline
from seil.errors import RequestRejectedError, TooSlowError
from seil.sandbox.admanager.faults import AdManagerFault
from seil.sandbox.admanager.server import AdManagerServer
from seil.settings import AdManagerSettings


def test_thread_waits_for_anothers_token_no_longer_than_it_has(
    settings: AdManagerSettings, stand_in: AdManagerServer
) -> None:
    stand_in.faults.add(AdManagerFault(path="^/token$", delay=HELD))
    gam = AdManager(settings)

    def ask() -> None:
        with pytest.raises(RequestRejectedError):
            gam.get_order(GetOrder(order_id=1))

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(ask)
        until(lambda: stand_in.faults.entries()[0]["seen"])
        with deadline(SOON), pytest.raises(TooSlowError) as caught:
            gam.get_order(GetOrder(order_id=1))
        assert not other.done()
        assert not caught.value.reached
        stand_in.faults.clear()
        other.result()
