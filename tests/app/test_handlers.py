"""Events of files handled without a listener: an outcome for each, the same however they come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sf_to_dw.small_site import SmallSite, record_id

from seil.app.handlers import handle_curated, handle_landed
from seil.events.envelope import Event
from seil.events.file_events import INGESTION
from seil.sf_to_dw.extract.landing import LANDED


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SmallSite]:
    site = SmallSite(tmp_path)
    with site.org.serve():
        site.add(record_id(1), record_id(2))
        yield site


def extract(site: SmallSite) -> list[Event]:
    """Lands what there is; returns the events of the landed files."""
    site.pass_time(seconds=1)
    with site.open() as opened:
        opened.extractor.run(opened.catalog.select([site.org.name]))
        return [event for _, event in opened.journal.read(detail_type=LANDED)]


def curated_events(site: SmallSite) -> list[Event]:
    with site.open() as opened:
        return [event for _, event in opened.journal.read(detail_type=INGESTION)]


def test_events_delivered_twice_and_late_load_each_record_once(site: SmallSite) -> None:
    landed = extract(site)
    with site.open() as opened:
        first = handle_landed(opened, [*landed, *landed])
        again = handle_landed(opened, landed)
    assert {outcome.state for outcome in (*first, *again)} == {"done"}
    curated = curated_events(site)
    with site.open() as opened:
        outcomes = handle_curated(opened, [*reversed(curated), *curated])
    assert {outcome.state for outcome in outcomes} == {"done"}
    assert site.records().keys() == {record_id(1), record_id(2)}


def test_one_event_that_cannot_be_handled_leaves_the_others_done(site: SmallSite) -> None:
    landed = extract(site)
    with site.open() as opened:
        handle_landed(opened, landed)
    [good] = curated_events(site)
    bad = Event(good.source, good.detail_type, {**good.detail, "object": "Nobody"})
    with site.open() as opened:
        outcomes = handle_curated(opened, [bad, good])
    assert [(outcome.event_id, outcome.state) for outcome in outcomes] == [
        (bad.id, "rejected"),
        (good.id, "done"),
    ]
    assert "Nobody" in str(outcomes[0].error)
    assert len(site.records()) == 2
