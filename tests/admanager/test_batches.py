"""Many ids in requests of so many each."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from seil.admanager.batches import send_in_batches
from seil.admanager.calls import time_for_call
from seil.deadline import deadline
from seil.errors import (
    NotSentError,
    PartialOutcomeError,
    RequestRejectedError,
    SeilError,
    TooSlowError,
    Undone,
)

REFUSED = RequestRejectedError("S", "X", "too long")
ABSENT = Undone((9,), RequestRejectedError("S", "NOT_FOUND", "there is none", status=404))


class FarEnd:
    """Fails the batch of that number, from 0."""

    def __init__(self, failing: int = -1, error: SeilError = REFUSED) -> None:
        self.sent: list[list[int]] = []
        self._failing = failing
        self._error = error

    def __call__(self, some: Sequence[int]) -> None:
        if len(self.sent) == self._failing:
            raise self._error
        self.sent.append(list(some))


def test_batches_are_sent_in_order() -> None:
    far_end = FarEnd()
    send_in_batches([1, 2, 3, 4, 5], far_end, size=2, not_found=[ABSENT])
    assert far_end.sent == [[1, 2], [3, 4], [5]]


def test_nothing_is_sent_after_a_batch_that_failed() -> None:
    far_end = FarEnd(failing=1)
    with pytest.raises(PartialOutcomeError) as caught:
        send_in_batches([1, 2, 3, 4, 5], far_end, size=2, not_found=[ABSENT])
    assert far_end.sent == [[1, 2]]
    assert caught.value.done == (1, 2)
    assert [part.ids for part in caught.value.undone] == [(3, 4), (5,), (9,)]
    assert caught.value.undone[0].error is REFUSED
    assert isinstance(caught.value.undone[1].error, NotSentError)


@pytest.mark.parametrize("error", [REFUSED, TooSlowError("S", 2)], ids=["refused", "too slow"])
def test_a_single_batch_fails_as_it_is(error: SeilError) -> None:
    with pytest.raises(type(error)):
        send_in_batches([1, 2], FarEnd(failing=0, error=error), size=2)


def test_first_of_several_that_is_refused_fails_as_it_is() -> None:
    with pytest.raises(RequestRejectedError):
        send_in_batches([1, 2, 3], FarEnd(failing=0), size=2)


def test_first_of_several_that_is_in_doubt_is_marked() -> None:
    with pytest.raises(PartialOutcomeError) as caught:
        send_in_batches([1, 2, 3], FarEnd(failing=0, error=TooSlowError("S", 2)), size=2)
    assert [(part.ids, part.error.in_doubt) for part in caught.value.undone] == [
        ((1, 2), True),
        ((3,), False),
    ]


def test_what_there_is_no_time_for_was_not_done() -> None:
    sent: list[int] = []

    def send(some: Sequence[int]) -> None:
        with deadline(0 if sent else None):
            time_for_call(20)
        sent.extend(some)

    with pytest.raises(PartialOutcomeError) as caught:
        send_in_batches([1, 2, 3, 4], send, size=2)
    assert (caught.value.done, sent) == ((1, 2), [1, 2])
    assert not caught.value.undone[0].error.in_doubt
