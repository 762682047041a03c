"""Places in streams of events, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from tests.state.conftest import OpenState

from seil.state import State
from seil.state.streams import StreamPosition

UNTIL = datetime(2026, 11, 30, 12, 30, 15, tzinfo=UTC)
ACCOUNT = StreamPosition("/data/AccountChangeEvent", b"\x00\xff" * 4, "lost", UNTIL)
BILLING = StreamPosition("/event/BillingExtractReady__e", gap_until=UNTIL)


def test_positions_are_kept_and_replaced(state: State, url: str, opened: OpenState) -> None:
    state.streams.store([BILLING, ACCOUNT])
    moved = replace(ACCOUNT, replay_id=bytes(8), gap="", gap_until=None, placed_at=UNTIL)
    state.streams.store([moved])
    again = opened(url).streams.all()
    assert list(again) == [ACCOUNT.topic, BILLING.topic]
    assert list(again.values()) == [moved, BILLING]
