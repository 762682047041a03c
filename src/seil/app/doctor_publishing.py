"""`seil doctor`'s check of the catalog of published tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from seil.checks import SiteCheck

if TYPE_CHECKING:
    from seil.app.site import Site


def catalog_checks(site: Site) -> Iterator[SiteCheck]:
    """Where one is set. Looks for the first table; writes nothing."""
    if not site.settings.publish.catalog:
        return
    from seil.app.published_tables import identifier_of, table_names
    from seil.app.publishing import opened_catalog, refuse_iceberg_warehouse

    refuse_iceberg_warehouse(site)
    names = table_names(site, site.settings.publish.tables)
    with opened_catalog(site) as catalog:
        catalog.find(identifier_of(names[0], site.settings.publish.namespace))
        together = "at one moment" if catalog.moves_together else "one by one"
        detail = f"{len(names):,} tables to {catalog.url}, {together}"
        yield SiteCheck("published tables", "ok", detail)
