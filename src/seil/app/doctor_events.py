"""Does the Pub/Sub API answer, and may this user subscribe to what streams?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from seil.checks import SiteCheck
from seil.errors import MissingExtraError, RejectError

if TYPE_CHECKING:
    from seil.app.site import Site

_CURE = (
    "select the object in Setup, Change Data Capture, and give the user View All on it; "
    "docs/subscribe.md"
)
_EVENT_CURE = "correct [subscribe] platform_events, or let the user read the event"


def event_checks(site: Site) -> Iterator[SiteCheck]:
    """Nothing where nothing streams."""
    from seil.app.subscribe import endpoint, pubsub, streaming_objects
    from seil.sf_to_dw.changes import change_topic, event_topic

    names = [obj.api_name for obj in streaming_objects(site)]
    topics = dict.fromkeys(map(change_topic, names), _CURE)
    topics |= dict.fromkeys(map(event_topic, site.settings.subscribe.platform_events), _EVENT_CURE)
    if not topics:
        return
    try:
        client = pubsub(site)
    except MissingExtraError as error:
        yield SiteCheck("events", "fail", error.message, error.hint)
        return
    refused = 0
    with client:
        for topic, cure in topics.items():
            try:
                is_open = client.topic(topic).can_subscribe
            except RejectError as error:
                yield SiteCheck("events", "fail", f"{topic}: {error.message}", cure)
                refused += 1
            else:
                if not is_open:
                    yield SiteCheck("events", "fail", f"{topic} refuses subscribers", cure)
                    refused += 1
    if not refused:
        yield SiteCheck("events", "ok", f"{endpoint(site)}, {len(topics):,} topics")
