"""A service: what a handler gives or raises, as the contract's codes, and once where asked."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from tests.api.services.conftest import MakeStore
from tests.issuers import Clock
from tests.limits import HANGS

from seil.admanager.calls import before_write
from seil.admanager.models import CreatedOrder, CreateOrder, GetOrder, Order
from seil.api.calls import Answer, Fault, ServiceCall
from seil.api.contract import gam
from seil.api.contract.operation import AnyOperation
from seil.api.edge.exchange import Exchange
from seil.api.services.idempotency import Claim
from seil.api.services.request_file import SqliteStore
from seil.api.services.service import Service
from seil.deadline import remaining
from seil.errors import (
    ConfigurationError,
    ConflictError,
    LoginError,
    NotSentError,
    OutcomeUnknownError,
    PartialOutcomeError,
    Problem,
    QuotaExhaustedError,
    RequestRejectedError,
    RetryError,
    SeilError,
    ThrottledError,
    TooSlowError,
    UnavailableError,
    UncountedError,
    Undone,
    UnexpectedAnswerError,
)

ORDER = {"orders": [{"name": "Summer", "advertiserId": 1, "traffickerId": 2}]}
READ = ServiceCall("gam.get-order", {"orderId": 7}, "correlation")
CREATE = ServiceCall(
    "gam.create-order", ORDER, "correlation", caller="booking", idempotency_key="key"
)

OPERATIONS: dict[str, AnyOperation] = {
    answer.name: answer for answer in (gam.GET_ORDER, gam.CREATE_ORDER)
}

OperationHandler = Callable[[Any], BaseModel]


def created(request: CreateOrder) -> CreatedOrder:
    return CreatedOrder.model_validate({"id": 7, "name": "Summer", "status": "DRAFT"})


class Desk:
    """Creates orders, and counts them."""

    def __init__(self) -> None:
        self.orders = 0
        self.failure: BaseException | None = None

    def __call__(self, request: CreateOrder) -> CreatedOrder:
        if self.failure:
            raise self.failure
        self.orders += 1
        return CreatedOrder.model_validate({"id": self.orders, "name": "x", "status": "DRAFT"})


def _before(error: RetryError) -> RetryError:
    with suppress(RetryError), before_write():
        raise error
    return error


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(tmp_path: Path, clock: Clock) -> Iterator[SqliteStore]:
    with closing(SqliteStore(tmp_path / "requests.sqlite", clock=clock)) as store:
        yield store


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def service(keys: SqliteStore, desk: Desk) -> Service:
    return Service("gam", [(gam.CREATE_ORDER, desk)], keys)


def answered(
    keys: SqliteStore, handler: OperationHandler, call: ServiceCall = READ, **options: Any
) -> Answer:
    return Service("gam", [(OPERATIONS[call.operation], handler)], keys, **options).run(call)


def raising(error: BaseException) -> OperationHandler:
    def handler(_request: Any) -> BaseModel:
        raise error

    return handler


def codes(answer: Answer) -> tuple[int, list[str]]:
    return answer.code, [fault.code for fault in answer.errors]


def test_answer_is_the_handlers_in_the_contracts_names(keys: SqliteStore) -> None:
    answer = answered(keys, created, CREATE)
    assert (answer.code, answer.errors) == (200, ())
    assert answer.data is not None
    assert answer.data["id"] == 7
    assert json.loads(json.dumps(answer.to_json())) == {**answer.to_json(), "errors": []}


def test_handler_gets_the_request_as_a_model(keys: SqliteStore) -> None:
    requests: list[GetOrder] = []

    def handler(request: GetOrder) -> Order:
        requests.append(request)
        raise RequestRejectedError("Ad Manager", "NOT_FOUND", "no such order", status=404)

    answered(keys, handler)
    assert requests == [GetOrder(order_id=7)]


@pytest.mark.parametrize(
    ("error", "code", "fault", "message"),
    [
        (RequestRejectedError("S", "X", "too long"), 400, "EC40010", "too long"),
        (RequestRejectedError("S", "X", "too long", status=400), 400, "EC40010", "too long"),
        (RequestRejectedError("S", "X", "denied", status=403), 400, "EC40010", "denied"),
        (RequestRejectedError("S", "X", "gone", status=404), 404, "EC40402", "gone"),
        (RequestRejectedError("S", "X", "twice", status=409), 409, "EC40901", "twice"),
        (ConflictError("modified meanwhile"), 409, "EC40901", "modified meanwhile"),
        (TooSlowError("S", 20), 504, "EC50401", "gam did not answer in time"),
        (UnexpectedAnswerError("S", "no list"), 502, "EC50202", "no list"),
        (UnavailableError("S", "no connection"), 502, "EC50201", "no connection"),
        (LoginError("http://x", "invalid_grant", "secret!"), 502, "EC50204", "our settings"),
        (ConfigurationError([Problem("p", "secret!")]), 502, "EC50204", "our settings"),
        (QuotaExhaustedError("S", "r"), 502, "EC50204", "our settings"),
        (ThrottledError("S", "quota"), 429, "EC42902", "quota"),
        (UncountedError("S", [1], "no answer"), 502, "EC50209", "It was done"),
        (SeilError("secret!"), 502, "EC50201", "gam is not available"),
        (RuntimeError("secret!"), 500, "EC50001", "failed unexpectedly"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_error_becomes_the_contracts_code(
    keys: SqliteStore, error: Exception, code: int, fault: str, message: str
) -> None:
    answer = answered(keys, raising(error))
    assert codes(answer) == (code, [fault])
    assert message in answer.errors[0].message
    assert "secret!" not in answer.errors[0].message
    assert answer.data is None


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (UnavailableError("S", "no connection", reached=False), "EC50201"),
        (UnavailableError("S", "the connection broke", status=504, retry_after=3), "EC50207"),
        (OutcomeUnknownError("S", "a write", "504", look="Look"), "EC50207"),
    ],
    ids=["not reached", "broke", "unknown"],
)
def test_effect_that_may_have_been_done_is_not_to_be_tried_again(
    keys: SqliteStore, error: Exception, fault: str
) -> None:
    answer = answered(keys, raising(error), replace(CREATE, idempotency_key=None))
    assert codes(answer) == (502, [fault])
    assert answer.retry_after is None


@pytest.mark.parametrize(
    ("error", "fault"),
    [(TooSlowError("S", 20), "EC50401"), (_before(TooSlowError("S", 20)), "EC50402")],
    ids=["in the change", "before it"],
)
def test_change_that_was_too_slow_says_whether_it_may_have_been_done(
    keys: SqliteStore, error: SeilError, fault: str
) -> None:
    answer = answered(keys, raising(error), replace(CREATE, idempotency_key=None))
    assert codes(answer) == (504, [fault])
    assert (answer.retry_after is None) == (fault == "EC50401")


def test_retry_after_of_the_far_end_is_passed_on(keys: SqliteStore) -> None:
    error = UnavailableError("S", "down", status=503, retry_after=7)
    assert answered(keys, raising(error)).retry_after == 7
    assert answered(keys, raising(ThrottledError("S", "quota", retry_after=7))).retry_after == 7
    assert answered(keys, raising(ThrottledError("S", "quota"))).retry_after == 5


def test_partial_outcome_has_state_and_reason_of_each_id(keys: SqliteStore) -> None:
    undone = [
        Undone((3, 4), UnavailableError("S", "connection lost", retry_after=3)),
        Undone((5,), NotSentError("S")),
        Undone((6,), RequestRejectedError("S", "NOT_FOUND", "there is none", status=404)),
    ]
    answer = answered(keys, raising(PartialOutcomeError("S", (1, 2), undone)), CREATE)
    assert (answer.code, answer.done, answer.retry_after) == (502, (1, 2), None)
    assert [(fault.code, fault.ids, fault.outcome) for fault in answer.errors] == [
        ("EC50207", (3, 4), "unknown"),
        ("EC42401", (5,), "notDone"),
        ("EC40402", (6,), "notDone"),
    ]
    assert "connection lost" in answer.errors[0].message


def test_unexpected_error_is_logged_with_its_trace(
    keys: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    answered(keys, raising(RuntimeError("broken inside")))
    assert "RuntimeError: broken inside" in caplog.text


def test_answer_that_is_no_model_is_unexpected(keys: SqliteStore) -> None:
    assert codes(answered(keys, lambda _request: None)) == (500, ["EC50001"])  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize("operation", ["gam.no-such", "techone.rate", "", "gam.create-line-items"])
def test_operation_that_is_not_the_services_is_404(service: Service, operation: str) -> None:
    answer = service.run(replace(READ, operation=operation))
    assert codes(answer) == (404, ["EC40401"])
    assert f"gam has no operation {operation}" in answer.errors[0].message


def test_request_that_does_not_validate_names_every_field(service: Service, desk: Desk) -> None:
    bad = {"orders": [{"nme": "x", "advertiserId": "1;--"}], "extra": 1}
    answer = service.run(replace(CREATE, request=bad))
    assert codes(answer)[0] == 400
    messages = " ".join(fault.message for fault in answer.errors)
    assert all(name in messages for name in ("nme", "advertiserId", "traffickerId", "extra"))
    assert desk.orders == 0
    assert service.run(CREATE).code == 200


@pytest.mark.parametrize(
    ("own", "edge", "seconds"), [(25, None, 25), (25, 3, 3), (2, 29, 2), (25, -1, 0)]
)
def test_calls_out_have_what_is_left(
    keys: SqliteStore, own: float, edge: float | None, seconds: float
) -> None:
    seen = []

    def handler(_request: Any) -> BaseModel:
        seen.append(remaining(100))
        return created(_request)

    call = replace(CREATE, seconds=edge, idempotency_key=None)
    answered(keys, handler, call, seconds=own)
    assert seen[0] == pytest.approx(seconds, abs=1)


def test_log_line_has_the_correlation_id_and_no_body(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "seil"):
        service.run(CREATE)
    line = caplog.records[-1]
    assert (line.message, vars(line)["caller"]) == ("gam.create-order 200", "booking")
    assert "Summer" not in caplog.text


def test_repeated_request_is_answered_from_memory(service: Service, desk: Desk) -> None:
    first = service.run(CREATE)
    again = replace(CREATE, correlation_id="other", application_label="x", traceparent="y")
    assert service.run(again) == first
    assert desk.orders == 1


def test_without_a_key_it_is_done_again(service: Service, desk: Desk) -> None:
    for _ in range(2):
        assert service.run(replace(CREATE, idempotency_key=None)).code == 200
    assert desk.orders == 2


def test_key_of_another_caller_is_another_key(service: Service, desk: Desk) -> None:
    service.run(CREATE)
    service.run(replace(CREATE, caller="other"))
    assert desk.orders == 2


def test_key_on_a_read_is_not_kept(keys: SqliteStore) -> None:
    read = replace(READ, idempotency_key="key")
    for _ in range(2):
        answered(keys, raising(RequestRejectedError("S", "X", "gone", status=404)), read)
    claim = keys.claim("anything", "m", lease=1)
    assert claim == Claim(claim.state.CLAIMED, "m")


def test_key_with_another_body_is_refused(service: Service, desk: Desk) -> None:
    service.run(CREATE)
    other = {"orders": [{**ORDER["orders"][0], "name": "Winter"}]}
    assert codes(service.run(replace(CREATE, request=other))) == (409, ["EC40904"])
    assert desk.orders == 1


def test_request_that_is_still_running_is_refused(keys: SqliteStore) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def handler(request: CreateOrder) -> CreatedOrder:
        inside.set()
        assert go_on.wait(HANGS)
        return created(request)

    service = Service("gam", [(gam.CREATE_ORDER, handler)], keys)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(service.run, CREATE)
        assert inside.wait(HANGS)
        second = service.run(CREATE)
        go_on.set()
        assert first.result().code == 200
    assert codes(second) == (409, ["EC40902"])
    assert second.retry_after
    assert service.run(CREATE) == first.result()


def test_many_at_once_create_once(keys: SqliteStore, desk: Desk) -> None:
    service = Service("gam", [(gam.CREATE_ORDER, desk)], keys)
    gate = threading.Barrier(8)

    def run(_number: int) -> Answer:
        gate.wait()
        return service.run(CREATE)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(run, range(8)))
    assert desk.orders == 1
    assert {codes(answer)[0] for answer in answers} <= {200, 409}
    assert service.run(CREATE).data == {"id": 1, "name": "x", "status": "DRAFT"}


IN_DOUBT = [
    TooSlowError("S", 20),
    UnavailableError("S", "connection lost"),
    UnavailableError("S", "internal", status=500, retry_after=3),
    UnexpectedAnswerError("S", "no list"),
    OutcomeUnknownError("S", "a write", "504", look="Look"),
    RuntimeError("bug"),
    KeyboardInterrupt(),
]
NOT_DONE = [
    RequestRejectedError("S", "X", "too long"),
    RequestRejectedError("S", "X", "gone", status=404),
    ConflictError("modified"),
    UnavailableError("S", "no connection", reached=False),
    ThrottledError("S", "quota"),
    ThrottledError("S", "slow down", status=429, retry_after=3),
    _before(UnexpectedAnswerError("S", "no list")),
    NotSentError("S"),
    LoginError("http://x", "invalid_grant", ""),
    ConfigurationError([Problem("p", "r")]),
    QuotaExhaustedError("S", "r"),
]
DONE = [
    PartialOutcomeError("S", (1,), [Undone((2,), RequestRejectedError("S", "X", "too long"))]),
    PartialOutcomeError(
        "S", (), [Undone((1,), TooSlowError("S", 2)), Undone((2,), NotSentError("S"))]
    ),
    UncountedError("S", (1,), "no connection"),
]


def _name(value: object) -> str:
    return type(value).__name__


@pytest.mark.parametrize("failure", DONE, ids=_name)
def test_after_a_partial_outcome_a_repeat_gets_the_same(
    make_store: MakeStore, desk: Desk, failure: SeilError
) -> None:
    service = Service("gam", [(gam.CREATE_ORDER, desk)], make_store())
    desk.failure = failure
    first = service.run(CREATE)
    desk.failure = None
    assert service.run(CREATE) == first
    assert first.code >= 400
    assert desk.orders == 0


@pytest.mark.parametrize("failure", IN_DOUBT, ids=_name)
def test_after_an_unknown_outcome_a_repeat_must_check(
    make_store: MakeStore, desk: Desk, failure: BaseException
) -> None:
    service = Service("gam", [(gam.CREATE_ORDER, desk)], make_store())
    desk.failure = failure
    if isinstance(failure, Exception):
        assert service.run(CREATE).code >= 500
    else:
        with pytest.raises(type(failure)):
            service.run(CREATE)
    desk.failure = None
    answer = service.run(CREATE)
    assert codes(answer) == (409, ["EC40903"])
    assert "check whether it was done" in answer.errors[0].message
    assert desk.orders == 0


@pytest.mark.parametrize("failure", NOT_DONE, ids=_name)
def test_after_a_sure_refusal_the_key_is_free(
    make_store: MakeStore, desk: Desk, failure: SeilError
) -> None:
    service = Service("gam", [(gam.CREATE_ORDER, desk)], make_store())
    desk.failure = failure
    assert service.run(CREATE).code >= 400
    desk.failure = None
    assert service.run(CREATE).code == 200
    assert service.run(CREATE).code == 200
    assert desk.orders == 1


def test_claim_of_a_process_that_died_is_unknown_after_its_lease(
    keys: SqliteStore, service: Service, desk: Desk, clock: Clock
) -> None:
    from seil.api.services.idempotency import fingerprint, key_of

    keys.claim(key_of(CREATE), fingerprint(CREATE.request), lease=120)
    assert codes(service.run(CREATE)) == (409, ["EC40902"])
    clock.now += 121
    assert codes(service.run(CREATE)) == (409, ["EC40903"])
    assert desk.orders == 0


class Broken(SqliteStore):
    """Loses what came of a call."""

    def settle(self, key: str, answer: Answer) -> None:
        raise UnavailableError("The file of requests", "disk full", reached=False)


def test_without_a_place_for_keys_nothing_is_done(tmp_path: Path, desk: Desk) -> None:
    store = SqliteStore(tmp_path / "requests.sqlite")
    store.close()
    answer = Service("gam", [(gam.CREATE_ORDER, desk)], store).run(CREATE)
    assert codes(answer) == (500, ["EC50001"])
    assert "nothing was done" in answer.errors[0].message
    assert desk.orders == 0


def test_answer_is_given_even_when_it_cannot_be_kept(tmp_path: Path, desk: Desk) -> None:
    with closing(Broken(tmp_path / "requests.sqlite")) as store:
        service = Service("gam", [(gam.CREATE_ORDER, desk)], store)
        assert service.run(CREATE).code == 200
        assert codes(service.run(CREATE)) == (409, ["EC40902"])
    assert desk.orders == 1


def test_fault_and_answer_survive_the_wire() -> None:
    answer = Answer(409, None, (Fault("EC40901", "m"),), 1.5)
    assert Answer.from_json(json.loads(json.dumps(answer.to_json()))) == answer
    assert ServiceCall.from_json(json.loads(json.dumps(CREATE.to_json()))) == CREATE


def test_outcome_in_part_of_as_many_ids_as_there_may_be_is_short(keys: SqliteStore) -> None:
    ids = range(10**18, 10**18 + 500)
    wordy = RequestRejectedError("S", "X", "Füße 🎈 " * 1000)
    undone = [Undone(tuple(ids[1:2]), wordy), Undone(tuple(ids[2:]), NotSentError("S"))]
    answer = answered(keys, raising(PartialOutcomeError("S", ids[:1], undone)), CREATE)
    failure = Exchange("PUT", "/v1/gam/lineitem/action", "c", "label").failure(answer)
    assert len(failure.body) < 16_000
    assert [*ids[1:]] == [
        one for fault in json.loads(bytes(failure.body))["errors"] for one in fault["ids"]
    ]
