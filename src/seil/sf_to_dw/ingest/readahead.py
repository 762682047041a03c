"""Work done one step ahead, in a thread of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterator[Item], *, at_most: int) -> Generator[Item, None, None]:
    """`items`, of which another thread makes up to `at_most` before they are asked for.

    An error of theirs comes where the item would have come. Closing waits for the one under way.
    """
    waiting: deque[Future[Item]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        try:
            with suppress(StopIteration):
                while True:
                    while len(waiting) < at_most:
                        waiting.append(thread.submit(next, items))
                    yield waiting.popleft().result()
        finally:
            for item in waiting:
                item.cancel()
