"""The current-record tables of schema `salesforce`, as models and lineage see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from seil.catalog import Catalog, SyncedObject, load_catalog
from seil.catalog.fields import packaged_fields
from seil.salesforce.schema import described_schema

if TYPE_CHECKING:
    from seil.salesforce.schema import Field

SOURCE_SCHEMA = "salesforce"


@dataclass(frozen=True)
class Source:
    """A synced object's table, with the fields the packaged list knows by lower-cased name."""

    object: SyncedObject

    @property
    def table(self) -> str:
        return self.object.table

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        name = self.object.api_name
        described = described_schema({"name": name, "fields": packaged_fields(name)})
        return {field.name.lower(): field for field in described.fields}


def catalog_sources(catalog: Catalog) -> Mapping[str, Source]:
    """By table name. Packaged objects that are switched off are there too: models may read them."""
    objects = [*load_catalog().values(), *catalog.values()]
    return {obj.table: Source(obj) for obj in objects}
