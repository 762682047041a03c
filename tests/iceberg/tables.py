"""Tables to publish, held in memory, and readers of what was published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute

from seil.iceberg.catalog import IcebergCatalog, open_catalog
from seil.iceberg.engine import embedded_engine
from seil.iceberg.publisher import PublishMode, TableOutcome, TablePublisher
from seil.settings import PublishSettings

pc: Any = pyarrow.compute


@dataclass(frozen=True)
class Changed:
    before: pa.Table
    after: pa.Table
    key: Sequence[str]

    def keys(self) -> pa.Table:
        old, new = _texts(self.before), _texts(self.after)
        rows = [
            {name: row[name] for name in self.key}
            for table, others in ((self.before, new), (self.after, old))
            for row in table.to_pylist()
            if repr(row) not in others
        ]
        return pa.Table.from_pylist(rows, self.after.select(self.key).schema)

    @contextmanager
    def rows(self) -> Iterator[pa.RecordBatchReader]:
        chosen = _texts(self.keys())
        keep = [repr(row) in chosen for row in self.after.select(self.key).to_pylist()]
        yield self.after.filter(pa.array(keep, pa.bool_())).to_reader()


def _texts(table: pa.Table) -> set[str]:
    return {repr(row) for row in table.to_pylist()}


@dataclass
class MemorySource:
    """`versions` are those whose changes are known."""

    table: pa.Table
    version: str = "1"
    key: Sequence[str] = ("id",)
    name: str = "orders"
    description: str = "Orders."
    versions: dict[str, pa.Table] = field(default_factory=dict)

    @property
    def identifier(self) -> tuple[str, str]:
        return "seil", self.name

    @property
    def columns(self) -> pa.Schema:
        return self.table.schema

    @contextmanager
    def rows(self) -> Iterator[pa.RecordBatchReader]:
        yield self.table.to_reader()

    def changed_since(self, version: str) -> Changed | None:
        before = self.versions.get(version)
        return None if before is None else Changed(before, self.table, self.key)


def folder_catalog(folder: Path) -> IcebergCatalog:
    return open_catalog(PublishSettings(), folder.as_uri())


def publish(
    catalog: IcebergCatalog, *sources: MemorySource, mode: PublishMode = "changes"
) -> list[TableOutcome]:
    with embedded_engine(memory="256MB", threads=1) as engine:
        publisher = TablePublisher(catalog, engine, mode, pause=lambda _: None)
        return publisher.publish(sources)


def read_by_pyiceberg(catalog: IcebergCatalog, name: str = "orders") -> list[dict[str, Any]]:
    table = catalog.find(("seil", name))
    assert table is not None
    return ordered(table.scan().to_arrow())


def read_by_duckdb(folder: Path, name: str = "orders") -> list[dict[str, Any]]:
    """By the folder alone, without its catalog."""
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        for extension in ("avro", "httpfs", "iceberg"):
            connection.execute(f"LOAD '{_extension(extension)}'")
        connection.execute("SET TimeZone = 'UTC'")
        place = folder / "seil" / name
        rows = connection.execute(f"SELECT * FROM iceberg_scan('{place}')").to_arrow_table()
    return ordered(rows)


def ordered(table: pa.Table) -> list[dict[str, Any]]:
    rows = [{name: row[name] for name in sorted(row)} for row in table.to_pylist()]
    return sorted(rows, key=repr)


def _extension(name: str) -> str:
    from importlib import import_module

    module = import_module(f"duckdb_extension_{name}")
    (file,) = Path(str(module.__file__)).parent.rglob(f"{name}.duckdb_extension")
    return str(file)
