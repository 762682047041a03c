"""The router's way to a client function, against Lambda's API over HTTP."""

from __future__ import annotations

import asyncio
import socket
import threading
from dataclasses import replace

import pytest
from tests.aws.conftest import LambdaApi, Reply
from tests.issuers import Clock
from tests.limits import HANGS, HELD, LATER, SOON

from seil.api.calls import Answer, DownstreamDownError, DownstreamSlowError, Fault, ServiceCall
from seil.api.edge.dispatch import Dispatch, Limits
from seil.aws.invoke import LambdaInvoke, lambda_client
from seil.deadline import deadline

ARN = "arn:aws:lambda:ap-southeast-2:111122223333:function:dev-gamClient"
CALL = ServiceCall(
    "gam.create-order", {"name": "Füße 🎈"}, "c", "label", "booking", "key", "00-1", 20.0
)
OK = Answer(200, {"id": 1})
STARTING = Reply(error="CodeArtifactUserPendingException", status=409)


def invoke(*, pause: float = 0.05, seconds: float = 20) -> LambdaInvoke:
    return LambdaInvoke(
        {"gam": ARN, "techone": "dev-tech1Client"},
        lambda: lambda_client(seconds=seconds),
        pause=pause,
    )


def called(call: ServiceCall = CALL, **options: float) -> Answer:
    return asyncio.run(invoke(**options).call(call))


def test_call_is_the_event_and_the_payload_is_the_answer(lambda_api: LambdaApi) -> None:
    answer = Answer(409, None, (Fault("EC40901", "Füße"),), 1.5)
    lambda_api.replies = [Reply(answer.to_json())]
    assert called() == answer
    name, event = lambda_api.invoked[0]
    assert name == ARN
    assert 0 < event.pop("seconds") <= 20
    assert ServiceCall.from_json({**event, "seconds": 20.0}) == CALL


def test_function_goes_by_the_system(lambda_api: LambdaApi) -> None:
    lambda_api.replies = [Reply(OK.to_json())]
    called(ServiceCall("techone.rate", {}, "c"))
    assert lambda_api.invoked[0][0] == "dev-tech1Client"
    assert lambda_api.invoked[0][1]["seconds"] is None
    with pytest.raises(DownstreamDownError, match="no function is set for billing"):
        called(ServiceCall("billing.send", {}, "c"))


def test_function_that_is_starting_is_retried_after_a_pause(lambda_api: LambdaApi) -> None:
    lambda_api.replies = [STARTING, STARTING, STARTING, Reply(OK.to_json())]
    assert called(pause=0.1) == OK
    gaps = [b - a for a, b in zip(lambda_api.at, lambda_api.at[1:], strict=False)]
    assert len(gaps) == 3
    assert min(gaps) >= 0.1
    waited = [event["seconds"] for _, event in lambda_api.invoked]
    assert waited == sorted(waited, reverse=True)
    assert waited[-1] < waited[0] - 0.3


def test_function_that_goes_on_starting_is_down(lambda_api: LambdaApi) -> None:
    lambda_api.replies = [STARTING]
    with pytest.raises(DownstreamDownError, match="gam is still starting"):
        called()
    assert len(lambda_api.invoked) == 4


def test_no_pause_goes_beyond_the_deadline(lambda_api: LambdaApi) -> None:
    lambda_api.replies = [STARTING]
    with pytest.raises(DownstreamDownError, match="still starting"):
        called(replace(CALL, seconds=5.0), pause=HELD)
    assert len(lambda_api.invoked) == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ("TooManyRequestsException", 429),
        ("ThrottlingException", 400),
        ("ResourceNotFoundException", 404),
        ("AccessDeniedException", 403),
        ("ServiceException", 500),
        ("EC2ThrottledException", 502),
        ("ResourceConflictException", 409),
    ],
)
def test_refusal_of_lambda_is_down_and_not_retried(
    lambda_api: LambdaApi, error: str, status: int
) -> None:
    lambda_api.replies = [Reply(error=error, status=status), Reply(OK.to_json())]
    with pytest.raises(DownstreamDownError, match=f"Lambda answered {error}") as caught:
        called()
    assert len(lambda_api.invoked) == 1
    assert caught.value.reached is (status >= 500)


@pytest.mark.parametrize(("repeatable", "times"), [(True, 2), (False, 1)])
def test_throttled_reading_is_repeated_by_the_edge_and_no_effect_is(
    lambda_api: LambdaApi, repeatable: bool, times: int
) -> None:
    lambda_api.replies = [Reply(error="TooManyRequestsException", status=429), Reply(OK.to_json())]
    answer = asyncio.run(Dispatch(invoke(), Limits()).answer(CALL, repeatable=repeatable))
    assert answer.code == (200 if repeatable else 502)
    assert len(lambda_api.invoked) == times


def test_function_that_broke_is_down_without_its_trace(lambda_api: LambdaApi) -> None:
    broken = {"errorType": "KeyError", "errorMessage": "secret!", "stackTrace": ["secret!"]}
    lambda_api.replies = [Reply(broken, failed="Unhandled")]
    with pytest.raises(DownstreamDownError, match="function of gam failed: KeyError") as caught:
        called()
    assert "secret!" not in str(caught.value)


