from __future__ import annotations

import pytest

from seil.admanager.soap.values import to_soap


@pytest.mark.parametrize(
    ("zone", "network", "sent"),
    [
        pytest.param("Asia/Kolkata", "Asia/Calcutta", "Asia/Calcutta", id="older name"),
        pytest.param("Asia/Kolkata", "Asia/Kolkata", "Asia/Kolkata", id="same name"),
        pytest.param("Etc/UTC", "Asia/Calcutta", "Etc/UTC", id="other zone"),
    ],
)
def test_networks_own_zone_is_called_as_google_calls_it(zone: str, network: str, sent: str) -> None:
    """Google takes times of deals in the network's zone alone."""
    item = {"startDateTime": {"hour": 9, "timeZoneId": zone}}
    assert to_soap([item], network) == [{"startDateTime": {"hour": 9, "timeZoneId": sent}}]
