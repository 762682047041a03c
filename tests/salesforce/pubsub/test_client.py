"""The client of the Pub/Sub API against the stand-in, in plaintext and with TLS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from tests.limits import HANGS
from tests.rest_writes import write
from tests.sandbox.salesforce.conftest import make_org
from tests.shared import build_once

from seil.errors import (
    ConfigurationError,
    QuotaExhaustedError,
    RequestRejectedError,
    SeilError,
    ThrottledError,
    UnavailableError,
)
from seil.salesforce.org import Org
from seil.salesforce.pubsub import messages, service
from seil.salesforce.pubsub.client import Fetched, PubSub
from seil.salesforce.pubsub.events import change_header
from seil.salesforce.pubsub.faults import ReplayLostError, StreamLoginError
from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.options import OrgOptions, PubSubOptions, Quotas
from seil.sandbox.salesforce.pubsub.capture import encode
from seil.sandbox.salesforce.pubsub.event_log import EventLog, encode_replay
from seil.sandbox.salesforce.pubsub.platform_events import platform_schemas
from seil.sandbox.salesforce.record_ids import ORG_ID
from seil.sandbox.salesforce.records import OrgRecords
from seil.sandbox.salesforce.server import OrgServer
from seil.settings import SalesforceSettings

TOPIC = "/data/AccountChangeEvent"
ACME, NORTH, ZOE = (f"0015g000000000{n}AAA" for n in (1, 2, 3))
FIRST = encode_replay(1_000)


@dataclass
class Bus:
    server: OrgServer
    org: Org
    client: PubSub
    now: list[datetime] = field(default_factory=list)

    def rename(self, name: str, account: str = ACME) -> None:
        write(self.server.url, "PATCH", f"Account/{account}", {"Name": name})

    def receive(self, after: bytes | None, count: int = 1, topic: str = TOPIC) -> list[Fetched]:
        """The first deliveries."""
        subscription = self.client.subscribe(topic, after)
        try:
            return list(islice(subscription, count))
        finally:
            subscription.cancel()


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    folder = build_once(tmp_path_factory, "pubsub-org", lambda folder: make_org(folder / "org"))
    times: list[datetime] = []
    options = OrgOptions(
        pubsub=PubSubOptions(keepalive=0.2),
        quotas=Quotas(delivered_events=500),
        clock=lambda: times[-1] if times else datetime.now(UTC),
    )
    copy = tmp_path_factory.mktemp("pubsub")
    (copy / "org.duckdb").write_bytes((folder / "org" / "org.duckdb").read_bytes())
    with (
        OrgServer(copy, options=options) as server,
        Org(SalesforceSettings(login_url=server.url)) as org,
        PubSub(f"http://{server.pubsub_address}", org.session, org.id) as client,
    ):
        yield Bus(server, org, client, times)
        server.faults.clear()


@pytest.fixture(autouse=True)
def _no_faults(bus: Bus) -> Iterator[None]:
    yield
    bus.server.faults.clear()
    bus.now.clear()


def test_event_names_records_and_keepalive_moves_the_place(bus: Bus) -> None:
    (before,) = bus.receive(None)
    bus.rename("One")
    fetched, keepalive = bus.receive(before.replay_id, 2)
    (event,) = fetched.events
    header = change_header(event)
    assert (header.entity, header.record_ids, header.change_type) == ("Account", (ACME,), "UPDATE")
    assert (event.fields["Name"], event.fields["Description"]) == ("One", None)
    assert (before.events, keepalive.events) == ((), ())
    assert before.replay_id < event.replay_id <= keepalive.replay_id
    assert len(event.replay_id) == 8


def test_records_changed_alike_in_one_transaction_share_an_event(bus: Bus) -> None:
    (before,) = bus.receive(None)
    assert bus.server._parts is not None
    records = OrgRecords(bus.server._parts.store, user_id="0055g0000000001AAA")
    records.update("Account", [{"Id": each, "Staff__c": 77} for each in (ACME, NORTH, ZOE)])
    (fetched,) = bus.receive(before.replay_id)
    (event,) = fetched.events
    assert change_header(event).record_ids == (ACME, NORTH, ZOE)


def test_schema_changes_in_the_middle_of_a_stream(bus: Bus) -> None:
    (before,) = bus.receive(None)
    bus.rename("Old schema")
    body = {"object": "Account", "action": "add", "field": "Late__c", "type": "string"}
    httpx.post(f"{bus.server.url}/sandbox/schema", json=body, timeout=HANGS).raise_for_status()
    write(bus.server.url, "PATCH", f"Account/{ACME}", {"Late__c": "new schema"})
    subscription = bus.client.subscribe(TOPIC, before.replay_id)
    events = [event for fetched in islice(subscription, 1) for event in fetched.events]
    subscription.cancel()
    assert [event.fields.get("Late__c") for event in events] == [None, "new schema"]
    assert events[0].schema_id != events[1].schema_id
    assert bus.client.topic(TOPIC).schema_id == events[1].schema_id


def test_no_more_is_delivered_than_requested(bus: Bus) -> None:
    """100 are pending at most; the client asks again once half of them have come."""
    (before,) = bus.receive(None)
    assert bus.server._parts is not None
    records = OrgRecords(bus.server._parts.store, user_id="0055g0000000001AAA")
    records.insert("Account", [{"Name": f"Many {n}", "Active__c": True} for n in range(130)])
    subscription = bus.client.subscribe(TOPIC, before.replay_id)
    deliveries = iter(subscription)
    assert len(next(deliveries).events) == 100
    subscription.request()
    assert [len(next(deliveries).events)] == [30]
    subscription.cancel()


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        ("auth", StreamLoginError),
        ("unavailable", UnavailableError),
        ("reset", UnavailableError),
        ("clients", ThrottledError),
        ("limit", QuotaExhaustedError),
        ("corrupted", ReplayLostError),
        ("replay", ReplayLostError),
    ],
)
def test_refusal_is_an_error_of_the_tree(bus: Bus, stream: str, error: type[SeilError]) -> None:
    bus.server.faults.add(OrgFault.model_validate({"path": "/Subscribe/", "stream": stream}))
    with pytest.raises(error) as raised:
        bus.receive(FIRST)
    assert stream == "reset" or "rpc" in raised.value.message


@pytest.mark.parametrize("replay_id", [b"short", b"\xff" * 8], ids=["short", "of another org"])
def test_replay_id_that_is_none_is_refused(bus: Bus, replay_id: bytes) -> None:
    with pytest.raises(ReplayLostError, match="corrupted"):
        bus.receive(replay_id)


def test_unknown_topic_is_rejected(bus: Bus) -> None:
    with pytest.raises(RequestRejectedError, match=r"topic\.not\.found"):
        bus.client.topic("/data/NothingChangeEvent")


def test_tls_needs_the_certificate_of_the_ca(bus: Bus, tmp_path: Path) -> None:
    address = f"https://{bus.server.pubsub_tls_address}"
    with PubSub(address, bus.org.session, bus.org.id, ca=bus.server.pubsub_ca) as client:
        assert client.topic(TOPIC).can_subscribe
    with pytest.raises(ConfigurationError, match=r"nothing\.crt"):
        PubSub(address, bus.org.session, bus.org.id, ca=tmp_path / "nothing.crt")


def test_session_of_another_org_is_refused(bus: Bus) -> None:
    address = f"http://{bus.server.pubsub_address}"
    with (
        PubSub(address, bus.org.session, lambda: ORG_ID.replace("5", "6")) as client,
        pytest.raises(StreamLoginError),
    ):
        client.topic(TOPIC)


def test_events_are_kept_for_72_hours(bus: Bus) -> None:
    bus.rename("Old")
    assert bus.server._parts is not None
    log = EventLog(bus.server._parts.store)
    last = log.last()
    log.prune(datetime.now(UTC) + timedelta(hours=71))
    assert log.after(TOPIC, 0, 1)
    log.prune(datetime.now(UTC) + timedelta(hours=73))
    assert log.after(TOPIC, 0, 1) == []
    assert log.check(encode_replay(last)) == ""
    with pytest.raises(ReplayLostError, match=r"validation\.failed"):
        bus.receive(FIRST)


def test_events_of_a_publishing_stream_arrive(bus: Bus) -> None:
    """The first request alone names the topic, as of the clients that publish in batches."""
    topic, schema = next(iter(platform_schemas().items()))
    (before,) = bus.receive(None, topic=topic)
    payload = encode(schema.parsed, {"CreatedDate": 1, "CreatedById": "005", "FileIds__c": "[]"})
    event = messages.ProducerEvent(id="mine", schema_id=schema.id, payload=payload)
    requests = [
        messages.PublishRequest(topic_name=topic, events=[event]),
        messages.PublishRequest(events=[event]),
    ]
    answers = call(bus, service.PUBLISH_STREAM.path, requests, messages.PublishResponse)
    results = [result for answer in answers for result in answer.results]
    fetched = bus.receive(before.replay_id, topic=topic)
    assert [result.correlation_key for result in results] == ["mine", "mine"]
    assert [e.replay_id for f in fetched for e in f.events] == [r.replay_id for r in results]


def test_method_that_the_stand_in_does_not_have_is_unimplemented(bus: Bus) -> None:
    """ManagedSubscribe keeps places at Salesforce, and is in Beta."""
    with pytest.raises(grpc.RpcError) as refused:
        call(bus, f"/{service.SERVICE}/ManagedSubscribe", [], messages.FetchResponse)
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


def call(bus: Bus, path: str, requests: Sequence[Any], answer: Any) -> list[Any]:
    """Of a method that SEIL has no use for."""
    session = bus.org.session()
    metadata = (
        ("accesstoken", session.access_token),
        ("instanceurl", session.instance_url),
        ("tenantid", bus.org.id()),
    )
    with grpc.insecure_channel(bus.server.pubsub_address) as channel:
        method = channel.stream_stream(
            path,
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return list(method(iter(requests), metadata=metadata, timeout=HANGS))
