from __future__ import annotations

from google.ads import admanager_v1 as gam
from tests.sandbox.admanager.conftest import NETWORK, Google


def test_order_is_created_and_listed(google: Google) -> None:
    made = google.order("Winter campaign")
    assert made.status == gam.OrderStatusEnum.OrderStatus.DRAFT
    found = google.orders.list_orders(
        request=gam.ListOrdersRequest(parent=NETWORK, filter='displayName = "Winter campaign"')
    )
    assert [order.name for order in found] == [made.name]
