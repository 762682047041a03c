"""Services in threads of the same process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from tests.limits import HANGS, LATER, SOON

from seil.api.calls import Answer, ServiceCall
from seil.api.edge.dispatch import Dispatch, Limits
from seil.api.in_process import InProcess
from seil.observe.correlation import correlation, correlation_id

RATE = ServiceCall("techone.rate", {}, "c")
ORDER = ServiceCall("gam.get-order", {}, "c")


@dataclass
class Service:
    run_: Callable[[ServiceCall], Answer]

    def run(self, call: ServiceCall) -> Answer:
        return self.run_(call)


def echo(call: ServiceCall) -> Answer:
    return Answer(200, {"operation": call.operation, "thread": threading.get_ident()})


def test_each_operation_goes_to_its_systems_service_in_another_thread() -> None:
    def refuse(_call: ServiceCall) -> Answer:
        return Answer(404)

    downstream = InProcess({"gam": Service(refuse), "techone": Service(echo)})
    answer = asyncio.run(downstream.call(RATE))
    assert answer.data is not None
    assert answer.data["operation"] == "techone.rate"
    assert answer.data["thread"] != threading.get_ident()
    assert asyncio.run(downstream.call(ORDER)).code == 404


def test_service_sees_the_correlation_id_of_the_request() -> None:
    seen: list[str] = []

    def remember(_call: ServiceCall) -> Answer:
        seen.append(correlation_id())
        return Answer(200)

    with correlation("from-the-edge"):
        asyncio.run(InProcess({"gam": Service(remember)}).call(ORDER))
    assert seen == ["from-the-edge"]


def test_slow_service_is_given_up_on_and_settles_all_the_same() -> None:
    begun, go_on, settled = threading.Event(), threading.Event(), threading.Event()

    def slow(_call: ServiceCall) -> Answer:
        begun.set()
        assert go_on.wait(HANGS)
        settled.set()
        return Answer(200)

    async def run() -> None:
        call = asyncio.create_task(InProcess({"gam": Service(slow)}).call(ORDER))
        assert await asyncio.to_thread(begun.wait, HANGS)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert not settled.is_set()
        go_on.set()
        assert await asyncio.to_thread(settled.wait, HANGS)

    asyncio.run(run())


def test_slow_system_takes_no_threads_from_another() -> None:
    go_on = threading.Event()

    def slow(_call: ServiceCall) -> Answer:
        assert go_on.wait(HANGS)
        return Answer(200)

    async def run() -> list[Answer]:
        downstream = InProcess({"gam": Service(slow), "techone": Service(echo)}, workers=2)
        waiting = [asyncio.create_task(downstream.call(ORDER)) for _ in range(6)]
        await asyncio.sleep(0)
        answers = await asyncio.wait_for(downstream.call(RATE), HANGS)
        assert not any(task.done() for task in waiting)
        go_on.set()
        return [answers, *await asyncio.gather(*waiting)]

    assert [answer.code for answer in asyncio.run(run())] == [200] * 7


def test_no_more_calls_at_once_than_workers() -> None:
    lock, running, most = threading.Lock(), 0, 0
    together = threading.Barrier(3)

    def count(_call: ServiceCall) -> Answer:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(HANGS)
        with lock:
            running -= 1
        return Answer(200)

    async def run() -> None:
        downstream = InProcess({"gam": Service(count)}, workers=3)
        await asyncio.gather(*(downstream.call(ORDER) for _ in range(12)))

    asyncio.run(run())
    assert most == 3


def test_slow_calls_that_pile_up_take_no_more_threads() -> None:
    """Each is given up on by its caller; its thread is not."""
    go_on, began = threading.Event(), []

    def slow(call: ServiceCall) -> Answer:
        began.append(call.correlation_id)
        assert go_on.wait(HANGS)
        return Answer(200)

    async def run() -> None:
        downstream = InProcess({"pile": Service(slow)}, workers=3)
        dispatch = Dispatch(downstream, Limits(timeout=LATER, failures=100))
        calls = [ServiceCall("pile.up", {}, str(at)) for at in range(12)]
        answers = await asyncio.gather(*(dispatch.answer(call, repeatable=False) for call in calls))
        threads = [t for t in threading.enumerate() if t.name.startswith("seil-pile")]
        assert (len(threads), len(began)) == (3, 3)
        refusals = [(answer.code, answer.errors[0].code, answer.retry_after) for answer in answers]
        assert refusals == [(504, "EC50401", None)] * 3 + [(504, "EC50402", 5)] * 9
        go_on.set()
        again = await downstream.call(ServiceCall("pile.up", {}, "again", seconds=HANGS))
        assert again.code == 200

    asyncio.run(run())
    assert began == ["0", "1", "2", "again"]


def test_call_that_is_given_up_on_while_it_waits_is_never_made() -> None:
    go_on, calls = threading.Event(), []

    def slow(call: ServiceCall) -> Answer:
        calls.append(call.correlation_id)
        assert go_on.wait(HANGS)
        return Answer(200)

    async def run() -> None:
        downstream = InProcess({"gam": Service(slow)}, workers=1)
        first = asyncio.create_task(downstream.call(ORDER))
        await asyncio.sleep(0)
        second = asyncio.create_task(downstream.call(ServiceCall("gam.get-order", {}, "second")))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        go_on.set()
        assert (await first).code == 200
        assert (await downstream.call(ServiceCall("gam.get-order", {}, "third"))).code == 200

    asyncio.run(run())
    assert calls == ["c", "third"]


def test_call_that_waited_for_a_thread_gets_its_remaining_time() -> None:
    seconds: list[float] = []
    go_on = threading.Event()

    def slow(call: ServiceCall) -> Answer:
        seconds.append(call.seconds or 0)
        assert go_on.wait(HANGS)
        return Answer(200)

    async def run() -> None:
        downstream = InProcess({"gam": Service(slow)}, workers=1)
        call = ServiceCall("gam.get-order", {}, "c", seconds=HANGS)
        waiting = [asyncio.create_task(downstream.call(call)) for _ in range(2)]
        await asyncio.sleep(SOON)
        go_on.set()
        await asyncio.gather(*waiting)

    asyncio.run(run())
    assert HANGS >= seconds[0] > seconds[1]
    assert seconds[1] <= HANGS - SOON / 2


def test_close_waits_for_what_has_begun_and_lets_nothing_begin() -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), []

    def slow(call: ServiceCall) -> Answer:
        begun.set()
        assert go_on.wait(HANGS)
        ended.append(call.correlation_id)
        return Answer(200)

    async def run() -> None:
        downstream = InProcess({"gam": Service(slow)}, workers=1)
        calls = [ServiceCall("gam.get-order", {}, name) for name in ("first", "second")]
        waiting = [asyncio.create_task(downstream.call(call)) for call in calls]
        assert await asyncio.to_thread(begun.wait, HANGS)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        threading.Timer(0.05, go_on.set).start()
        downstream.close()

    asyncio.run(run())
    assert ended == ["first"]
