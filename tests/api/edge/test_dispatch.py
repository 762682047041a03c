"""The way to a service: in time, once more where it is safe, and not to one that is down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from tests.issuers import Clock
from tests.limits import HANGS, HELD, SOON

from seil.api.calls import Answer, DownstreamDownError, DownstreamSlowError, Fault, ServiceCall
from seil.api.departures import CallerLeftError
from seil.api.edge.dispatch import Dispatch, Limits

READ = ServiceCall("gam.get-order", {"orderId": 1}, "c")
WRITE = ServiceCall("gam.create-order", {}, "c")
RATE = ServiceCall("techone.rate", {}, "c")
OK = Answer(200, {"id": 1})
DOWN = Answer(502, errors=(Fault("EC50201", "down"),))


class Downstream:
    """Gives one outcome after the other; the last one goes on."""

    def __init__(self, *outcomes: Answer | Exception) -> None:
        self.outcomes = list(outcomes)
        self.calls: list[ServiceCall] = []

    async def call(self, call: ServiceCall) -> Answer:
        self.calls.append(call)
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class Slow:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.calls = 0

    async def call(self, call: ServiceCall) -> Answer:
        self.calls += 1
        await asyncio.sleep(self.seconds)
        return OK


def answers(
    downstream: Any, *calls: tuple[ServiceCall, bool], limits: Limits | None = None
) -> list[Answer]:
    async def run() -> list[Answer]:
        dispatch = Dispatch(downstream, limits or Limits())
        return [await dispatch.answer(call, repeatable=again) for call, again in calls]

    return asyncio.run(run())


def codes(answers_: list[Answer]) -> list[tuple[int, str]]:
    return [(answer.code, answer.errors[0].code if answer.errors else "") for answer in answers_]


def test_answer_comes_back_as_it_is() -> None:
    refused = Answer(400, errors=(Fault("EC40010", "no"), Fault("EC40010", "nor that")))
    assert answers(Downstream(OK, refused), (READ, True), (WRITE, False)) == [OK, refused]


def test_call_carries_its_deadline() -> None:
    downstream = Downstream(OK)
    answers(downstream, (READ, True), limits=Limits(timeout=HANGS))
    assert HANGS / 2 < (downstream.calls[0].seconds or 0) <= HANGS


def test_reading_is_repeated_once() -> None:
    downstream = Downstream(DownstreamDownError("reset"), OK)
    assert answers(downstream, (READ, True)) == [OK]
    first, second = downstream.calls
    assert (second.seconds or 0) < (first.seconds or 0)


def test_reading_is_repeated_no_more_than_once() -> None:
    downstream = Downstream(DownstreamDownError("reset"))
    assert codes(answers(downstream, (READ, True))) == [(502, "EC50201")]
    assert len(downstream.calls) == 2


@pytest.mark.parametrize(("reached", "code"), [(True, "EC50207"), (False, "EC50201")])
def test_effect_is_never_repeated(reached: bool, code: str) -> None:
    """And whether it may have been done is said."""
    downstream = Downstream(DownstreamDownError("reset", reached=reached), OK)
    assert codes(answers(downstream, (WRITE, False))) == [(502, code)]
    assert len(downstream.calls) == 1


def test_refusal_of_the_service_is_not_repeated() -> None:
    downstream = Downstream(DOWN, OK)
    assert codes(answers(downstream, (READ, True))) == [(502, "EC50201")]
    assert len(downstream.calls) == 1


def test_no_repeat_when_the_time_is_up() -> None:
    downstream = Downstream(DownstreamDownError("reset"))
    results = answers(downstream, (READ, True), limits=Limits(timeout=SOON / 2))
    assert (codes(results), len(downstream.calls)) == ([(502, "EC50201")], 1)


@pytest.mark.parametrize("repeatable", [True, False])
def test_slow_service_is_504_and_not_retried(repeatable: bool) -> None:
    slow = Slow(HELD)
    results = answers(slow, (READ, repeatable), limits=Limits(timeout=SOON))
    assert codes(results) == [(504, "EC50401")]
    assert "gam did not answer within 0.3 seconds" in results[0].errors[0].message
    assert slow.calls == 1


def test_service_that_says_it_was_slow_is_504() -> None:
    downstream = Downstream(DownstreamSlowError("gam"))
    assert codes(answers(downstream, (READ, True))) == [(504, "EC50401")]
    assert len(downstream.calls) == 1


@pytest.mark.parametrize(
    "outcome",
    [DOWN, Answer(504, errors=(Fault("EC50401", "slow"),)), DownstreamDownError("x")],
    ids=["told-down", "told-slow", "not-reached"],
)
def test_dead_system_is_left_alone(outcome: Answer | Exception) -> None:
    downstream = Downstream(outcome)
    results = answers(downstream, *[(WRITE, False)] * 4, limits=Limits(failures=3, pause=HELD))
    assert len(downstream.calls) == 3
    assert codes(results)[3] == (502, "EC50203")
    assert HELD - HANGS < (results[3].retry_after or 0) <= HELD
    assert "gam is down and not called for now" in results[3].errors[0].message


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        Answer(400, errors=(Fault("EC40010", "no"),)),
        Answer(404, errors=(Fault("EC40402", "no"),)),
        Answer(409, errors=(Fault("EC40901", "no"),)),
        Answer(500, errors=(Fault("EC50001", "no"),)),
        Answer(502, errors=(Fault("EC50202", "shape"),)),
        Answer(502, errors=(Fault("EC50204", "credentials"),)),
    ],
    ids=lambda answer: answer.errors[0].code if answer.errors else "200",
)
def test_living_system_is_never_left_alone(answer: Answer) -> None:
    downstream = Downstream(answer)
    assert answers(downstream, *[(READ, True)] * 8, limits=Limits(failures=3)) == [answer] * 8


def test_success_between_failures_keeps_it_in() -> None:
    downstream = Downstream(DOWN, DOWN, OK, DOWN, DOWN, OK)
    results = answers(downstream, *[(WRITE, False)] * 6, limits=Limits(failures=3))
    assert codes(results).count((502, "EC50203")) == 0


def test_systems_are_left_alone_each_for_itself() -> None:
    downstream = Downstream(*[DOWN] * 3, OK)
    results = answers(
        downstream, *[(WRITE, False)] * 3, (RATE, True), (WRITE, False), limits=Limits(failures=3)
    )
    assert codes(results)[3:] == [(200, ""), (502, "EC50203")]


PAUSE = 20.0


def recovering(
    clock: Clock, downstream: Downstream, run: Callable[[Dispatch], Coroutine[Any, Any, Any]]
) -> None:
    async def scenario() -> None:
        dispatch = Dispatch(downstream, Limits(failures=2, pause=PAUSE))
        for _ in range(2):
            await dispatch.answer(WRITE, repeatable=False)
        assert dispatch.open_circuits() == ["gam"]
        clock.now += PAUSE - 1
        assert codes([await dispatch.answer(WRITE, repeatable=False)]) == [(502, "EC50203")]
        clock.now += 2
        await run(dispatch)

    asyncio.run(scenario())


def test_after_the_pause_a_success_lets_it_in_again(breaker_clock: Clock) -> None:
    downstream = Downstream(DOWN, DOWN, OK)

    async def run(dispatch: Dispatch) -> None:
        assert dispatch.open_circuits() == []
        assert [await dispatch.answer(WRITE, repeatable=False) for _ in range(3)] == [OK] * 3

    recovering(breaker_clock, downstream, run)
    assert len(downstream.calls) == 5


def test_after_the_pause_a_failure_leaves_it_alone_again(breaker_clock: Clock) -> None:
    downstream = Downstream(DOWN)

    async def run(dispatch: Dispatch) -> None:
        assert codes([await dispatch.answer(WRITE, repeatable=False)]) == [(502, "EC50201")]
        assert dispatch.open_circuits() == ["gam"]
        assert codes([await dispatch.answer(WRITE, repeatable=False)]) == [(502, "EC50203")]

    recovering(breaker_clock, downstream, run)
    assert len(downstream.calls) == 3


def test_after_the_pause_one_call_probes_and_the_others_fail_fast(
    breaker_clock: Clock,
) -> None:
    slow = Slow(HELD)

    async def run() -> None:
        dispatch = Dispatch(slow, Limits(timeout=SOON, failures=1, pause=PAUSE))
        await dispatch.answer(WRITE, repeatable=False)
        breaker_clock.now += PAUSE + 1
        calls = [dispatch.answer(WRITE, repeatable=False) for _ in range(5)]
        results = await asyncio.gather(*calls)
        assert codes(results) == [(504, "EC50401"), *[(502, "EC50203")] * 4]
        assert results[1].retry_after == 1
        slow.seconds = 0
        breaker_clock.now += PAUSE + 1
        assert await dispatch.answer(WRITE, repeatable=False) == OK
        assert await dispatch.answer(WRITE, repeatable=False) == OK

    asyncio.run(run())
    assert slow.calls == 4


def test_many_calls_are_under_way_at_once() -> None:
    together = asyncio.Barrier(50)

    class Together:
        async def call(self, _call: ServiceCall) -> Answer:
            await together.wait()
            return OK

    async def run() -> list[Answer]:
        dispatch = Dispatch(Together(), Limits(timeout=HANGS))
        calls: list[Awaitable[Answer]] = [dispatch.answer(READ, repeatable=True) for _ in range(50)]
        return await asyncio.gather(*calls)

    assert asyncio.run(run()) == [OK] * 50


def test_call_that_was_withdrawn_is_no_success_and_no_failure() -> None:
    downstream = Downstream(DOWN, DOWN, CallerLeftError(), DOWN)

    async def run() -> None:
        dispatch = Dispatch(downstream, Limits(failures=3))
        for _ in range(2):
            await dispatch.answer(WRITE, repeatable=False)
        with pytest.raises(CallerLeftError):
            await dispatch.answer(WRITE, repeatable=False)
        assert dispatch.open_circuits() == []
        await dispatch.answer(WRITE, repeatable=False)
        assert dispatch.open_circuits() == ["gam"]

    asyncio.run(run())


def test_try_that_was_withdrawn_leaves_the_next_call_to_be_one(breaker_clock: Clock) -> None:
    downstream = Downstream(DOWN, DOWN, CallerLeftError(), DOWN, OK)

    async def run(dispatch: Dispatch) -> None:
        with pytest.raises(CallerLeftError):
            await dispatch.answer(WRITE, repeatable=False)
        assert codes([await dispatch.answer(WRITE, repeatable=False)]) == [(502, "EC50201")]
        assert codes([await dispatch.answer(WRITE, repeatable=False)]) == [(502, "EC50203")]

    recovering(breaker_clock, downstream, run)
