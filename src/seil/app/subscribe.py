"""`seil subscribe`: the tables follow Salesforce's events."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from seil.errors import ConfigurationError, Problem
from seil.extras import requires

if TYPE_CHECKING:
    from seil.app.site import Site
    from seil.catalog import SyncedObject
    from seil.salesforce.pubsub.client import PubSub
    from seil.salesforce.pubsub.events import StreamEvent
    from seil.sf_to_dw.streams import Streams
    from seil.sf_to_dw.subscriber import BatchOutcome, EventSubscriber

SALESFORCE_ENDPOINT = "https://api.pubsub.salesforce.com:7443"
EXTRA = "events"
BILLING_EVENT = "BillingExtractReady__e"


def subscriber(
    site: Site, report: Callable[[BatchOutcome], None] = lambda _: None
) -> EventSubscriber:
    """Raises ConfigurationError where nothing streams, MissingExtraError."""
    settings = site.settings.subscribe
    objects = streaming_objects(site)
    if not objects and not settings.platform_events:
        problem = Problem(
            "[objects.<name>.flow] streams",
            "no object streams, and [subscribe] platform_events is empty",
            "set streams = true for an object in objects.toml; docs/subscribe.md shows how",
        )
        raise ConfigurationError([problem])
    with requires(EXTRA):
        from seil.sf_to_dw.subscriber import EventSubscriber

    return EventSubscriber(
        pipeline=site.pipeline,
        state=site.state,
        objects=objects,
        platform_events=settings.platform_events,
        open_streams=partial(_open_streams, site),
        handle=partial(handle_platform_event, site),
        recover=partial(recover_platform_event, site),
        open_round=partial(site.runs.round, "subscribe"),
        report=report,
        collect=settings.collect.total_seconds(),
        max_wait=settings.max_wait.total_seconds(),
    )


def streaming_objects(site: Site) -> list[SyncedObject]:
    return [obj for obj in site.catalog.values() if obj.flow.streams]


def subscribe(site: Site, report: Callable[[BatchOutcome], None] = lambda _: None) -> None:
    """Runs until it is interrupted; raises as `EventSubscriber.run` does."""
    subscriber(site, report).run()


def pubsub(site: Site) -> PubSub:
    """Raises MissingExtraError."""
    with requires(EXTRA):
        from seil.salesforce.pubsub.client import PubSub

    settings = site.settings.subscribe
    return PubSub(endpoint(site), site.org.session, site.org.id, ca=settings.ca)


def endpoint(site: Site) -> str:
    from seil.ports import PUBSUB_PORT
    from seil.salesforce.token_endpoint import is_loopback

    if site.settings.subscribe.endpoint:
        return site.settings.subscribe.endpoint
    is_stand_in = is_loopback(site.settings.salesforce.login_url)
    return f"http://127.0.0.1:{PUBSUB_PORT}" if is_stand_in else SALESFORCE_ENDPOINT


def handle_platform_event(site: Site, event: StreamEvent) -> None:
    """Publishes it, and starts what it starts here. Idempotent: the same event may come twice."""
    from seil.events.envelope import Event
    from seil.events.file_events import event_id

    name = event.topic.rpartition("/")[2]
    detail = {"name": name, "event_id": event.id, "fields": dict(event.fields)}
    key = event_id("platform-event", name, event.id)
    site.bus.publish([Event("seil.salesforce", "platform-event", detail, id=key)])
    if name == BILLING_EVENT:
        _start_billing(site, event)


def recover_platform_event(site: Site, topic: str) -> None:
    """Of lost events: billing's are made up for by the jobs that wait in the org."""
    from seil.app.billing import take_up_waiting_jobs
    from seil.app.doctor_billing import uses_billing

    if topic.rpartition("/")[2] == BILLING_EVENT and uses_billing(site.settings):
        take_up_waiting_jobs(site)


def _start_billing(site: Site, event: StreamEvent) -> None:
    from seil.app.billing import handle_billing_ready
    from seil.sf_to_t1.event import BillingReady

    handle_billing_ready(site, BillingReady.parse(event.fields))


def _open_streams(site: Site) -> Streams:
    from seil.sf_to_dw.streams import Streams

    settings = site.settings.subscribe
    return Streams(
        pubsub(site),
        site.org.renew_session,
        silence=settings.silence.total_seconds(),
        max_wait=settings.max_wait.total_seconds(),
    )
