"""A lookup that takes the first of several columns is followed by each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

Org = Any
LINE = "vlocity_cmt__quotelineitemid__c"
WAYS: Mapping[str, tuple[str, Mapping[str, Mapping[str, str]]]] = {
    "quote of the order": ("sales_orders", {"order": {"quoteid": "q"}}),
    "quote of the order's package": ("sales_orders", {"order": {"vlocity_cmt__quoteid__c": "q"}}),
    "approval of the order's quote": ("sales_order_approvals", {"order": {"quoteid": "q"}}),
    "line of the ad order item": (
        "publisher_system_ads",
        {"ad_order_item": {"quotelineitemid": "g"}},
    ),
    "line of its placement": (
        "publisher_system_ads",
        {
            "ad_order_item": {"orderitemid": "l"},
            "order_ad_placement": {"vlocity_cmt__orderitemid__c": "l", LINE: "g"},
        },
    ),
    "line of its order product": (
        "publisher_system_ads",
        {"ad_order_item": {"orderitemid": "l"}, "order_product": {"quotelineitemid": "g"}},
    ),
    "order product of the placement": (
        "production_line_items",
        {"order_ad_placement": {"vlocity_cmt__orderitemid__c": "l", LINE: "g"}},
    ),
    "order product of the line": (
        "production_line_items",
        {"order_product": {"quotelineitemid": "g"}},
    ),
}
IDS = {"order": "o", "ad_order_item": "x", "order_ad_placement": "m", "order_product": "l"}
LOOKED_UP = {
    "sales_orders": ("quote", "q", "name"),
    "sales_order_approvals": ("quote", "q", "name"),
    "publisher_system_ads": ("quote_line_item", "g", "vlocity_cmt__itemname__c"),
    "production_line_items": ("order_product", "l", "vlocity_cmt__itemname__c"),
}


@pytest.mark.parametrize(("table", "records"), WAYS.values(), ids=WAYS)
def test_each_way_to_a_record_is_followed(
    org: Org, table: str, records: Mapping[str, Mapping[str, str]]
) -> None:
    org.merge("quote", [{"id": "q"}])
    org.merge("quote_line_item", [{"id": "g"}])
    for source, id_ in IDS.items():
        org.merge(source, [{"id": id_, **records.get(source, {})}])
    assert org.build(table).ok
    source, id_, column = LOOKED_UP[table]
    org.update(source, id_, **{column: "New"})
    built = org.built(table)[table]
    assert (built.mode, built.deleted, built.inserted) == ("incremental", 1, 1)
    assert org.differing(table) == {}
