"""The client of the Pub/Sub API, with the sessions of an org."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import grpc

from seil.closing import Closing
from seil.errors import ConfigurationError, Problem
from seil.salesforce.pubsub import messages, service
from seil.salesforce.pubsub.events import Schemas, StreamEvent
from seil.salesforce.pubsub.faults import translate
from seil.salesforce.session import Session

_Metadata = tuple[tuple[str, str], ...]

MOST_PENDING = 100
_CALL_SECONDS = 30.0
_KEEPALIVE_MILLISECONDS = 60_000
_LONGEST_MESSAGE = 8 << 20


@dataclass(frozen=True)
class Topic:
    name: str
    schema_id: str
    can_publish: bool
    can_subscribe: bool


@dataclass(frozen=True)
class Fetched:
    """`events` may be none: a keepalive, which moves `replay_id` on."""

    events: tuple[StreamEvent, ...]
    replay_id: bytes


class PubSub(Closing):
    """Thread-safe. `session` gives the org's current one, `org_id` its id.

    Raises ConfigurationError for an unreadable `ca`, the file of a certificate to trust.
    """

    def __init__(
        self,
        endpoint: str,
        session: Callable[[], Session],
        org_id: Callable[[], str],
        *,
        ca: Path | None = None,
    ) -> None:
        self._session = session
        self._org_id = org_id
        self._channel = _channel(endpoint, ca)
        self._schemas = Schemas(self._fetch_schema)

    def close(self) -> None:
        """Ends every stream."""
        self._channel.close()

    def topic(self, name: str) -> Topic:
        """Raises RequestRejectedError where this user cannot see it."""
        info = self._call(service.GET_TOPIC, messages.TopicRequest(topic_name=name))
        return Topic(info.topic_name, info.schema_id, info.can_publish, info.can_subscribe)

    def subscribe(self, topic: str, after: bytes | None, *, earliest: bool = False) -> Subscription:
        """Events after that replay id; None: from now on, or from the `earliest` that is kept."""
        session = self._session()
        subscription = Subscription(topic, session, self._schemas)
        preset = messages.CUSTOM if after else messages.EARLIEST if earliest else messages.LATEST
        first = {"topic_name": topic, "replay_preset": preset, "replay_id": after or b""}
        return subscription.open(self._channel, first, self._metadata(session))

    def _fetch_schema(self, schema_id: str) -> str:
        request = messages.SchemaRequest(schema_id=schema_id)
        return str(self._call(service.GET_SCHEMA, request).schema_json)

    def _call(self, method: service.RpcMethod, request: Any) -> Any:
        call = self._channel.unary_unary(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        try:
            metadata = self._metadata(self._session())
            return call(request, metadata=metadata, timeout=_CALL_SECONDS)
        except grpc.RpcError as error:
            raise translate(error) from error

    def _metadata(self, session: Session) -> _Metadata:
        return (
            ("accesstoken", session.access_token),
            ("instanceurl", session.instance_url),
            ("tenantid", self._org_id()),
        )


class Subscription:
    """One stream, which one thread reads; `request` and `cancel` may be called by others.

    `session` is the one that it was opened with.
    """

    def __init__(self, topic: str, session: Session, schemas: Schemas) -> None:
        self.session = session
        self._topic = topic
        self._schemas = schemas
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._pending = 0
        self._call: Any = None

    def open(self, channel: grpc.Channel, first: Mapping[str, Any], metadata: _Metadata) -> Self:
        """`first` says where it begins."""
        self._request(first)
        method = service.SUBSCRIBE
        self._call = channel.stream_stream(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )(iter(self._requests.get, None), metadata=metadata)
        return self

    def wait_until_open(self) -> None:
        """Until the service has taken up its place in the stream: it sends headers, then events.

        A refusal comes with headers, too, and no sooner: reading the stream raises it.
        """
        self._call.initial_metadata()

    def request(self) -> None:
        """Asks for as many events as may be pending, once half of them have come."""
        if self._pending <= MOST_PENDING // 2:
            self._request({})

    def _request(self, first: Mapping[str, Any]) -> None:
        with self._lock:
            if (count := MOST_PENDING - self._pending) > 0:
                self._requests.put(messages.FetchRequest(num_requested=count, **first))
                self._pending += count

    def __iter__(self) -> Iterator[Fetched]:
        """Until the service closes the stream. Raises ReplayLostError, StreamLoginError,
        UnavailableError, QuotaExhaustedError and RequestRejectedError.
        """
        try:
            for response in self._call:
                with self._lock:
                    # The service's own count does not have what is on its way to it.
                    self._pending -= len(response.events)
                yield Fetched(tuple(map(self._event, response.events)), response.latest_replay_id)
        except grpc.RpcError as error:
            raise translate(error) from error

    def cancel(self) -> None:
        self._requests.put(None)
        self._call.cancel()

    def _event(self, delivered: Any) -> StreamEvent:
        event = delivered.event
        fields = self._schemas.decode(event.schema_id, event.payload)
        return StreamEvent(self._topic, event.id, delivered.replay_id, event.schema_id, fields)


def _channel(endpoint: str, ca: Path | None) -> grpc.Channel:
    parts = urlsplit(endpoint)
    options = [
        ("grpc.keepalive_time_ms", _KEEPALIVE_MILLISECONDS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.max_receive_message_length", _LONGEST_MESSAGE),
        # Each client has connections of its own: a new one after a silent one.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if parts.scheme == "http":
        return grpc.insecure_channel(parts.netloc, options)
    try:
        roots = ca.read_bytes() if ca else None
    except OSError as error:
        reason = error.strerror or str(error)
        problem = Problem(str(ca), f"cannot be read: {reason}", "correct [subscribe] ca")
        raise ConfigurationError([problem]) from error
    return grpc.secure_channel(parts.netloc, grpc.ssl_channel_credentials(roots), options)
