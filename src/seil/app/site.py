"""An opened site: each part is built from the settings when it is first used."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from seil.closing import Closing

if TYPE_CHECKING:
    from seil.app.runs import Run, RunBook
    from seil.catalog import Catalog
    from seil.events.audit_trail import AuditTrail
    from seil.events.bus import Bus
    from seil.events.journal import Journal
    from seil.lake import Lake
    from seil.modeling.business_date import BusinessZone
    from seil.modeling.model import Models
    from seil.salesforce.org import Org
    from seil.settings import Settings
    from seil.sf_to_dw.extract.extractor import Extractor
    from seil.sf_to_dw.ingest.ingestor import Ingestor
    from seil.sf_to_dw.pipeline import Pipeline
    from seil.sf_to_dw.schema.registry import SchemaRegistry
    from seil.state import State
    from seil.warehouse import Warehouse
    from seil.warehouse.readers import Publication, WarehouseReader


class Site(Closing):
    """One environment's parts. Files and connections are closed when it is left.

    Events go to `bus`: to that of the settings where none is given. `sleep` makes the pauses
    between requests to the org; one that raises ends the work.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        bus: Bus | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self._bus = bus
        self._sleep = sleep
        self._open = ExitStack()

    def close(self) -> None:
        self._open.close()

    @cached_property
    def catalog(self) -> Catalog:
        from seil.catalog import load_catalog

        return load_catalog(self.settings.catalog.file)

    @cached_property
    def lake(self) -> Lake:
        """Raises NewerSiteError."""
        from seil.lake import Lake
        from seil.lake.site_layout import refuse_newer

        settings = self.settings
        lake = Lake.at(settings.lake.url, env=settings.env, project=settings.project)
        refuse_newer(lake)
        return lake

    @cached_property
    def bus(self) -> Bus:
        """Raises MissingExtraError for EventBridge."""
        if self._bus:
            return self._bus
        if name := self.settings.events.bus:
            from seil.events.event_bridge import EventBridge

            return EventBridge(name, self.lake.staging)
        return self.journal

    @property
    def audit_trail(self) -> AuditTrail:
        """What has been published, in order."""
        return self.state.events if self.settings.events.bus else self.journal

    @property
    def audit_trail_to_read(self) -> AuditTrail | None:
        """Creates none; None where there is none yet."""
        if self.settings.events.bus:
            return self.state_to_read.events
        return self.journal if self.has_journal else None

    @cached_property
    def journal(self) -> Journal:
        from seil.events.journal import Journal

        return self._open.enter_context(Journal(self.settings.events.journal))

    @cached_property
    def state(self) -> State:
        """Bound to the site; what an earlier layout kept in the lake is moved into it first.

        Raises AlreadyRunningError where a run of the earlier version still needs that, and
        MissingStateError, OtherStateError.
        """
        from seil.app.adoption import adopt, has_documents, is_adopted
        from seil.app.state_binding import bind
        from seil.sf_to_dw.lock import run_lock

        state = self.unbound_state
        bind(self.lake, state)
        if not is_adopted(state):
            is_held = self.lake.fence.token is not None
            is_free = is_held or not has_documents(self.lake)
            with nullcontext() if is_free else run_lock(self.lake):
                adopt(self.lake, state)
        return state

    @cached_property
    def unbound_state(self) -> State:
        """What lies at `[state] url`, whoever's it is."""
        from seil.state import open_state

        return self._open.enter_context(open_state(self.settings.state))

    @property
    def state_to_read(self) -> State:
        """Creates no state and moves nothing. Raises MissingStateError, OtherStateError."""
        from seil.app.adoption import has_begun

        # Not cached: the first run may end while the site is open.
        stored = self.unbound_state
        is_begun = stored.database.is_stored and has_begun(stored)
        return self._checked_state if is_begun else self._earlier_state

    @cached_property
    def _checked_state(self) -> State:
        from seil.app.state_binding import check

        check(self.lake, self.unbound_state)
        return self.unbound_state

    @cached_property
    def _earlier_state(self) -> State:
        """In memory: what an earlier layout kept in the lake, or nothing."""
        from seil.app.adoption import adopt_for_reading
        from seil.app.state_binding import check
        from seil.state import state_in_memory

        check(self.lake, self.unbound_state)
        state = self._open.enter_context(state_in_memory())
        adopt_for_reading(self.lake, state)
        return state

    @cached_property
    def runs(self) -> RunBook:
        from seil.app.runs import RunBook

        def publish(run: Run) -> None:
            from seil.app.publishing import publish_after_build

            publish_after_build(self, run)

        return RunBook.of(self.state, self.bus, self.settings.state, after_build=publish)

    @cached_property
    def org(self) -> Org:
        """The site's org: a login that leads to another one is refused."""
        from seil.salesforce.org import Org
        from seil.sf_to_dw.extract.org_identity import org_guard

        settings = self.settings.salesforce
        admit = org_guard(self.lake, settings.login_url)
        return self._open.enter_context(Org(settings, admit=admit, sleep=self._sleep))

    @cached_property
    def registry(self) -> SchemaRegistry:
        from seil.sf_to_dw.schema.registry import SchemaRegistry

        return SchemaRegistry(self.lake)

    @cached_property
    def models(self) -> Models:
        from seil.sf_to_dw.site_models import site_models

        folder = self.settings.models.folder
        return site_models(self.catalog, folder, zone=self.business_zone)

    def business_zone(self) -> BusinessZone:
        """Not cached: the first run reads the org's zone."""
        from seil.sf_to_dw.extract.business_zone import business_zone

        return business_zone(self.settings.warehouse.time_zone, self.lake)

    @cached_property
    def extractor(self) -> Extractor:
        from seil.sf_to_dw.extract.extractor import Extractor

        return Extractor(
            self.org,
            self.lake,
            self.bus,
            self.settings.extract,
            registry=self.registry,
            state=self.state,
        )

    @cached_property
    def ingestor(self) -> Ingestor:
        from seil.sf_to_dw.ingest.ingestor import Ingestor

        return Ingestor(
            self.lake,
            self.catalog,
            settings=self.settings.ingest,
            bus=self.bus,
            registry=self.registry,
            decisions=self.state.decisions,
        )

    @cached_property
    def pipeline(self) -> Pipeline:
        from seil.sf_to_dw.pipeline import Pipeline

        return Pipeline(
            lake=self.lake,
            catalog=self.catalog,
            bus=self.bus,
            decisions=self.state.decisions,
            extractor=self.extractor,
            ingestor=self.ingestor,
            open_warehouse=self.warehouse,
            publish=self.publish,
            models=self.models,
            on_loaded=self.mirror_outcomes,
            logs_keys=self.logs_keys,
        )

    def mirror_outcomes(self, warehouse: Warehouse) -> None:
        """Brings the warehouse's copy of the outcomes up to date."""
        from seil.app.outcome_mirror import mirror_outcomes

        keep = self.settings.state.keep_outcomes
        mirror_outcomes(self.state.outcomes, warehouse, keep=keep)

    @property
    def logs_keys(self) -> bool:
        """Whether builds record the keys of changed rows, for the tables that others read."""
        return bool(self.settings.publish.catalog)

    @property
    def own_paths(self) -> list[Path]:
        """What SEIL writes on this machine, apart from the lake. Raises ConfigurationError."""
        from seil.warehouse import local_file

        warehouse = local_file(self.settings.warehouse)
        engine, _, state = self.settings.state.url.partition(":")
        feed = urlsplit(self.settings.feed.url)
        return [
            self.settings.events.journal,
            *([Path(state)] if engine == "sqlite" else []),
            *([warehouse] if warehouse else []),
            *([Path(unquote(feed.path))] if feed.scheme == "file" else []),
        ]

    @property
    def has_journal(self) -> bool:
        """Unlike `journal`, creates none."""
        return self.settings.events.journal.exists()

    @property
    def has_warehouse(self) -> bool:
        """Whether a run has made it already; true for one that is not a file."""
        from seil.warehouse import local_file

        file = local_file(self.settings.warehouse)
        return file is None or file.exists()

    def warehouse(self, *, read_only: bool = False, wait: timedelta | None = None) -> Warehouse:
        """Close it as soon as it is not needed: it is locked while it is open.

        `wait` is for another process that has it open; None waits as long as is usual.
        """
        from seil.warehouse import LOCK_WAIT, open_warehouse

        patience = LOCK_WAIT if wait is None else wait
        fence = None if read_only else self.lake.fence
        settings = self.settings.warehouse
        return open_warehouse(
            settings,
            read_only=read_only,
            wait=patience,
            fence=fence,
            open_url=None if read_only else self.lake.open_url,
        )

    def reading(self, *, wait: timedelta | None = None) -> AbstractContextManager[WarehouseReader]:
        """The warehouse for reading: no run waits for it, nor it for a run.

        `wait` is for a run, where there is no copy for readers.
        """
        from seil.warehouse import LOCK_WAIT, open_reading

        return open_reading(self.settings.warehouse, wait=LOCK_WAIT if wait is None else wait)

    def publish(self) -> Publication:
        """Brings the readers' copy up to date, with the run lock held and the warehouse closed."""
        from seil.app.upkeep_mark import mark_first
        from seil.warehouse import publish

        mark_first(self.state, self.settings.warehouse)
        return publish(self.settings.warehouse)


def open_site(config: str | Path | None = None) -> Site:
    """The site of this seil.toml; by default, of the one that the commands take.

    Raises ConfigurationError.
    """
    from seil.settings import load_settings

    return Site(load_settings(Path(config) if config is not None else None))
