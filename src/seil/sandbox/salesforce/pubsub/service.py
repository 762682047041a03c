"""The gRPC service `eventbus.v1.PubSub` on the org's events."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from seil.errors import ConfigurationError, Problem
from seil.salesforce.ids import full_id
from seil.salesforce.pubsub import messages, service
from seil.sandbox.base.faults import FaultTable
from seil.sandbox.salesforce.auth import Logins
from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.options import OrgOptions, PubSubOptions
from seil.sandbox.salesforce.pubsub.capture import ChangeCapture, decode
from seil.sandbox.salesforce.pubsub.event_log import EventLog, NewEvent, StoredEvent, encode_replay
from seil.sandbox.salesforce.pubsub.flow import MOST_PENDING, PendingEvents
from seil.sandbox.salesforce.pubsub.gaps import as_gaps, as_overflow
from seil.sandbox.salesforce.pubsub.platform_events import platform_schemas
from seil.sandbox.salesforce.pubsub.refusals import new_rpc_id, refuse
from seil.sandbox.salesforce.pubsub.schemas import (
    ALL_CHANGES,
    EventSchema,
    change_schema,
    change_topic,
)
from seil.sandbox.salesforce.store import OrgStore
from seil.sandbox.salesforce.usage import Usage

_THREADS = 64
_GRACE = 0.5
_LONGEST_MESSAGE = 4 << 20
_METHOD = "GRPC"


@dataclass(frozen=True)
class EventBus:
    """What the service works on."""

    store: OrgStore
    log: EventLog
    capture: ChangeCapture
    logins: Logins
    usage: Usage
    options: OrgOptions
    faults: FaultTable[OrgFault]


class PubSubServer:
    """Listens on a plaintext port, and with a certificate on a TLS port, too; 0 takes a free one.

    Raises ConfigurationError where a port cannot be bound.
    """

    def __init__(self, bus: EventBus, host: str) -> None:
        self._service = _Service(bus)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="pubsub")
        self._server = grpc.server(
            self._threads,
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", _LONGEST_MESSAGE),
            ],
        )
        self._server.add_generic_rpc_handlers((self._service.handlers(),))
        options = bus.options.pubsub or PubSubOptions()
        self._tls_address = f"{host}:{options.tls_port}"
        self.tls_port = 0
        with _binds(f"{host}:{options.port}") as address:
            self.port = self._server.add_insecure_port(address)

    def start(self, chain: Path, key: Path) -> None:
        pair = (key.read_bytes(), chain.read_bytes())
        credentials = grpc.ssl_server_credentials([pair])
        with _binds(self._tls_address) as address:
            self.tls_port = self._server.add_secure_port(address, credentials)
        self._server.start()

    def stop(self) -> None:
        self._service.stop()
        self._server.stop(_GRACE).wait()
        self._threads.shutdown(wait=True)


@contextmanager
def _binds(address: str) -> Iterator[str]:
    try:
        yield address
    except RuntimeError as error:
        cure = "stop what listens there, or name another --pubsub-port and --pubsub-tls-port"
        raise ConfigurationError([Problem(address, "cannot be bound", cure)]) from error


class _Service:
    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._log = bus.log
        self._stops = threading.Event()

    def stop(self) -> None:
        self._stops.set()
        self._log.announce()

    def handlers(self) -> Any:
        work: dict[service.RpcMethod, Callable[..., Any]] = {
            service.SUBSCRIBE: self._subscribe,
            service.GET_SCHEMA: self._get_schema,
            service.GET_TOPIC: self._get_topic,
            service.PUBLISH: self._publish,
            service.PUBLISH_STREAM: self._publish_stream,
        }
        return grpc.method_handlers_generic_handler(
            service.SERVICE, {method.name: _handler(method, work[method]) for method in work}
        )

    def _get_topic(self, request: Any, context: Any) -> Any:
        self._admit(context, service.GET_TOPIC, request.topic_name)
        schema = self._schema_of(request.topic_name)
        if schema is None and request.topic_name != ALL_CHANGES:
            refuse(context, "no-topic")
        return messages.TopicInfo(
            topic_name=request.topic_name,
            tenant_guid=self._bus.logins.org_id,
            can_publish=request.topic_name.startswith("/event/"),
            can_subscribe=True,
            schema_id=schema.id if schema else "",
            rpc_id=new_rpc_id(),
        )

    def _get_schema(self, request: Any, context: Any) -> Any:
        self._admit(context, service.GET_SCHEMA, request.schema_id)
        text = self._log.schema(request.schema_id)
        if text is None:
            refuse(context, "no-schema")
        return messages.SchemaInfo(
            schema_json=text, schema_id=request.schema_id, rpc_id=new_rpc_id()
        )

    def _publish(self, request: Any, context: Any) -> Any:
        self._admit(context, service.PUBLISH, request.topic_name)
        schema = platform_schemas().get(request.topic_name)
        if schema is None:
            refuse(context, "publish")
        results = [self._publish_one(request.topic_name, schema, each) for each in request.events]
        self._log.announce()
        return messages.PublishResponse(results=results, schema_id=schema.id, rpc_id=new_rpc_id())

    def _publish_stream(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        topic = ""
        for request in requests:
            topic = topic or request.topic_name
            if request.topic_name not in ("", topic):
                refuse(context, "topic")
            request.topic_name = topic
            yield self._publish(request, context)

    def _publish_one(self, topic: str, schema: EventSchema, event: Any) -> Any:
        key = event.id or str(uuid.uuid4())
        try:
            if event.schema_id != schema.id:
                raise ValueError(f"schema {event.schema_id} is not the topic's")
            decode(schema.avro, event.payload)
        except (ValueError, EOFError, IndexError, TypeError) as error:
            failed = messages.Error(code=messages.PUBLISH, msg=str(error) or "unreadable payload")
            return messages.PublishResult(error=failed, correlation_key=key)
        new = NewEvent(topic, str(uuid.uuid4()), schema.id, event.payload)
        (replay,) = self._log.append([new], self._bus.options.clock())
        return messages.PublishResult(replay_id=encode_replay(replay), correlation_key=key)

    def _subscribe(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        first = next(requests, None)
        if first is None:
            return
        topic = first.topic_name
        self._admit(context, service.SUBSCRIBE, topic)
        if topic != ALL_CHANGES and self._schema_of(topic) is None:
            refuse(context, "no-topic")
        position = self._start(first, context)
        demand = PendingEvents(self._log.announce)
        demand.add(first.num_requested)
        context.add_callback(self._log.announce)
        context.send_initial_metadata(())
        threading.Thread(target=demand.read, args=(requests, topic), daemon=True).start()
        yield from self._stream(_Subscription(topic, position, demand), context)

    def _start(self, first: Any, context: Any) -> int:
        """The replay number that the stream starts after."""
        if first.replay_preset == messages.LATEST:
            return self._log.last()
        if first.replay_preset == messages.EARLIEST:
            return 0
        if not first.replay_id:
            refuse(context, "replay")
        if problem := self._log.check(first.replay_id):
            refuse(context, "corrupted" if problem == "corrupted" else "replay")
        return int.from_bytes(first.replay_id, "big")

    def _stream(self, subscription: _Subscription, context: Any) -> Iterator[Any]:
        options = self._bus.options.pubsub
        keepalive, idle = (options.keepalive, options.idle_close) if options else (270.0, 60.0)
        demand, sent_at = subscription.demand, time.monotonic()
        while context.is_active() and not self._stops.is_set():
            if demand.problem:
                refuse(context, demand.problem)
            pending = min(demand.pending, MOST_PENDING)
            # A keepalive names the last event that may have been sent, read before the events.
            latest = self._log.last()
            events = (
                self._log.after(subscription.topic, subscription.position, pending)
                if pending
                else []
            )
            silence = keepalive - (time.monotonic() - sent_at)
            if events:
                response = self._deliver(subscription, events, context)
                if response is None:
                    return
                yield response
                sent_at = time.monotonic()
            elif silence <= 0 or (demand.is_closed and pending):
                yield self._response(subscription, [], latest if pending else None)
                sent_at = time.monotonic()
                if demand.is_closed:
                    return
            elif demand.idle_seconds >= idle or demand.is_closed:
                return
            else:
                rest = silence if pending else min(silence, idle - demand.idle_seconds)
                self._wait(subscription, context, pending, max(rest, 0.0))

    def _wait(
        self, subscription: _Subscription, context: Any, pending: int, seconds: float
    ) -> None:
        """Until an event, a request, the call's end or so many seconds."""
        demand = subscription.demand
        with self._log.arrival:
            # Each of them happens before it is announced.
            is_over = self._stops.is_set() or not context.is_active() or demand.is_closed
            is_changed = demand.pending != pending or self._log.last() != subscription.looked_at
            if not (is_over or is_changed):
                self._log.arrival.wait(seconds)
            subscription.looked_at = self._log.last()

    def _deliver(
        self, subscription: _Subscription, events: Sequence[StoredEvent], context: Any
    ) -> Any:
        """None where the stream ends."""
        topic = subscription.topic
        fault = self._strike(service.SUBSCRIBE, f"{topic}/deliver")
        stream = fault.stream if fault else ""
        if fault and stream == "silence":
            self._be_silent(fault, context)
            return None
        if stream == "close":
            return None
        if stream == "reset":
            context.abort(grpc.StatusCode.UNAVAILABLE, "recvmsg:Connection reset by peer")
        if stream in ("auth", "unavailable", "limit", "clients"):
            refuse(context, stream)
        if not self._bus.usage.spend_delivered(len(events)):
            refuse(context, "limit")
        if stream == "twice":
            again = [NewEvent(e.topic, e.event_id, e.schema_id, e.payload) for e in events]
            self._log.append(again, self._bus.options.clock())
        if stream == "gap":
            events = as_gaps(events, self._log.schema)
        if stream == "overflow":
            events = as_overflow(events, self._log.schema)
        subscription.position = events[-1].replay
        return self._response(subscription, events, None)

    def _response(
        self, subscription: _Subscription, events: Sequence[StoredEvent], latest: int | None
    ) -> Any:
        """A keepalive moves the position up to `latest`, for there is no event of the topic."""
        subscription.position = max(subscription.position, latest or 0)
        return messages.FetchResponse(
            events=[_consumer_event(event) for event in events],
            latest_replay_id=encode_replay(subscription.position),
            rpc_id=new_rpc_id(),
            pending_num_requested=subscription.demand.spend(len(events)),
        )

    def _be_silent(self, fault: OrgFault, context: Any) -> None:
        while context.is_active() and not self._stops.is_set() and fault in self._bus.faults:
            with self._log.arrival:
                self._log.arrival.wait(0.2)

    def _admit(self, context: Any, method: service.RpcMethod, about: str) -> None:
        headers = {entry.key: entry.value for entry in context.invocation_metadata()}
        session = self._bus.logins.token_session(headers.get("accesstoken", ""), kind="access")
        is_own = full_id(headers.get("tenantid", "")) == full_id(self._bus.logins.org_id)
        if session is None or not is_own or not headers.get("instanceurl"):
            refuse(context, "auth")
        fault = self._strike(method, about)
        if fault and fault.stream == "reset":
            context.abort(grpc.StatusCode.UNAVAILABLE, "recvmsg:Connection reset by peer")
        if fault and fault.stream:
            refuse(context, fault.stream)

    def _strike(self, method: service.RpcMethod, about: str) -> OrgFault | None:
        return self._bus.faults.strike(_METHOD, f"{method.path}{about}")

    def _schema_of(self, topic: str) -> EventSchema | None:
        """The topic's present schema; None where there is no such topic."""
        if schema := platform_schemas().get(topic):
            return schema
        for entity in self._bus.store.objects.values():
            if change_topic(entity).lower() == topic.lower() and self._bus.capture.captures(entity):
                schema = change_schema(entity)
                if self._log.schema(schema.id) is None:
                    self._log.store_schemas([schema])
                return schema
        return None


@dataclass
class _Subscription:
    topic: str
    position: int
    demand: PendingEvents
    looked_at: int = -1


def _consumer_event(event: StoredEvent) -> Any:
    inner = messages.ProducerEvent(
        id=event.event_id, schema_id=event.schema_id, payload=event.payload
    )
    return messages.ConsumerEvent(event=inner, replay_id=event.replay_id)


def _handler(method: service.RpcMethod, work: Callable[..., Any]) -> Any:
    make = (
        grpc.stream_stream_rpc_method_handler
        if method.streams
        else grpc.unary_unary_rpc_method_handler
    )
    return make(
        work,
        request_deserializer=method.request.FromString,
        response_serializer=method.response.SerializeToString,
    )
