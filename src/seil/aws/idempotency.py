"""Idempotency keys in a DynamoDB table, shared by all instances of a function.

The table's key is `key` (text); `expires_at` is its TTL attribute.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from seil.api.calls import Answer, too_long
from seil.api.services.idempotency import Claim, KeyState
from seil.errors import ConfigurationError, Problem, SeilError, UnavailableError
from seil.settings import ApiSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["DynamoStore", "request_store"]

_SERVICE = "DynamoDB"
# An item is at most 400 KB, attribute names included:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
_LONGEST_PLAIN = 50_000
_LONGEST_PACKED = 380_000
_CONDITION_FAILED = "ConditionalCheckFailedException"
_PERMANENT = frozenset(
    {"AccessDeniedException", "ResourceNotFoundException", "UnrecognizedClientException"}
)


class DynamoStore:
    """A conditional write claims a key: of concurrent claims exactly one succeeds.

    A claim is leased for the time its function had left, since nobody can see whether an instance
    is still alive.

    `age` is in seconds. DynamoDB deletes expired items late, so a claim checks their age itself.
    """

    def __init__(
        self,
        table: str,
        build: Callable[[], DynamoDBClient],
        *,
        age: float = 86_400,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._table = table
        self._build = build
        self._age = age
        self._clock = clock
        self._lock = threading.Lock()
        self._client: DynamoDBClient | None = None

    def claim(self, key: str, fingerprint: str, *, lease: float) -> Claim:
        now = self._clock()
        owner = uuid.uuid4().hex
        item = {
            "key": {"S": key},
            "fingerprint": {"S": fingerprint},
            "state": {"S": KeyState.RUNNING.value},
            "owner": {"S": owner},
            "claimed_at": {"N": f"{now:.6f}"},
            "ends_at": {"N": f"{now + lease:.6f}"},
            "expires_at": {"N": str(int(now + self._age) + 1)},
        }
        record = self._request(
            "put_item",
            Item=item,
            ConditionExpression="attribute_not_exists(#key) OR claimed_at < :old",
            ExpressionAttributeNames={"#key": "key"},
            ExpressionAttributeValues={":old": {"N": f"{now - self._age:.6f}"}},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
        # boto3 retries a write whose response was lost: then the key is this call's own.
        if record is None or record["owner"]["S"] == owner:
            return Claim(KeyState.CLAIMED, fingerprint)
        return _claim(record, now)

    def settle(self, key: str, answer: Answer) -> None:
        self._update(
            key,
            "SET #state = :state, answer = :answer",
            {":state": {"S": KeyState.DONE.value}, ":answer": _pack(answer)},
        )

    def doubt(self, key: str) -> None:
        self._update(key, "SET #state = :state", {":state": {"S": KeyState.UNKNOWN.value}})

    def release(self, key: str) -> None:
        self._request("delete_item", Key={"key": {"S": key}})

    def _update(self, key: str, change: str, values: Mapping[str, Any]) -> None:
        self._request(
            "update_item",
            Key={"key": {"S": key}},
            UpdateExpression=change,
            # Otherwise an update would recreate an expired item in part.
            ConditionExpression="attribute_exists(#key)",
            ExpressionAttributeNames={"#key": "key", "#state": "state"},
            ExpressionAttributeValues=dict(values),
        )

    def _request(self, operation: str, **parameters: Any) -> dict[str, Any] | None:
        """None on success; where the condition fails, the existing item of a put, else {}.

        Raises ConfigurationError or UnavailableError.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            getattr(self._get_client(), operation)(TableName=self._table, **parameters)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == _CONDITION_FAILED:
                return cast("dict[str, dict[str, Any]]", error.response).get("Item", {})
            raise self._error(code) from error
        except BotoCoreError as error:
            raise self._error(type(error).__name__) from error
        return None

    def _error(self, code: str) -> SeilError:
        if code in _PERMANENT:
            return ConfigurationError(
                [Problem(f"table {self._table}", f"DynamoDB answered {code}")]
            )
        return UnavailableError(_SERVICE, code, reached=False)

    def _get_client(self) -> DynamoDBClient:
        with self._lock:
            if self._client is None:
                self._client = self._build()
            return self._client


def _claim(record: Mapping[str, Any], now: float) -> Claim:
    state = KeyState(record["state"]["S"])
    # A claim without `ends_at` was written by an earlier version, whose functions have ended.
    if state is KeyState.RUNNING and (
        "ends_at" not in record or now > float(record["ends_at"]["N"])
    ):
        state = KeyState.UNKNOWN
    attribute = record.get("answer")
    answer = _unpack(attribute) if attribute else None
    return Claim(state, record["fingerprint"]["S"], answer)


def _pack(answer: Answer) -> Any:
    """A DynamoDB attribute. An answer too long even when compressed is replaced by an error."""
    text = json.dumps(answer.to_json())
    if len(text) <= _LONGEST_PLAIN:
        return {"S": text}
    content = zlib.compress(text.encode())
    if len(content) > _LONGEST_PACKED:
        return _pack(too_long("the first request", "it could not be stored", effect=True))
    return {"B": content}


def _unpack(attribute: Mapping[str, Any]) -> Answer:
    text = zlib.decompress(attribute["B"]) if "B" in attribute else attribute["S"]
    return Answer.from_json(json.loads(text))


def request_store(settings: ApiSettings) -> DynamoStore:
    """Raises ConfigurationError where no table is set."""
    if not settings.requests_table:
        reason = "is not set: SEIL_API__REQUESTS_TABLE"
        raise ConfigurationError([Problem("api.requests_table", reason)])
    age = settings.idempotency_age.total_seconds()
    return DynamoStore(settings.requests_table, _dynamo, age=age)


def _dynamo() -> DynamoDBClient:
    from seil.aws_clients import aws_client

    client: DynamoDBClient = aws_client("dynamodb")
    return client
