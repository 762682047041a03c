"""The org's clock between two looks at it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from seil.salesforce.clock import OrgClock

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def test_estimate_goes_on_from_the_last_look_without_asking() -> None:
    answers = iter([NOON, NOON + timedelta(hours=5)])
    clock = OrgClock(lambda: next(answers))
    first = clock.estimate()
    assert NOON <= first <= clock.estimate()
    assert clock.read() == NOON + timedelta(hours=5)
    assert clock.estimate() >= NOON + timedelta(hours=5)