def test_function_that_ran_out_of_its_time_is_slow(lambda_api: LambdaApi) -> None:
    message = {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "Task timed out after 27.00 seconds",
    }
    lambda_api.replies = [Reply(message, failed="Unhandled")]
    with pytest.raises(DownstreamSlowError):
        called()


def test_request_longer_than_lambda_carries_is_refused_and_not_sent(lambda_api: LambdaApi) -> None:
    lambda_api.replies = [Reply(OK.to_json())]
    answer = called(replace(CALL, request={"name": "é" * 1_100_000}))
    assert (answer.code, answer.errors[0].code) == (413, "EC41301")
    assert not lambda_api.invoked


@pytest.mark.parametrize(
    ("reply", "code", "fault"),
    [
        (Reply(error="RequestTooLargeException", status=413), 413, "EC41301"),
        (
            Reply({"errorType": "Function.ResponseSizeTooLarge"}, failed="Unhandled"),
            *(502, "EC50208"),
        ),
    ],
    ids=["request", "answer"],
)
@pytest.mark.parametrize("repeatable", [True, False])
def test_what_lambda_finds_too_long_is_reported_and_not_retried(
    lambda_api: LambdaApi, reply: Reply, code: int, fault: str, repeatable: bool
) -> None:
    lambda_api.replies = [reply]
    answer = asyncio.run(Dispatch(invoke(), Limits()).answer(CALL, repeatable=repeatable))
    assert (answer.code, answer.errors[0].code) == (code, fault)
    assert len(lambda_api.invoked) == 1


def test_starting_function_is_retried_only_within_the_deadline(
    lambda_api: LambdaApi,
) -> None:
    lambda_api.replies = [STARTING]
    with deadline(1):
        answer = asyncio.run(Dispatch(invoke(pause=0.4), Limits()).answer(CALL, repeatable=False))
    assert answer.errors[0].code in ("EC50201", "EC50401")
    assert len(lambda_api.invoked) <= 3


@pytest.mark.parametrize(
    "payload",
    [
        *(b"", b"no json", b"null", b"[]", b'"x"', b"{}", b'{"code": 200}', b'{"errors": 1}'),
        *(b"\xff", b'{"code": 200, "errors": []}', b'{"code": 200, "data": [], "errors": []}'),
        *(b'{"code": "200", "data": {}, "errors": []}', b'{"code": 404, "errors": []}'),
        b'{"code": 777, "errors": [{"code": "EC40001", "message": "m"}]}',
        b'{"code": 204, "errors": [{"code": "EC40001", "message": "m"}]}',
        b'{"code": 404, "errors": [{"code": 1, "message": null}]}',
        b'{"code": 404, "errors": [{"code": "a", "message": "m"}], "retry_after": "5"}',
    ],
    ids=repr,
)
@pytest.mark.parametrize("failed", ["", "Unhandled"])
def test_nonsense_from_a_function_is_down(
    lambda_api: LambdaApi, payload: bytes, failed: str
) -> None:
    lambda_api.replies = [Reply(payload, failed=failed)]
    with pytest.raises(DownstreamDownError, match="function of gam"):
        called()


def test_slow_function_is_given_up_on_at_the_deadline(lambda_api: LambdaApi) -> None:
    lambda_api.replies = [Reply(OK.to_json(), delay=HELD)]

    async def run() -> Answer:
        answer = await Dispatch(invoke(), Limits(timeout=LATER)).answer(CALL, repeatable=True)
        lambda_api.released.set()
        return answer

    answer = asyncio.run(run())
    assert (answer.code, answer.errors[0].code) == (504, "EC50401")
    assert len(lambda_api.invoked) == 1


def test_thread_of_a_slow_function_ends_with_the_clients_own_limit(lambda_api: LambdaApi) -> None:
    lambda_api.replies = [Reply(OK.to_json(), delay=HELD)]
    with pytest.raises(DownstreamSlowError):
        called(replace(CALL, seconds=HANGS), seconds=SOON)
    assert len(lambda_api.invoked) == 1


def test_lost_connection_is_down_and_nothing_is_sent_again(lambda_api: LambdaApi) -> None:
    lambda_api.replies = [Reply(hang_up=True), Reply(OK.to_json())]
    with pytest.raises(DownstreamDownError, match="ConnectionClosedError"):
        called()
    assert len(lambda_api.invoked) == 1


def test_lambda_that_is_away_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    for name, value in {"REGION": "x", "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-southeast-2")
    with pytest.raises(DownstreamDownError, match="EndpointConnectionError"):
        called()


def test_connection_that_was_idle_for_long_is_not_used_again(lambda_api: LambdaApi) -> None:
    lambda_api.replies = [Reply(OK.to_json())]
    clock = Clock()
    way = LambdaInvoke({"gam": ARN}, lambda: lambda_client(seconds=20), clock=clock)
    for idle, connections in [(0, 1), (40, 1), (46, 2), (1, 2)]:
        clock.now += idle
        assert asyncio.run(way.call(CALL)) == OK
        assert lambda_api.connections == connections


def test_many_calls_are_under_way_at_once(lambda_api: LambdaApi) -> None:
    lambda_api.replies = [Reply(OK.to_json())]
    lambda_api.together = threading.Barrier(10)

    async def run() -> list[Answer]:
        way = invoke()
        return await asyncio.gather(*(way.call(CALL) for _ in range(10)))

    assert asyncio.run(run()) == [OK] * 10
