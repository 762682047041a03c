"""The methods of the gRPC service `eventbus.v1.PubSub`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seil.salesforce.pubsub import messages

SERVICE = "eventbus.v1.PubSub"


@dataclass(frozen=True)
class RpcMethod:
    """`streams`: requests and responses are streams."""

    name: str
    request: Any
    response: Any
    streams: bool = False

    @property
    def path(self) -> str:
        return f"/{SERVICE}/{self.name}"


SUBSCRIBE = RpcMethod("Subscribe", messages.FetchRequest, messages.FetchResponse, streams=True)
GET_SCHEMA = RpcMethod("GetSchema", messages.SchemaRequest, messages.SchemaInfo)
GET_TOPIC = RpcMethod("GetTopic", messages.TopicRequest, messages.TopicInfo)
PUBLISH = RpcMethod("Publish", messages.PublishRequest, messages.PublishResponse)
PUBLISH_STREAM = RpcMethod(
    "PublishStream", messages.PublishRequest, messages.PublishResponse, streams=True
)
