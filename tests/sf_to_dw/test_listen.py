"""Files that land end in the warehouse, on events: once, whatever dies or is delivered twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.limits import HANGS, until
from tests.sf_to_dw.narrow_model import narrow_models

from seil.catalog import load_catalog
from seil.errors import AlreadyRunningError, LakeError, OtherStateError
from seil.events.dispatch import dead_letters, redeliver
from seil.events.envelope import Event
from seil.events.journal import Journal
from seil.lake import Lake
from seil.modeling.model import Models
from seil.settings import IngestSettings, WarehouseSettings
from seil.sf_to_dw.extract.landing import landed_event
from seil.sf_to_dw.handlers import FileHandlers, StepOutcome
from seil.sf_to_dw.ingest.ingestor import Ingestor, IngestResult
from seil.sf_to_dw.listen import FileListener
from seil.sf_to_dw.load.loader import load
from seil.sf_to_dw.lock import run_lock
from seil.sf_to_dw.schema.registry import SchemaRegistry
from seil.state import State, state_in_memory
from seil.warehouse import open_warehouse

MODIFIED = datetime(2026, 3, 9, tzinfo=UTC)
AT_ONCE = timedelta(seconds=0.05)


class Breaking(Ingestor):
    """Raises what `failures` holds for a key, in turn."""

    failures: dict[str, list[BaseException]]

    def ingest(self, key: str, *args: Any) -> IngestResult:
        if self.failures.get(key):
            raise self.failures[key].pop(0)
        return super().ingest(key, *args)


@dataclass
class Site:
    """A lake, a journal and a warehouse; one table is built, so that it is quick."""

    intake: Any
    journal: Journal
    settings: WarehouseSettings
    models: Models
    failures: dict[str, list[BaseException]] = field(default_factory=dict)
    outcomes: list[StepOutcome] = field(default_factory=list)
    state: State = field(default_factory=state_in_memory)

    @property
    def lake(self) -> Lake:
        lake: Lake = self.intake.lake
        return lake

    def listener(self) -> FileListener:
        ingestor = Breaking(
            self.lake,
            self.intake.catalog,
            settings=IngestSettings(),
            bus=self.journal,
            registry=SchemaRegistry(self.lake),
        )
        ingestor.failures = self.failures
        handlers = FileHandlers(
            lake=self.lake,
            catalog=self.intake.catalog,
            bus=self.journal,
            state=self.state,
            ingestor=ingestor,
            open_warehouse=partial(open_warehouse, self.settings),
            models=self.models,
            report=self.outcomes.append,
        )
        return FileListener(
            lake=self.lake,
            journal=self.journal,
            handlers=handlers,
            retry_wait=timedelta(milliseconds=1),
        )

    def land(self, *ids: str, run: str = "run-1", name: str = "Account") -> str:
        columns = {"Id": list(ids), "SystemModstamp": [MODIFIED] * len(ids)}
        key: str = self.intake.land(columns, name, run=run)
        return key

    def ids(self, table: str = "account") -> list[str]:
        with open_warehouse(self.settings, read_only=True) as warehouse:
            rows = warehouse.query(f"SELECT id FROM salesforce.{table} ORDER BY id")
            return [str(value) for value in rows.column(0).to_pylist()]

    def steps(self) -> list[tuple[str, str]]:
        return [(outcome.step, outcome.state) for outcome in self.outcomes]


@pytest.fixture(scope="module")
def models() -> Models:
    return narrow_models(load_catalog())


@pytest.fixture
def site(intake: Any, tmp_path: Path, models: Models) -> Iterator[Site]:
    intake.catalog = load_catalog()
    settings = WarehouseSettings(url=f"duckdb:{tmp_path / 'w.duckdb'}", memory="512MB", threads=1)
    with Journal(tmp_path / "journal.sqlite") as journal:
        yield Site(intake, journal, settings, models)


@pytest.fixture
def listening(site: Site) -> Iterator[Callable[[], FileListener]]:
    """Starts listening in a thread; what that raises is raised at the end."""
    stop = threading.Event()
    raised: list[BaseException] = []
    threads: list[threading.Thread] = []

    def start() -> FileListener:
        listener = site.listener()
        listener.handlers.stop = stop
        listener.__post_init__()

        def run() -> None:
            try:
                listener.listen(AT_ONCE)
            except BaseException as error:
                raised.append(error)
                raise

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return listener

    yield start
    stop.set()
    for thread in threads:
        thread.join(HANGS)
    assert raised == []


def test_what_lies_there_is_taken_in_loaded_and_built(site: Site) -> None:
    site.land("001A", "001B")
    site.land("003A", name="Contact")
    assert site.listener().drain()
    assert (site.ids(), site.ids("contact")) == (["001A", "001B"], ["003A"])
    assert sorted(site.steps()) == [
        ("build", "success"),
        ("ingest", "success"),
        ("ingest", "success"),
        ("load", "success"),
        ("load", "success"),
    ], "what is pending together is loaded together and built once"
    assert dead_letters(site.journal) == []


def test_what_was_taken_in_before_anybody_listened_is_loaded(site: Site) -> None:
    site.land("001A")
    site.intake.ingestor.sweep()
    assert site.listener().drain()
    assert site.ids() == ["001A"]


def test_events_from_before_the_first_listener_are_handled(site: Site) -> None:
    entry = site.lake.landing.head(site.land("001A"))
    assert entry is not None
    site.journal.publish([landed_event(site.lake.landing, entry)])
    assert site.listener().drain()
    assert site.ids() == ["001A"]


def test_a_repeated_event_or_a_vanished_file_is_no_failure(site: Site) -> None:
    key = site.land("001A")
    entry = site.lake.landing.head(key)
    assert entry is not None
    site.listener().drain()
    event = landed_event(site.lake.landing, entry)
    again = Event(event.source, event.detail_type, event.detail)
    never = Event("aws.s3", "Object Created", {"object": {"key": "in/x/y/z"}})
    site.journal.publish([event, again, never])
    assert site.listener().drain()
    assert site.ids() == ["001A"]
    assert dead_letters(site.journal) == []


def test_a_sweep_reports_each_delivery_once(site: Site) -> None:
    key = site.land("001A")
    listener = site.listener()
    for _ in range(3):
        listener.publish_landed(settle_time=timedelta())
    assert len(list(site.journal.read(detail_type="Object Created"))) == 1
    site.lake.landing.touch(key)
    listener.publish_landed(settle_time=timedelta())
    assert len(list(site.journal.read(detail_type="Object Created"))) == 2


def test_a_file_that_is_being_written_is_left_until_it_is_still(site: Site) -> None:
    key = site.land("001A")
    listener = site.listener()
    assert listener.publish_landed() == 1
    site.lake.landing.touch(key)
    assert listener.publish_landed() == 1
    assert list(site.journal.read()) == []
    assert listener.publish_landed() == 0
    assert len(list(site.journal.read())) == 1


def test_files_dropped_while_it_listens_end_in_the_warehouse(
    site: Site, listening: Callable[[], FileListener]
) -> None:
    listening()
    for n in range(3):
        site.land(f"001{n}", run=f"run-{n}")
        time.sleep(0.1)
    until(lambda: site.steps().count(("ingest", "success")) == 3)
    until(lambda: site.steps()[-1][0] == "build")
    assert site.ids() == ["0010", "0011", "0012"]


def test_a_run_is_waited_for(site: Site, listening: Callable[[], FileListener]) -> None:
    with run_lock(site.lake):
        listening()
        key = site.land("001A")
        time.sleep(0.4)
        assert site.outcomes == []
        assert site.lake.landing.head(key) is not None
    until(lambda: ("build", "success") in site.steps())
    assert site.ids() == ["001A"]


def test_stop_ends_the_wait_for_a_run(site: Site, listening: Callable[[], FileListener]) -> None:
    with run_lock(site.lake):
        listener = listening()
        time.sleep(0.1)
        listener.stop.set()


def test_a_second_listener_is_refused(site: Site) -> None:
    with run_lock(site.lake, key="listen.lock"):
        for start in (site.listener().drain, partial(site.listener().listen, AT_ONCE)):
            with pytest.raises(AlreadyRunningError, match=r"listen\.lock"):
                start()


def test_a_rejected_file_is_reported_and_the_good_ones_go_on(site: Site) -> None:
    site.intake.land(b"no parquet at all", "Contact")
    site.land("001A")
    assert not site.listener().drain()
    assert site.ids() == ["001A"]
    assert [(outcome.step, outcome.about) for outcome in site.outcomes if not outcome.ok] == [
        ("ingest", "in/dev-Salesforce-Contact/run-1/page.parquet")
    ]
    assert dead_letters(site.journal) == [], "why it was rejected is an event of its own"


def test_a_handler_that_fails_ends_as_a_dead_letter_and_can_be_redelivered(site: Site) -> None:
    key = site.land("001A")
    site.land("003A", name="Contact")
    # Once in company, then as often as a single one is tried.
    site.failures[key] = [ValueError("odd")] * 4
    listener = site.listener()
    assert not listener.drain()
    [letter] = dead_letters(site.journal)
    assert (letter.subscriber, letter.reason) == ("ingestion", "ValueError: odd")
    assert letter.event.detail["object"]["key"] == key
    assert site.ids("contact") == ["003A"]
    assert site.lake.landing.head(key) is not None, "it stays, and the sweep does not tell again"
    site.failures.clear()
    assert site.listener().drain()
    assert redeliver(site.journal) == 1
    assert site.listener().drain()
    assert site.ids() == ["001A"]
    assert dead_letters(site.journal) == []


def test_a_clean_copy_that_cannot_be_loaded_is_a_dead_letter(site: Site) -> None:
    site.listener().drain()
    keys = []
    for n in range(2):
        site.land(f"001{n}", run=f"run-{n}")
        [result] = site.intake.ingestor.sweep().succeeded
        site.journal.publish(list(site.intake.bus.events.values()))
        keys.append(result.curated_key)
    whole = site.lake.curated.get(keys[0])
    site.lake.curated.put(keys[0], b"garbage")
    assert not site.listener().drain()
    assert site.ids() == ["0011"]
    [letter] = dead_letters(site.journal)
    assert (letter.subscriber, letter.event.detail["curated_key"]) == ("warehouse", keys[0])
    site.lake.curated.put(keys[0], whole)
    redeliver(site.journal)
    assert site.listener().drain()
    assert site.ids() == ["0010", "0011"]
    assert dead_letters(site.journal) == []


def test_an_object_that_left_the_catalog_is_a_dead_letter(site: Site) -> None:
    listener = site.listener()
    detail = {"object": "Nothing__c", "state": "success", "curated_key": "x"}
    site.journal.publish([Event("seil.sf-to-dw", "file-ingestion", detail)])
    assert not listener.drain()
    [letter] = dead_letters(site.journal)
    assert "Nothing__c: is no longer in the catalog" in letter.reason


def test_a_lake_that_fails_for_a_while_is_waited_for(
    site: Site, listening: Callable[[], FileListener], caplog: pytest.LogCaptureFixture
) -> None:
    key = site.land("001A")
    site.failures[key] = [LakeError("file:///x", "write", "no space left")] * 2
    listening()
    until(lambda: ("build", "success") in site.steps())
    assert site.ids() == ["001A"]
    assert caplog.text.count("retries in 0:00:00.05") == 2
    assert dead_letters(site.journal) == []


def test_what_only_a_person_can_mend_ends_the_listener(site: Site) -> None:
    key = site.land("001A")
    site.failures[key] = [OtherStateError("state.sqlite", "open", "another site's")]
    with pytest.raises(OtherStateError):
        site.listener().listen(AT_ONCE)
    assert site.lake.landing.head(key) is not None


def test_what_a_listener_waits_for_is_seen_by_status(
    site: Site, listening: Callable[[], FileListener]
) -> None:
    key = site.land("001A")
    site.failures[key] = [LakeError("file:///x", "write", "no space left")] * 10_000
    listening()
    until(lambda: bool(site.state.troubles.all()))
    [trouble] = site.state.troubles.all()
    assert (trouble.command, trouble.kind) == ("listen", "lake")
    site.failures[key].clear()
    until(lambda: not site.state.troubles.all())
    until(lambda: site.ids() == ["001A"])


def test_a_load_that_was_killed_before_its_build_is_built(site: Site) -> None:
    site.land("001A")
    site.intake.ingestor.sweep()
    with open_warehouse(site.settings) as warehouse:
        load(warehouse, site.lake, site.intake.catalog)
    assert site.listener().drain()
    assert site.steps() == [("build", "success")]
