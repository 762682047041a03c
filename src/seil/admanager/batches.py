"""Sends many ids in batches, and reports each id's outcome where one fails."""

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
    not_found: Sequence[Undone] = (),
) -> None:
    """Batches are atomic, and sent in order up to the first that fails.

    Raises that batch's error if it covers all ids, else PartialOutcomeError, which includes the
    `not_found` ids.
    """
    batches = [ids[at : at + size] for at in range(0, len(ids), size)]
    for at, batch in enumerate(batches):
        try:
            send(batch)
        except SeilError as error:
            done = tuple(chain.from_iterable(batches[:at]))
            unsent = tuple(chain.from_iterable(batches[at + 1 :]))
            if not done and not (unsent and error.in_doubt):
                raise
            undone = [Undone(tuple(batch), error)]
            if unsent:
                undone.append(Undone(unsent, NotSentError(SERVICE)))
            raise PartialOutcomeError(SERVICE, done, [*undone, *not_found]) from error
