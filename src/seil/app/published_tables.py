"""The warehouse's tables as they are published: the models' own, and raw ones that are named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from seil.errors import ConfigurationError, Problem
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.app.runs import RunBook
    from seil.catalog import Catalog
    from seil.iceberg.source import ChangedRows
    from seil.lake import Lake
    from seil.modeling.model import Models
    from seil.settings import Settings
    from seil.warehouse import Warehouse
    from seil.warehouse.bookkeeping import ChangedKeys
    from seil.warehouse.readers import WarehouseReader


class PublishingSite(Protocol):
    """What publishing needs of a site, which itself calls it after each build."""

    @property
    def settings(self) -> Settings: ...

    @property
    def catalog(self) -> Catalog: ...

    @property
    def models(self) -> Models: ...

    @property
    def lake(self) -> Lake: ...

    @property
    def runs(self) -> RunBook: ...

    def reading(self) -> AbstractContextManager[WarehouseReader]: ...


RAW_SCHEMAS = ("salesforce", "salesforce_history")


@dataclass(frozen=True)
class PublishableTable:
    """A `TableSource`. `warehouse` is open for reading while the source is read."""

    warehouse: Warehouse
    table: TableName
    columns: pa.Schema
    namespace: str
    version: str
    description: str = ""
    key: Sequence[str] = ()

    @property
    def name(self) -> str:
        return str(self.table)

    @property
    def identifier(self) -> tuple[str, str]:
        return identifier_of(self.table, self.namespace)

    def rows(self) -> AbstractContextManager[pa.RecordBatchReader]:
        from seil.modeling.export import all_rows

        return all_rows(self.warehouse, self.table, self.columns)

    def changed_since(self, version: str) -> ChangedRows | None:
        if self.table.schema:
            return None
        books = self.warehouse.bookkeeping
        changed = books.changed_keys(self.table, self.key, since=version, until=self.version)
        return None if changed is None else _LoggedRows(self.warehouse, changed)


@dataclass(frozen=True)
class _LoggedRows:
    """`ChangedRows` that builds recorded."""

    warehouse: Warehouse
    changed: ChangedKeys

    def keys(self) -> pa.Table:
        return self.changed.keys

    def rows(self) -> AbstractContextManager[pa.RecordBatchReader]:
        from seil.modeling.export import recorded_rows

        return recorded_rows(self.warehouse, self.changed)


def identifier_of(table: TableName, namespace: str) -> tuple[str, str]:
    """Namespace and name of the published table."""
    return "_".join(filter(None, (namespace, table.schema))), table.name.lower()


def table_names(site: PublishingSite, names: Sequence[str]) -> list[TableName]:
    """The tables by name, all models' if `names` is empty, models first and in build order.

    Raises ConfigurationError with every name that is neither a model's nor that of a raw table.
    """
    chosen = [name.lower() for name in names] or list(site.models)
    models = [TableName("", name) for name in site.models if name in chosen]
    raw = {name: _raw(name) for name in chosen if name not in site.models}
    cure = "name a model, or a raw table as salesforce.account"
    if problems := [Problem(name, "is no table", cure) for name in raw if raw[name] is None]:
        raise ConfigurationError(problems)
    return [*models, *filter(None, raw.values())]


def _raw(name: str) -> TableName | None:
    schema, dot, table = name.partition(".")
    return TableName(schema, table) if dot and schema in RAW_SCHEMAS and table else None


def warehouse_tables(
    site: PublishingSite, warehouse: Warehouse, tables: Sequence[TableName]
) -> tuple[list[PublishableTable], list[TableName]]:
    """Those that exist, and the names of those that do not yet.

    Raises ConfigurationError for a raw table that does not exist and is of no object.
    """
    versions = _versions(site, warehouse)
    existing, missing = [], []
    for table in tables:
        columns = warehouse.columns(table)
        if columns is None:
            missing.append(table)
            continue
        model = site.models[table.name] if not table.schema else None
        existing.append(
            PublishableTable(
                warehouse,
                table,
                columns,
                site.settings.publish.namespace,
                versions.get(table, ""),
                model.described.description if model else f"Salesforce records: {table.name}.",
                model.key if model else (),
            )
        )
    refuse_unknown(site, missing)
    return existing, missing


def refuse_unknown(site: PublishingSite, missing: Sequence[TableName]) -> None:
    """Raises ConfigurationError for raw tables that no object will ever fill."""
    objects = {obj.table for obj in site.catalog.values()}
    unknown = [table for table in missing if table.schema and table.name not in objects]
    if unknown:
        cure = "name a raw table of an object in the catalog"
        raise ConfigurationError([Problem(str(name), "is no table", cure) for name in unknown])


def _versions(site: PublishingSite, warehouse: Warehouse) -> Mapping[TableName, str]:
    """Of a model's table the last build that changed it; of a raw one, a digest of its files."""
    built = warehouse.bookkeeping.built_versions()
    versions = {TableName("", name): entry.version for name, entry in built.items()}
    return {**versions, **dict(_raw_versions(site, warehouse))}


def _raw_versions(site: PublishingSite, warehouse: Warehouse) -> Iterator[tuple[TableName, str]]:
    files = warehouse.bookkeeping.files_by_object()
    for obj in site.catalog.values():
        if keys := files.get(obj.api_name):
            digest = hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()[:20]
            for schema in RAW_SCHEMAS:
                yield TableName(schema, obj.table), f"files-{digest}"
