"""A site's models: the packaged ones and its own, with its catalog's tables as sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import resources
from pathlib import Path

from seil.catalog import Catalog, SyncedObject, load_catalog
from seil.catalog.fields import packaged_fields
from seil.errors import ConfigurationError, Problem
from seil.modeling.business_date import BusinessZone
from seil.modeling.model import Models, load_models
from seil.modeling.needs import ColumnNeed
from seil.modeling.sources import Source, SourceColumn, Sources
from seil.salesforce.schema import parse_describe
from seil.sf_to_dw.feed import packaged_feeds
from seil.warehouse.tables import TableName

_SCHEMA = "salesforce"


def site_models(
    catalog: Catalog,
    folder: Path | None = None,
    *,
    zone: Callable[[], BusinessZone] = BusinessZone,
) -> Models:
    """The packaged models and those of `folder`; a file of the same name replaces a packaged one.

    The legacy feed's columns are required. `zone` is called at each build for the time zone of
    business dates. Raises ConfigurationError with all problems.
    """
    packaged = resources.files(__package__).joinpath("models")
    if folder and not folder.is_dir():
        cure = "create it, or correct [models] folder in seil.toml"
        raise ConfigurationError([Problem(str(folder), "there is no such folder", cure)])
    folders = [("models", packaged), *([(str(folder), folder)] if folder else [])]
    return load_models(folders, catalog_sources(catalog), needs=_feed_needs(), zone=zone)


def _feed_needs() -> Iterator[ColumnNeed]:
    for feed in packaged_feeds().values():
        for header, column in {**feed.columns, "a line": feed.line_of}.items():
            if column:
                yield ColumnNeed(feed.table, column, f"feed {feed.name} needs for {header}")


def catalog_sources(catalog: Catalog) -> Sources:
    """The current-record tables, including those of packaged objects that are switched off."""
    objects = [*load_catalog().values(), *catalog.values()]
    return {source.table: source for source in map(_source, objects)}


def _source(obj: SyncedObject) -> Source:
    return Source(
        TableName(_SCHEMA, obj.table),
        key=obj.key.lower(),
        label=obj.api_name,
        aliases=(obj.landing_name, obj.table),
        landing=f"Salesforce-{obj.landing_name}",
        describe=partial(_packaged_columns, obj.api_name),
    )


def _packaged_columns(name: str) -> Mapping[str, SourceColumn]:
    """Columns by name, from the packaged list of fields; empty for an object not in it."""
    described = parse_describe({"name": name, "fields": packaged_fields(name)})
    return {f.name.lower(): SourceColumn(f.arrow, f.name) for f in described.fields}
