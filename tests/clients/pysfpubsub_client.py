"""https://pypi.org/project/pysfpubsub/ 0.1.2; it trusts certifi's certificates alone."""

from __future__ import annotations

from typing import Any

import certifi
import pubsub_scenario

_certificates = certifi.where
certifi.where = lambda: pubsub_scenario.CA

from pysfpubsub.pubsub import Client  # noqa: E402  (it reads the certificates as it is imported)

certifi.where = _certificates


class EnoughError(Exception):
    """Its subscription has no other end."""


def main() -> None:
    host, port = pubsub_scenario.TLS.split(":")
    client = Client(
        pubsub_scenario.URL, pubsub_scenario.USER, pubsub_scenario.PASSWORD, host, int(port)
    )
    client.auth()
    topic = client.get_topic(pubsub_scenario.TOPIC)
    events: list[Any] = []

    def take(response: Any, _client: Any) -> None:
        for event in response.events:
            schema = client.get_schema_json(event.event.schema_id)
            events.append(client.decode(schema, event.event.payload))
        if events:
            raise EnoughError

    try:
        client.subscribe(pubsub_scenario.TOPIC, "EARLIEST", b"", 1, take)
    except EnoughError:
        pubsub_scenario.tell(topic.schema_id, events, published=publish(client))


def publish(client: Client) -> int:
    """The length of the event's replay id."""
    topic = client.get_topic(pubsub_scenario.PLATFORM_TOPIC)
    schema = client.get_schema_json(topic.schema_id)
    values = {"CreatedDate": 1, "CreatedById": "005", "FileIds__c": "[]", "IntegrationJobId__c": ""}
    event = client.format_payload(schema, topic.schema_id, values)
    (result,) = client.publish(pubsub_scenario.PLATFORM_TOPIC, [event]).results
    return len(result.replay_id)


main()
