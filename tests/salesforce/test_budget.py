from __future__ import annotations

import pytest

from seil.errors import QuotaExhaustedError
from seil.salesforce.budget import Budget


@pytest.mark.parametrize(
    "header",
    ["", None, "api-usage=899/1000", "api-usage=1/1000; per-app-api-usage=249/250(appName=x)"],
)
def test_calls_within_the_budget_are_free(header: str | None) -> None:
    budget = Budget(reserve=10)
    budget.update(header)
    budget.check()


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("api-usage=900/1000", "100 of 1,000 calls are left today, 100 are reserved for others"),
        ("api-usage=1200/1000", "-200 of 1,000 calls"),
        (
            "api-usage=1/1000; per-app-api-usage=250/250(appName=seil)",
            "the connected app seil has used its 250 calls",
        ),
    ],
    ids=["reserve reached", "overdrawn", "share of the app used"],
)
def test_budget_ends_before_the_reserve(header: str, message: str) -> None:
    budget = Budget(reserve=10)
    budget.update(header)
    with pytest.raises(QuotaExhaustedError, match=message):
        budget.check()


def test_answer_without_the_header_keeps_what_is_known() -> None:
    budget = Budget(reserve=0)
    budget.update("api-usage=1000/1000")
    budget.update(None)
    with pytest.raises(QuotaExhaustedError):
        budget.check()


@pytest.mark.parametrize(
    ("header", "remaining"),
    [
        ("api-usage=880/1000", "20 are left"),
        ("api-usage=1/1000; per-app-api-usage=240/250(appName=x)", "10 are left"),
    ],
    ids=["org", "app"],
)
def test_work_that_does_not_fit_is_refused_before_it_begins(header: str, remaining: str) -> None:
    budget = Budget(reserve=10)
    budget.require(10**6, "anything, before the first answer")
    budget.update(header)
    budget.require(10, "a little")
    with pytest.raises(QuotaExhaustedError, match=f"a lot takes about 21 calls, {remaining}"):
        budget.require(21, "a lot")
