"""Events that come again, or later than what happened after them: each is a trigger only."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.sf_to_dw.events.conftest import ACME, TOPIC, StreamingSite, Subscription, subscribing

from seil.sandbox.salesforce.pubsub.capture import encode
from seil.sandbox.salesforce.pubsub.event_log import EventLog, NewEvent, StoredEvent
from seil.sandbox.salesforce.pubsub.platform_events import platform_schemas

NORTH, PURGED = "0015g0000000002AAA", "0015g0000000004AAA"


def last_event(site: StreamingSite) -> StoredEvent:
    return EventLog(site.store).after(TOPIC, 0, 1_000)[-1]


def send(site: StreamingSite, event: NewEvent, *, event_id: str = "") -> None:
    """Under a new replay id, with the next event that the org publishes."""
    again = NewEvent(event.topic, event_id or event.event_id, event.schema_id, event.payload)
    EventLog(site.store).append([again], datetime.now(UTC))


def wait_for_next(site: StreamingSite, running: Subscription, name: str) -> None:
    """Until an event behind all others has been committed."""
    site.rename(NORTH, name)
    running.wait_for(site, NORTH, name)


def test_event_in_two_batches_is_read_once(site: StreamingSite) -> None:
    with site.serve(), subscribing(site) as running:
        site.rename(ACME, "Once")
        running.wait_for(site, ACME, "Once")
        send(site, last_event(site))
        wait_for_next(site, running, "Behind it")
    assert sum(outcome.events for outcome in running.outcomes) == 2
    assert sum(outcome.rows for outcome in running.outcomes) == 2


def test_event_that_the_last_process_has_committed_changes_nothing(site: StreamingSite) -> None:
    with site.serve():
        with subscribing(site) as running:
            site.rename(ACME, "Once")
            running.wait_for(site, ACME, "Once")
        before = site.records()[ACME]
        send(site, last_event(site))
        with subscribing(site) as running:
            wait_for_next(site, running, "Behind it")
    assert site.records()[ACME] == before


def test_deletion_that_comes_after_the_undeletion_deletes_nothing(site: StreamingSite) -> None:
    with site.serve(), subscribing(site) as running:
        site.write("DELETE", f"Account/{ACME}")
        deletion = last_event(site)
        running.wait_for(site, ACME, None)
        site.undelete(ACME)
        site.rename(ACME, "Back again")
        running.wait_for(site, ACME, "Back again")
        send(site, deletion, event_id="late")
        wait_for_next(site, running, "Behind it")
    assert (site.records()[ACME]["name"], site.records()[ACME]["isdeleted"]) == (
        "Back again",
        False,
    )


def test_change_that_comes_after_the_deletion_brings_nothing_back(site: StreamingSite) -> None:
    with site.serve(), subscribing(site) as running:
        site.rename(PURGED, "Soon gone")
        change = last_event(site)
        running.wait_for(site, PURGED, "Soon gone")
        site.purge(PURGED)
        running.wait_for(site, PURGED, None)
        send(site, change, event_id="late")
        wait_for_next(site, running, "Behind it")
    assert site.records()[PURGED]["isdeleted"]


def test_platform_event_with_a_date_of_its_publisher_arrives(site: StreamingSite) -> None:
    """Over the Pub/Sub API whoever publishes fills in CreatedDate, and some with a placeholder."""
    site.settings = 'platform_events = ["BillingExtractReady__e"]'
    with site.serve(), subscribing(site) as running:
        running.wait_until_settled()
        topic, schema = next(iter(platform_schemas().items()))
        values = {"CreatedDate": 1, "CreatedById": ACME, "FileIds__c": "nonsense"}
        payload = encode(schema.parsed, values)
        send(site, NewEvent(topic, "with a placeholder", schema.id, payload))
        wait_for_next(site, running, "Behind it")
        running.wait(lambda: bool(site.published("platform-event")))
