"""A job's result pages: which of them have yet to land, and landing several at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

from seil.errors import UnavailableError
from seil.observe.fields import log_fields
from seil.observe.workers import Workers
from seil.sf_to_dw.extract.flows import LandedPage

PageRef = tuple[int, str]
"""A page's number in its job, from 0, and its locator; the first page's locator may be empty."""


class PagePlan:
    """With `locators` all pages can start at once; with None, each page names the next one."""

    def __init__(self, done: Iterable[LandedPage], locators: Sequence[str] | None) -> None:
        self._done = {page.number: page for page in done}
        self._locators = locators
        self._announced: set[int] = set()
        self._used = {page.locator for page in self._done.values()}

    def first(self) -> list[PageRef]:
        if self._locators is None:
            return self._next_page(0, "")
        pages = enumerate(self._locators)
        return [(number, locator) for number, locator in pages if number not in self._done]

    def after(self, number: int, following: str | None) -> list[PageRef]:
        """The page to start once page `number` has named `following` as its next locator.

        Idempotent: a retried page announces its next one again. Raises UnavailableError for a
        locator that an earlier page had, as the chain would never end.
        """
        if self._locators is not None or not following or number in self._announced:
            return []
        self._announced.add(number)
        if following in self._used and number + 1 not in self._done:
            raise UnavailableError(
                "Salesforce", f"page {number} names a page before it as its next"
            )
        self._used.add(following)
        return self._next_page(number + 1, following)

    def _next_page(self, number: int, locator: str) -> list[PageRef]:
        while page := self._done.get(number):
            if page.next is None:
                return []
            number, locator = number + 1, page.next
        return [(number, locator)]


AnnounceNext = Callable[[str | None], None]
"""Takes the next page's locator, as soon as a page's headers are read."""

LandPage = Callable[[int, str, AnnounceNext], None]
"""Lands the page of that number and locator."""


@dataclass(frozen=True)
class _PageStart:
    number: int
    following: str | None


@dataclass(frozen=True)
class _PageEnd:
    error: BaseException | None = None


def land_pages(plan: PagePlan, land: LandPage, *, workers: int, stop: threading.Event) -> None:
    """Lands all pages of `plan`, `workers` at a time.

    The first error sets `stop`, and is raised once the pages under way have ended.
    """
    notices: SimpleQueue[_PageStart | _PageEnd] = SimpleQueue()

    def task(number: int, locator: str) -> None:
        try:
            if not stop.is_set():
                with log_fields(page=number):
                    land(
                        number,
                        locator,
                        lambda following: notices.put(_PageStart(number, following)),
                    )
        except BaseException as error:  # noqa: BLE001 (raised again by the waiting thread)
            stop.set()
            notices.put(_PageEnd(error))
        else:
            notices.put(_PageEnd())

    with Workers(workers, "page", stop=stop) as pool:
        error = _collect(notices, plan, lambda page: pool.submit(task, *page))
    if error is not None:
        raise error


def _collect(
    notices: SimpleQueue[_PageStart | _PageEnd],
    plan: PagePlan,
    submit: Callable[[PageRef], object],
) -> BaseException | None:
    pages = plan.first()
    running = 0
    failure: BaseException | None = None
    while True:
        for page in pages:
            submit(page)
        running += len(pages)
        if not running:
            return failure
        notice = notices.get()
        if isinstance(notice, _PageStart):
            pages = plan.after(notice.number, notice.following)
            continue
        pages = []
        running -= 1
        failure = failure or notice.error
