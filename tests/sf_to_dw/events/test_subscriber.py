"""Events of the stand-in, all the way to the tables."""

from __future__ import annotations

from tests.sf_to_dw.events.conftest import STREAM, subscribing
from tests.sites import Site

from seil.sandbox.salesforce.options import PubSubOptions


def test_changed_record_reaches_the_warehouse(site: Site) -> None:
    account = next(iter(site.org_values("Account", "Name")))
    with site.serve(STREAM, pubsub=PubSubOptions()), subscribing(site) as running:
        running.wait_for_streams()
        site.write("PATCH", f"Account/{account}", {"Name": "On the event"})
        running.wait(lambda: any(outcome.rows for outcome in running.outcomes[-1:]))
    assert site.records("account")[account]["name"] == "On the event"
