"""The one token that all threads share."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

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
    stand_in.faults.add(AdManagerFault(path="^/token$", delay=8))
    gam = AdManager(settings)

    def ask() -> None:
        with pytest.raises(RequestRejectedError):
            gam.get_order(GetOrder(order_id=1))

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(ask)
        while not any(one["seen"] for one in stand_in.faults.entries()):
            time.sleep(0.01)
        with deadline(0.2), pytest.raises(TooSlowError) as caught:
            gam.get_order(GetOrder(order_id=1))
        assert not other.done()
        assert not caught.value.reached
        other.result()
