"""Many ids in requests of so many each; where one fails, what became of every id."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

from seil.admanager.calls import SERVICE
from seil.errors import NotSentError, PartialOutcomeError, SeilError, Undone

__all__ = ["send_in_batches"]


def send_in_batches(
    ids: Sequence[int],
    send: Callable[[Sequence[int]], object],
    *,
    size: int,
    left_out: Sequence[Undone] = (),
) -> None:
    """One after the other; a batch is done whole or not at all, and the first that fails is the
    last that is sent.

    Raises its error where that says what became of every id, else PartialOutcomeError, which names
    those that were `left_out` as well.
    """
    batches = [ids[at : at + size] for at in range(0, len(ids), size)]
    for at, batch in enumerate(batches):
        try:
            send(batch)
        except SeilError as error:
            done = tuple(chain.from_iterable(batches[:at]))
            left = tuple(chain.from_iterable(batches[at + 1 :]))
            if not done and not (left and error.in_doubt):
                raise
            undone = [Undone(tuple(batch), error)]
            if left:
                undone.append(Undone(left, NotSentError(SERVICE)))
            raise PartialOutcomeError(SERVICE, done, [*undone, *left_out]) from error
