"""Reads an iterator ahead, in a thread of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

from seil.observe.workers import Workers

Item = TypeVar("Item")


def read_ahead(items: Iterator[Item], *, limit: int) -> Generator[Item, None, None]:
    """Yields `items`, of which another thread computes up to `limit` in advance.

    An error of `items` is raised in the place of its item. Closing waits for the item under way.
    """
    queue: deque[Future[Item]] = deque()
    with Workers(1, "ahead") as worker, suppress(StopIteration):
        while True:
            while len(queue) < limit:
                queue.append(worker.submit(next, items))
            yield queue.popleft().result()
