"""The org's own time zone, from its Organization to the days in the tables."""

from __future__ import annotations

from collections.abc import Callable

from tests.sites import Site

OBJECTS = ("OrderItem", "vlocity_cmt__OrderItemAdPlacement__c")
STARTS = """
    SELECT sales_order_line_item_start_at AS start_at, sales_order_line_item_start_date AS day,
           sales_order_line_item_start_at AT TIME ZONE 'Australia/Sydney' AS local
    FROM sales_order_line_items WHERE sales_order_line_item_start_at IS NOT NULL"""


def test_placements_that_start_at_local_midnight_start_on_that_day(
    new_site: Callable[..., Site],
) -> None:
    site = new_site(*OBJECTS)
    site.tables = ("sales_order_line_items",)
    with site.serve():
        first = site.run().build.tables
        starts = site.query(STARTS)
        assert not any("days in UTC" in note for table in first for note in table.notes)
        assert {str(start["local"].time()) for start in starts} == {"00:00:00"}
        assert all(start["day"] == start["local"].date() for start in starts)

        config = site.folder / "seil.toml"
        zone = 'time_zone = "Europe/London"\nthreads'
        config.write_text(config.read_text("utf-8").replace("threads", zone), "utf-8")
        site.pass_a_second()
        again = {table.table: table.mode for table in site.run().build.tables}
        assert again["sales_order_line_items"] == "full"
        assert all(start["day"] < start["local"].date() for start in site.query(STARTS))
