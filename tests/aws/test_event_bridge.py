"""EventBridge as the bus: real rules and queues of ministack, and an EventBridge that refuses."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from tests.limits import until
from tests.ministack import REGION, Ministack

from seil.errors import ConfigurationError, LakeError, UnavailableError
from seil.events.envelope import Event
from seil.events.event_bridge import LONGEST_ENTRY, EventBridge, describe_bus, received
from seil.lake import Bucket

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def load_event(number: int = 0, **detail: Any) -> Event:
    body = {"object": "Order", "state": "success", "rows": number, **detail}
    return Event("seil.sf-to-dw", "load", body, resources=("warehouse",), time=NOON)


@pytest.fixture
def staging(tmp_path: Path) -> Bucket:
    return Bucket((tmp_path / "staging").as_uri())


class Queue:
    """Everything that a bus delivers."""

    def __init__(self, aws: Ministack) -> None:
        self.bus = f"bus-{uuid4().hex[:8]}"
        events, self._sqs = aws.client("events"), aws.client("sqs")
        events.create_event_bus(Name=self.bus)
        self._url = self._sqs.create_queue(QueueName=f"{self.bus}-all")["QueueUrl"]
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        pattern = json.dumps({"source": [{"prefix": "seil."}]})
        events.put_rule(Name="all", EventBusName=self.bus, EventPattern=pattern)
        target = {"Id": "queue", "Arn": answer["Attributes"]["QueueArn"]}
        events.put_targets(Rule="all", EventBusName=self.bus, Targets=[target])

    def bodies(self, count: int) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []

        def come() -> bool:
            answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
            messages.extend(json.loads(message["Body"]) for message in answer.get("Messages", []))
            return len(messages) >= count

        until(come)
        return messages


@pytest.fixture
def queue(aws: Ministack) -> Queue:
    return Queue(aws)


def test_event_arrives_as_it_was_published(aws: Ministack, queue: Queue, staging: Bucket) -> None:
    bus = EventBridge(queue.bus, staging, client=lambda: aws.client("events"))
    events = [load_event(n, message="“naïve” 😀") for n in range(23)]
    bus.publish(events)
    bodies = queue.bodies(23)
    assert {body["detail"]["event_id"] for body in bodies} == {event.id for event in events}
    arrivals = {event.id: event for event in (received(body, staging) for body in bodies)}
    for event in events:
        arrived = arrivals[event.id]
        assert (arrived.source, arrived.detail_type) == (event.source, event.detail_type)
        assert (arrived.detail, arrived.resources) == (event.detail, event.resources)


def test_repeated_event_has_the_same_id(aws: Ministack, queue: Queue, staging: Bucket) -> None:
    bus = EventBridge(queue.bus, staging, client=lambda: aws.client("events"))
    event = load_event()
    bus.publish([event])
    bus.publish([event])
    bodies = queue.bodies(2)
    assert len({body["id"] for body in bodies}) == 2
    assert [received(body, staging).id for body in bodies] == [event.id] * 2


@pytest.mark.parametrize("more", [0, 1])
def test_detail_over_the_limit_lies_in_the_lake(
    aws: Ministack, queue: Queue, staging: Bucket, more: int
) -> None:
    bus = EventBridge(queue.bus, staging, client=lambda: aws.client("events"))
    empty = load_event(text="")
    fixed = len(json.dumps({"event_id": empty.id, **empty.detail}, separators=(",", ":")))
    fixed += 14 + len("seil.sf-to-dw" + "load" + "warehouse")
    event = load_event(text="x" * (LONGEST_ENTRY - fixed + more))
    bus.publish([event])
    [body] = queue.bodies(1)
    assert ("detail_url" in body["detail"]) is bool(more)
    assert body["detail"]["object"] == "Order"
    assert received(body, staging).detail == event.detail
    assert len(list(staging.list("events/"))) == more


def test_detail_of_another_place_is_not_read(staging: Bucket, tmp_path: Path) -> None:
    outside = tmp_path / "secret.json"
    outside.write_text("{}")
    body = load_event().to_dict()
    for url in (outside.as_uri(), f"{staging.url}/schemas/x.json"):
        body["detail"] = {"event_id": "x", "detail_url": url}
        with pytest.raises(LakeError, match="outside"):
            received(body, staging)


def test_event_of_aws_keeps_its_own_id(staging: Bucket) -> None:
    event = Event("aws.s3", "Object Created", {"object": {"key": "in/a"}}, time=NOON)
    assert received(event.to_dict(), staging) == event


def test_source_that_aws_keeps_is_refused(aws: Ministack, queue: Queue, staging: Bucket) -> None:
    bus = EventBridge(queue.bus, staging, client=lambda: aws.client("events"))
    with pytest.raises(ConfigurationError, match=r"aws\.s3"):
        bus.publish([Event("aws.s3", "Object Created", {})])


Answers = list[tuple[int, dict[str, Any]]]


@contextmanager
def refusing(answers: Answers) -> Iterator[tuple[str, list[list[dict[str, Any]]]]]:
    """Its URL, and the entries of each request; accepts everything when the answers are used up."""
    requests: list[list[dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            requests.append(body["Entries"])
            accepted = {"FailedEntryCount": 0, "Entries": [{"EventId": "e"}] * len(requests[-1])}
            status, answer = answers.pop(0) if answers else (200, accepted)
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def bus_at(url: str, staging: Bucket) -> EventBridge:
    def build() -> Any:
        session = boto3.Session("key", "secret", region_name=REGION)
        from botocore.config import Config

        once = Config(retries={"mode": "standard", "total_max_attempts": 1})
        return session.client("events", endpoint_url=url, config=once)

    return EventBridge("bus", staging, client=build)


def entries(*codes: str) -> dict[str, Any]:
    results = [{"ErrorCode": code} if code else {"EventId": "e"} for code in codes]
    return {"FailedEntryCount": sum(map(bool, codes)), "Entries": results}


def sent(request: Sequence[dict[str, Any]]) -> list[int]:
    return [json.loads(entry["Detail"])["rows"] for entry in request]


def test_only_refused_entries_are_sent_again(staging: Bucket) -> None:
    answers: Answers = [
        (200, entries("", "ThrottlingException", "", "InternalFailure")),
        (400, {"__type": "ThrottlingException"}),
        (200, entries("InternalFailure", "")),
    ]
    with refusing(answers) as (url, requests):
        bus_at(url, staging).publish([load_event(n) for n in range(4)])
    assert [sent(request) for request in requests] == [[0, 1, 2, 3], [1, 3], [1, 3], [1]]


def test_lasting_refusal_raises_at_once(staging: Bucket) -> None:
    with (
        refusing([(200, entries("", "NotAuthorizedForSourceException"))]) as (url, requests),
        pytest.raises(ConfigurationError, match="NotAuthorizedForSource"),
    ):
        bus_at(url, staging).publish([load_event(), load_event()])
    assert len(requests) == 1
    denied = {"__type": "AccessDeniedException", "message": "no"}
    with (
        refusing([(400, denied)]) as (url, _),
        pytest.raises(ConfigurationError, match=r"AccessDenied.*\[events\] bus"),
    ):
        bus_at(url, staging).publish([load_event()])


def test_bus_that_stays_away_is_unavailable(staging: Bucket) -> None:
    with (
        refusing([(200, entries("ThrottlingException"))] * 20) as (url, requests),
        pytest.raises(UnavailableError, match="did not accept 1 event"),
    ):
        bus_at(url, staging).publish([load_event()])
    assert len(requests) == 6


def test_requests_stay_within_both_limits(staging: Bucket) -> None:
    events = [load_event(n, text="x" * 60_000) for n in range(9)]
    events += [load_event(n) for n in range(9, 32)]
    with refusing([]) as (url, requests):
        bus_at(url, staging).publish(events)
    # Which ministack leaves out.
    assert {entry["Time"] for request in requests for entry in request} == {NOON.timestamp()}
    assert [n for request in requests for n in sent(request)] == list(range(32))
    assert all(len(request) <= 10 for request in requests)
    assert all(sum(len(e["Detail"]) for e in request) < 256 * 1024 for request in requests)


def test_describe_names_the_bus_or_its_absence(aws: Ministack, queue: Queue) -> None:
    def build() -> Any:
        return aws.client("events")

    assert describe_bus(queue.bus, client=build).endswith(f":event-bus/{queue.bus}")
    with pytest.raises(ConfigurationError, match=r"nowhere.*ResourceNotFound"):
        describe_bus("nowhere", client=build)
