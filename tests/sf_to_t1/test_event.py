"""A billing extract of the org, its event over the Pub/Sub API, and TechOne's table."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.limits import until
from tests.sf_to_t1.conftest import Billing, make_billing_org
from tests.sf_to_t1.test_billing import CSV, RECEIVED, ROWS

from seil.app.subscribe import subscriber
from seil.sandbox.salesforce.options import OrgOptions, PubSubOptions
from seil.sandbox.salesforce.server import OrgServer
from seil.sandbox.techone.server import TechOneServer

SUBSCRIBE = """
[subscribe]
endpoint = "http://{address}"
platform_events = ["BillingExtractReady__e"]
collect = 0.05
max_wait = 0.2
"""


@pytest.fixture
def eventful(home: Path, tmp_path: Path, billing_techone: TechOneServer) -> Iterator[Billing]:
    make_billing_org(tmp_path / "org")
    options = OrgOptions(pubsub=PubSubOptions(keepalive=0.2))
    with OrgServer(tmp_path / "org", options=options) as org:
        site = Billing(home, org, billing_techone, "EVENTS")
        site.configure(SUBSCRIBE.format(address=org.pubsub_address))
        yield site


def test_an_extract_publishes_its_event_and_billing_starts(eventful: Billing) -> None:
    with eventful.open() as site:
        running = subscriber(site)
        thread = threading.Thread(target=running.run)
        thread.start()
        try:
            until(lambda: len(site.state.streams.all()) == 1)
            event = eventful.extract(CSV)
            until(lambda: eventful.job(event.job_id) == (RECEIVED, None))
        finally:
            running.stop.set()
            thread.join()
    assert eventful.rows() == ROWS
