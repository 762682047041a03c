"""From the router to a system's client function, by Lambda's Invoke."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from seil.api.calls import (
    Answer,
    DownstreamDownError,
    DownstreamSlowError,
    Fault,
    ServiceCall,
    too_long,
)
from seil.api.workers import Workers
from seil.aws.limits import LONGEST_PAYLOAD

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

__all__ = ["LambdaInvoke", "lambda_client"]

_log = logging.getLogger(__name__)

_STARTING = "CodeArtifactUserPendingException"
_RETRIES = 3
_TIMED_OUT = "Sandbox.Timedout"
_ANSWER_TOO_LONG = "Function.ResponseSizeTooLarge"
_REQUEST_TOO_LONG = "RequestTooLargeException"
# A router is frozen between events; meanwhile its connections may have been dropped unseen.
_IDLE_SECONDS = 45.0

BuildClient = Callable[[], "LambdaClient"]


class _StartingError(Exception):
    pass


class LambdaInvoke:
    """The functions by their system's name: the part of an operation's name before the dot.

    A function that is still starting is asked up to 3 more times, `pause` seconds apart, while
    there is time; nothing else is repeated here. `workers` is how many are asked at once.
    """

    def __init__(
        self,
        functions: Mapping[str, str],
        build: BuildClient,
        *,
        pause: float = 5,
        workers: int = 40,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._functions = dict(functions)
        self._build = build
        self._pause = pause
        self._clock = clock
        self._used_at = 0.0
        self._lock = threading.Lock()
        self._client: LambdaClient | None = None
        self._workers = {name: Workers(name, workers) for name in functions}

    async def call(self, call: ServiceCall) -> Answer:
        system = call.operation.partition(".")[0]
        if system not in self._functions:
            raise DownstreamDownError(f"no function is set for {system}", reached=False)
        ends = None if call.seconds is None else time.monotonic() + call.seconds
        for left in reversed(range(1 + _RETRIES)):
            seconds = None if ends is None else max(0.0, ends - time.monotonic())
            try:
                return await self._workers[system].run(
                    partial(self._invoke, system), replace(call, seconds=seconds)
                )
            except _StartingError as error:
                if not left or (ends is not None and ends - time.monotonic() <= self._pause):
                    words = f"{system} is still starting"
                    raise DownstreamDownError(words, reached=False) from error
                _log.warning("%s is still starting; once more in %g s", system, self._pause)
                await asyncio.sleep(self._pause)
        raise AssertionError("the last try returns or raises")

    def _invoke(self, system: str, call: ServiceCall) -> Answer:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            ConnectTimeoutError,
            EndpointConnectionError,
            ReadTimeoutError,
        )

        begun = time.perf_counter()
        event = json.dumps(call.to_json())
        if len(event) > LONGEST_PAYLOAD:
            return _request_too_long(call)
        try:
            reply = self._connected().invoke(FunctionName=self._functions[system], Payload=event)
            payload = reply["Payload"].read()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == _STARTING:
                raise _StartingError from error
            if code == _REQUEST_TOO_LONG:
                return _request_too_long(call)
            # Throttled, not there, not allowed: the function was not run. Of a 500 nobody knows.
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
            reached = status >= HTTPStatus.INTERNAL_SERVER_ERROR
            raise DownstreamDownError(f"Lambda says {code}", reached=reached) from error
        except ReadTimeoutError as error:
            raise DownstreamSlowError(system) from error
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            raise DownstreamDownError(type(error).__name__, reached=False) from error
        except BotoCoreError as error:
            raise DownstreamDownError(type(error).__name__) from error
        took = (time.perf_counter() - begun) * 1000
        _log.info("invoked %s in %.0f ms", self._functions[system], took)
        return _answer(call, payload, failed="FunctionError" in reply)

    def _connected(self) -> LambdaClient:
        with self._lock:
            if self._client is None:
                self._client = self._build()
            elif self._clock() - self._used_at > _IDLE_SECONDS:
                self._client.close()  # Its connections only: the next call makes a new one.
            self._used_at = self._clock()
            return self._client


def _request_too_long(call: ServiceCall) -> Answer:
    text = f"{call.operation} is longer than Lambda carries, {LONGEST_PAYLOAD} bytes: send less"
    return Answer(413, errors=(Fault("EC41301", text),))


def _answer(call: ServiceCall, payload: bytes, *, failed: bool) -> Answer:
    """What the function gave back. Its own words stay here: a stack trace may be among them."""
    system = call.operation.partition(".")[0]
    try:
        values = json.loads(payload)
        if failed:
            kind = str(values.get("errorType", "no reason given"))
            if kind == _ANSWER_TOO_LONG:  # Whether it changed anything is not known here.
                return too_long(call.operation, "Lambda refuses it", effect=True)
            raise _broken(system, kind)
        return _whole(Answer.from_json(values))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DownstreamDownError(f"the function of {system} gave no answer") from error


def _whole(answer: Answer) -> Answer:
    """Raises ValueError where it is none that a caller can be told."""
    texts = [text for fault in answer.errors for text in (fault.code, fault.message)]
    done = answer.code == HTTPStatus.OK and isinstance(answer.data, dict)
    refused = HTTPStatus(answer.code) >= HTTPStatus.BAD_REQUEST and texts
    are_texts = all(isinstance(text, str) for text in texts)
    if not ((done or refused) and are_texts and isinstance(answer.retry_after, float | int | None)):
        raise ValueError("it is no answer")
    return answer


def _broken(system: str, kind: str) -> DownstreamDownError | DownstreamSlowError:
    if kind == _TIMED_OUT:
        return DownstreamSlowError(system)
    return DownstreamDownError(f"the function of {system} broke: {kind}")


def lambda_client(*, seconds: float, workers: int = 40) -> LambdaClient:
    """One that waits for `seconds` at most and sends everything once.

    An invoke that was sent twice could have its effect twice; reading is repeated by the edge.
    """
    import boto3
    from botocore.config import Config

    options: dict[str, Any] = {
        "connect_timeout": min(3.0, seconds),
        "read_timeout": seconds,
        "retries": {"mode": "standard", "total_max_attempts": 1},
        "max_pool_connections": workers,
    }
    return boto3.client("lambda", config=Config(**options))
