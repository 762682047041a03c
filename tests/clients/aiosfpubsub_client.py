"""https://pypi.org/project/aiosfpubsub/ 0.0.6; it trusts certifi's certificates alone."""

from __future__ import annotations

import asyncio
from typing import Any

import certifi
import pubsub_scenario

certifi.where = lambda: pubsub_scenario.CA

from aiosfpubsub import Client  # noqa: E402  (it takes the certificates with its first import)


class EnoughError(Exception):
    """Its subscription has no other end."""


async def main() -> None:
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
        await client.subscribe(pubsub_scenario.TOPIC, "EARLIEST", b"", 1, take)
    except EnoughError:
        pubsub_scenario.tell(topic.schema_id, events)


asyncio.run(main())
