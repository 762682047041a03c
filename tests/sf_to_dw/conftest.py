"""A lake in a folder, with helpers that land and ingest files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seil.catalog import Catalog, CatalogColumn, SyncedObject, Validation
from seil.events.envelope import Event
from seil.lake import Lake
from seil.salesforce.schema import Field, ObjectSchema
from seil.settings import IngestSettings
from seil.sf_to_dw.ingest.ingestor import Ingestor, IngestResult
from seil.sf_to_dw.schema.registry import SchemaRegistry
from seil.state import state_in_memory


class Recorder:
    """A bus that keeps the first event of an id, as the journal does."""

    def __init__(self) -> None:
        self.events: dict[str, Event] = {}

    def publish(self, events: Sequence[Event]) -> None:
        for event in events:
            self.events.setdefault(event.id, event)

    def history(self, key: str) -> list[tuple[int, Event]]:
        numbered = list(enumerate(self.events.values(), 1))
        return [(n, e) for n, e in numbered if key in (e.detail.get("key"), _archived(e))]


def _archived(event: Event) -> object:
    return event.detail.get("archived_key")


class Intake:
    """`catalog` has Account and Contact, which the packaged list knows, and Thing__c."""

    def __init__(self, root: Path, objects: Iterable[SyncedObject] = ()) -> None:
        self.lake = Lake.at(root.as_uri(), env="dev", project="seil")
        own = [SyncedObject(api_name=name) for name in ("Account", "Contact", "Thing__c")]
        self.catalog = Catalog([*own, *objects])
        self.bus = Recorder()
        self.registry = SchemaRegistry(self.lake)
        self.state = state_in_memory()
        self.decisions = self.state.decisions
        self.workers = 2

    @property
    def ingestor(self) -> Ingestor:
        return Ingestor(
            self.lake,
            self.catalog,
            settings=IngestSettings(workers=self.workers),
            bus=self.bus,
            registry=self.registry,
            decisions=self.decisions,
            clock=lambda: datetime(2026, 3, 9, 12, 30, tzinfo=UTC),
            new_id=lambda: "processing-1",
        )

    def with_object(self, obj: SyncedObject) -> Intake:
        """Replaces the catalog's object of the same name by `obj`."""
        others = [o for o in self.catalog.values() if o.api_name != obj.api_name]
        self.catalog = Catalog([*others, obj])
        return self

    def with_rule(self, rule: str, level: Any = "reject") -> Intake:
        """Adds a rule to Thing__c's Size."""
        validation = Validation(type="sql", rule=rule, level=level, message="broken")
        columns = (CatalogColumn(name="Size", validations=(validation,)),)
        return self.with_object(SyncedObject(api_name="Thing__c", columns=columns))

    def describe(self, **types: pa.DataType) -> None:
        """Stores the org's schema of Thing__c."""
        fields = tuple(Field(name, "x", arrow) for name, arrow in types.items())
        self.registry.store(self.catalog["Thing__c"], ObjectSchema("Thing__c", fields))

    def land(
        self,
        data: pa.Table | bytes | dict[str, Any],
        name: str = "Thing",
        *,
        run: str = "run-1",
        file: str = "page.parquet",
        metadata: dict[str, str] | None = None,
        **options: Any,
    ) -> str:
        """Lands bytes unchanged, a table or columns as Parquet; returns the key."""
        key = f"in/dev-Salesforce-{name}/{run}/{file}"
        if isinstance(data, bytes):
            self.lake.landing.put(key, data)
            return key
        table = pa.table(data) if isinstance(data, dict) else data
        with self.lake.landing.writer(key) as sink:
            pq.write_table(table.replace_schema_metadata(metadata), sink, **options)
        return key

    def ingest(self, data: pa.Table | bytes | dict[str, Any], *args: str, **options: Any) -> Any:
        return self.ingestor.ingest(self.land(data, *args, **options))

    def read(self, key: str) -> pa.Table:
        with self.lake.curated.reader(key) as file:
            return pq.read_table(file)

    def rows(self, result: IngestResult, *columns: str) -> list[dict[str, Any]]:
        """The curated rows."""
        return self.read(result.curated_key).select(list(columns)).to_pylist()

    def rejected_rows(self, result: IngestResult, *columns: str) -> list[dict[str, Any]]:
        """The quarantined rows."""
        return self.read(result.exceptions_key).select(list(columns)).to_pylist()

    def keys(self, prefix: str = "") -> list[str]:
        """Keys in the landing bucket, without the reason files."""
        keys = [entry.key for entry in self.lake.landing.list(prefix)]
        return [key for key in keys if not key.endswith(".reason.json")]

    def curated_keys(self) -> list[str]:
        return [entry.key for entry in self.lake.curated.list()]

    def events(self, detail_type: str = "file-ingestion") -> list[Event]:
        return [e for e in self.bus.events.values() if e.detail_type == detail_type]


@pytest.fixture
def new_intake() -> Iterator[Callable[..., Intake]]:
    with ExitStack() as opened:

        def new(root: Path, objects: Iterable[SyncedObject] = ()) -> Intake:
            intake = Intake(root, objects)
            opened.callback(intake.state.close)
            return intake

        yield new


@pytest.fixture
def intake(tmp_path: Path, new_intake: Callable[..., Intake]) -> Intake:
    return new_intake(tmp_path / "lake")
