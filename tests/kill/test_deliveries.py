"""What comes twice, late, in another order or at the same time changes nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.kill.conftest import LIVES

from seil.app import handlers
from seil.lake.keys import PROCESSED_PREFIX, archived_file

LOCKED = 5


@pytest.fixture
def site(undisturbed: Any, tmp_path: Path) -> Any:
    return undisturbed.site.copied(tmp_path)


def assert_unchanged(site: Any, undisturbed: Any) -> None:
    contents = site.contents()
    for name, rows in undisturbed.contents.items():
        assert contents[name] == rows, name
    assert site.left_over() == []


def deliver_again(site: Any, *, elsewhere: bool = False) -> int:
    """Every processed file, under its own name or in a flow run of its own."""
    with site.open() as context:
        landing = context.lake.landing
        entries = list(landing.list(PROCESSED_PREFIX))
        for number, entry in enumerate(entries):
            file = archived_file(entry.key)
            assert file
            key = file.landed_file(context.lake.env).key
            if elsewhere:
                key = key.replace(file.flow_run_id, f"again-{number}")
            landing.put(key, landing.get(entry.key))
        return len(entries)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_every_file_delivered_twice(site: Any, undisturbed: Any, *, elsewhere: bool) -> None:
    assert deliver_again(site, elsewhere=elsewhere) > 10
    site.finish("ingest")
    site.finish("load")
    site.finish("build")
    assert_unchanged(site, undisturbed)


def test_curated_files_loaded_in_reverse_order(site: Any, undisturbed: Any) -> None:
    """One by one, the newest first, into an empty warehouse."""
    (site.folder / "warehouse.duckdb").unlink()
    with site.open() as context:
        curated = context.lake.curated
        entries = [e for e in curated.list() if e.key.startswith("Salesforce-")]
        entries.sort(key=lambda entry: entry.modified)
        files = [(entry.key, entry.modified, curated.path(entry.key)) for entry in entries]
    for _, _, path in files:
        path.rename(path.with_name(f"{path.name}.held"))
    for _, _, path in reversed(files):
        path.with_name(f"{path.name}.held").rename(path)
        site.finish("load")
    site.finish("build")
    assert_unchanged(site, undisturbed)


def test_every_event_delivered_twice_and_backwards(site: Any, undisturbed: Any) -> None:
    deliver_again(site, elsewhere=True)
    with site.open() as context:
        listener = handlers.listener(context, lambda _: None)
        listener.publish_landed(settle_time=timedelta())
        subscribers = listener._subscribers()
        for _ in range(2):
            for subscriber in subscribers:
                events = [e for _, e in context.journal.read() if subscriber.pattern.matches(e)]
                assert events
                assert subscriber.handle_all
                subscriber.handle_all([*reversed(events), *events])
                for event in events[-1:-3:-1]:
                    subscriber.handle(event)
    assert_unchanged(site, undisturbed)


@pytest.mark.parametrize(
    "command", ["run", "ingest", "load", "build"] if LIVES else ["run", "load"]
)
def test_two_at_once(site: Any, undisturbed: Any, command: str) -> None:
    deliver_again(site, elsewhere=True)
    with site.serve():
        codes = site.driver.run([site.request(command, number=n) for n in range(2)])
        assert set(codes) <= {0, 1, LOCKED}, site.output()
        assert min(codes) < LOCKED
        site.finish("ingest")
        site.finish("load")
        site.finish("build")
        assert_unchanged(site, undisturbed)
