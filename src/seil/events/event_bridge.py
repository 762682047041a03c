"""Amazon EventBridge as the bus.

https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from seil.aws_clients import aws_client
from seil.errors import ConfigurationError, LakeError, Problem, UnavailableError
from seil.events.envelope import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from seil.lake import Bucket

__all__ = ["LONGEST_ENTRY", "EventBridge", "describe_bus", "received"]

_SERVICE = "EventBridge"
_ENTRIES = 10
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-putevent-size: of
# all entries of a request together. Their time counts 14 bytes.
LONGEST_ENTRY = 256 * 1024 - 1
_TIME_BYTES = 14
_ATTEMPTS = 6
# EventBridge gives every event an id of its own: a repeated one has ours in common.
_ID = "event_id"
_URL = "detail_url"
_PREFIX = "events/"
# Of a detail that lies in the lake, what rules and lists look at.
_KEPT = ("object", "state", "key", "run_id")
_LONGEST_KEPT = 1000
_TRANSIENT = frozenset({"InternalFailure", "InternalException", "ThrottlingException"})

BusEntry = dict[str, Any]


class EventBridge:
    """A `Bus`. An event is published at least once: `event_id` in its detail is always the same.

    The detail of an event over the limit of an entry is written to `staging`, below events/; the
    entry has its URL instead. Thread-safe.
    """

    def __init__(
        self,
        bus: str,
        staging: Bucket,
        *,
        client: Callable[[], Any] = lambda: aws_client("events"),
    ) -> None:
        self._bus = bus
        self._staging = staging.without_guard()
        self._build = client
        self._client: Any = None
        self._lock = threading.Lock()

    def publish(self, events: Sequence[Event]) -> None:
        """Raises UnavailableError, of which some events may be published, and ConfigurationError
        where EventBridge refuses them.
        """
        for entries in _requests([self._entry(event) for event in events]):
            self._put(entries)

    def _entry(self, event: Event) -> BusEntry:
        if event.source.startswith("aws."):
            # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule.html
            raise ConfigurationError([Problem(event.source, "AWS keeps sources aws.* for itself")])
        body = event.to_dict()
        entry = {
            "EventBusName": self._bus,
            "Time": event.time,
            "Source": event.source,
            "DetailType": event.detail_type,
            "Resources": list(event.resources),
            "Detail": _json({_ID: event.id, **body["detail"]}),
        }
        if entry_length(entry) > LONGEST_ENTRY:
            entry["Detail"] = _json(self._outside(event, body["detail"]))
        return entry

    def _outside(self, event: Event, detail: Mapping[str, Any]) -> dict[str, Any]:
        key = f"{_PREFIX}{event.time:%Y/%m/%d}/{event.id}.json"
        self._staging.put(key, _json(detail).encode())
        summary = {
            name: detail[name]
            for name in _KEPT
            if name in detail and len(_json(detail[name])) <= _LONGEST_KEPT
        }
        return {_ID: event.id, **summary, _URL: self._staging.uri(key)}

    def _put(self, entries: Sequence[BusEntry]) -> None:
        """Entries are accepted one by one: only those that were not are sent again."""
        waiting = list(entries)
        retrying = Retrying(
            retry=retry_if_exception_type(UnavailableError),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.1, max=5),
            reraise=True,
        )
        for attempt in retrying:
            with attempt:
                waiting = self._refused(waiting)
                if waiting:
                    raise UnavailableError(_SERVICE, f"it did not accept {len(waiting)} event(s)")

    def _refused(self, entries: Sequence[BusEntry]) -> list[BusEntry]:
        """Those to send again."""
        with self._lock:
            if self._client is None:
                self._client = self._build()
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._client.put_events(Entries=entries)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _TRANSIENT:
                return list(entries)
            raise _refusal(self._bus, code) from error
        except BotoCoreError as error:
            raise UnavailableError(_SERVICE, type(error).__name__) from error
        again = []
        for entry, result in zip(entries, answer["Entries"], strict=True):
            if code := result.get("ErrorCode"):
                if code not in _TRANSIENT:
                    raise _refusal(self._bus, f"{code}: {result.get('ErrorMessage', '')}")
                again.append(entry)
        return again


def describe_bus(bus: str, *, client: Callable[[], Any] = lambda: aws_client("events")) -> str:
    """Its ARN. Raises ConfigurationError, UnavailableError."""
    built = client()
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return str(built.describe_event_bus(Name=bus)["Arn"])
    except ClientError as error:
        code = error.response["Error"]["Code"]
        cure = "`[events] bus` and the role's right events:DescribeEventBus decide it"
        raise ConfigurationError([Problem(f"bus {bus}", code, cure)]) from error
    except BotoCoreError as error:
        raise UnavailableError(_SERVICE, type(error).__name__, reached=False) from error


def received(body: Mapping[str, Any], staging: Bucket) -> Event:
    """The event that a rule delivers, as it was published: with its own id and its whole detail.

    Raises KeyError for what is no event, LakeError for a detail that is not in the lake.
    """
    event = Event.from_dict(body)
    detail = dict(event.detail)
    identity = detail.pop(_ID, event.id)
    if url := detail.get(_URL):
        if not str(url).startswith(f"{staging.url}/{_PREFIX}"):
            raise LakeError(str(url), "read", "it is outside this lake's events")
        detail = json.loads(staging.get(str(url).removeprefix(f"{staging.url}/")))
    return replace(event, id=str(identity), detail=detail)


def entry_length(entry: BusEntry) -> int:
    """In bytes, as EventBridge counts them."""
    texts = [entry["Source"], entry["DetailType"], entry["Detail"], *entry["Resources"]]
    return _TIME_BYTES + sum(len(text.encode("utf-8", "replace")) for text in texts)


def _requests(entries: Sequence[BusEntry]) -> Iterator[list[BusEntry]]:
    """As many at a time as one request takes."""
    request: list[BusEntry] = []
    length = 0
    for entry in entries:
        more = entry_length(entry)
        if request and (len(request) == _ENTRIES or length + more > LONGEST_ENTRY):
            yield request
            request, length = [], 0
        request.append(entry)
        length += more
    if request:
        yield request


def _json(value: Any) -> str:
    """A lone surrogate, as of a file name that is not UTF-8, stays an escape in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"), default=str)
    return text


def _refusal(bus: str, reason: str) -> ConfigurationError:
    problem = f"EventBridge refused to publish: {reason}"
    cure = "`[events] bus` and the role's right events:PutEvents decide it"
    return ConfigurationError([Problem(f"bus {bus}", problem, cure)])
