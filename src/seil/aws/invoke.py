"""Calls a system's client function through Lambda's Invoke API."""

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
from seil.api.workers import CallWorkers
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
# A router is frozen between events, and its idle connections may be dropped meanwhile.
_IDLE_SECONDS = 45.0

BuildClient = Callable[[], "LambdaClient"]


class _StartingError(Exception):
    pass


class LambdaInvoke:
    """`functions` maps a system, the part of an operation's name before the dot, to its function.

    A function that is still starting is retried up to 3 times, `pause` seconds apart, while there
    is time; nothing else is retried here. `workers` limits concurrent calls per system.
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
        self._workers = {name: CallWorkers(name, workers) for name in functions}

    async def call(self, call: ServiceCall) -> Answer:
        system = call.operation.partition(".")[0]
        if system not in self._functions:
            raise DownstreamDownError(f"no function is set for {system}", reached=False)
        deadline = None if call.seconds is None else time.monotonic() + call.seconds
        for retries_left in reversed(range(1 + _RETRIES)):
            seconds = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                return await self._workers[system].run(
                    partial(self._invoke, system), replace(call, seconds=seconds)
                )
            except _StartingError as error:
                is_late = deadline is not None and deadline - time.monotonic() <= self._pause
                if not retries_left or is_late:
                    reason = f"{system} is still starting"
                    raise DownstreamDownError(reason, reached=False) from error
                _log.warning("%s is still starting; retrying in %g s", system, self._pause)
                await asyncio.sleep(self._pause)
        raise AssertionError("the last attempt returns or raises")

    def _invoke(self, system: str, call: ServiceCall) -> Answer:
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            ConnectTimeoutError,
            EndpointConnectionError,
            ReadTimeoutError,
        )

        started = time.perf_counter()
        event = json.dumps(call.to_json())
        if len(event) > LONGEST_PAYLOAD:
            return _request_too_long(call)
        try:
            reply = self._get_client().invoke(FunctionName=self._functions[system], Payload=event)
            payload = reply["Payload"].read()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == _STARTING:
                raise _StartingError from error
            if code == _REQUEST_TOO_LONG:
                return _request_too_long(call)
            # Throttled, missing or forbidden: the function did not run. After a 5xx it may have.
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
            reached = status >= HTTPStatus.INTERNAL_SERVER_ERROR
            raise DownstreamDownError(f"Lambda answered {code}", reached=reached) from error
        except ReadTimeoutError as error:
            raise DownstreamSlowError(system) from error
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            raise DownstreamDownError(type(error).__name__, reached=False) from error
        except BotoCoreError as error:
            raise DownstreamDownError(type(error).__name__) from error
        milliseconds = (time.perf_counter() - started) * 1000
        _log.info("invoked %s in %.0f ms", self._functions[system], milliseconds)
        return _answer(call, payload, failed="FunctionError" in reply)

    def _get_client(self) -> LambdaClient:
        with self._lock:
            if self._client is None:
                self._client = self._build()
            elif self._clock() - self._used_at > _IDLE_SECONDS:
                self._client.close()  # Closes idle connections; the next call opens a new one.
            self._used_at = self._clock()
            return self._client


def _request_too_long(call: ServiceCall) -> Answer:
    text = f"{call.operation} is over Lambda's limit of {LONGEST_PAYLOAD} bytes: send less"
    return Answer(413, errors=(Fault("EC41301", text),))


def _answer(call: ServiceCall, payload: bytes, *, failed: bool) -> Answer:
    """Parses the function's result. Its error text is not passed on: it may be a stack trace."""
    system = call.operation.partition(".")[0]
    try:
        values = json.loads(payload)
        if failed:
            kind = str(values.get("errorType", "no reason given"))
            if kind == _ANSWER_TOO_LONG:  # It may have changed something.
                return too_long(call.operation, "Lambda refuses it", effect=True)
            raise _function_error(system, kind)
        return _validate(Answer.from_json(values))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DownstreamDownError(f"the function of {system} returned no answer") from error


def _validate(answer: Answer) -> Answer:
    """Raises ValueError for an answer that cannot be passed on to a caller."""
    texts = [text for fault in answer.errors for text in (fault.code, fault.message)]
    is_success = answer.code == HTTPStatus.OK and isinstance(answer.data, dict)
    is_failure = HTTPStatus(answer.code) >= HTTPStatus.BAD_REQUEST and bool(texts)
    are_texts = all(isinstance(text, str) for text in texts)
    has_pause = isinstance(answer.retry_after, float | int | None)
    if not ((is_success or is_failure) and are_texts and has_pause):
        raise ValueError("not an answer")
    return answer


def _function_error(system: str, kind: str) -> DownstreamDownError | DownstreamSlowError:
    if kind == _TIMED_OUT:
        return DownstreamSlowError(system)
    return DownstreamDownError(f"the function of {system} failed: {kind}")


def lambda_client(*, seconds: float, workers: int = 40) -> LambdaClient:
    """Waits `seconds` at most, and never retries.

    An invoke sent twice could take effect twice; the edge retries reads.
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
