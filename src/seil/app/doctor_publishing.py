"""`seil doctor`'s check of the catalog of published tables."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from seil.checks import SiteCheck

if TYPE_CHECKING:
    from seil.app.site import Site


def catalog_checks(site: Site) -> Iterator[SiteCheck]:
    """Where one is set. Looks for the first table; writes nothing."""
    if not site.settings.publish.catalog:
        return
    from seil.app.published_tables import identifier_of, table_names
    from seil.app.publishing import catalog_place, opened_catalog, refuse_iceberg_warehouse
    from seil.iceberg import CATALOG_FILE

    refuse_iceberg_warehouse(site)
    names = table_names(site, site.settings.publish.tables)
    folder = _folder(catalog_place(site))
    if folder is not None and not (folder / CATALOG_FILE).exists():
        yield _of_new_folder(folder)
        return
    with opened_catalog(site) as catalog:
        catalog.find(identifier_of(names[0], site.settings.publish.namespace))
        together = "at one moment" if catalog.moves_together else "one by one"
        detail = f"{len(names):,} tables to {catalog.url}, {together}"
        yield SiteCheck("published tables", "ok", detail)


def _of_new_folder(folder: Path) -> SiteCheck:
    """Whether the first publication can make the catalog there."""
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return SiteCheck("published tables", "ok", f"{folder} is filled by the first publication")
    cure = "Give this user the right to write there, or change [publish] catalog"
    return SiteCheck(
        "published tables", "fail", f"{nearest} is no folder that can be written", cure
    )


def _folder(url: str) -> Path | None:
    """None of a catalog that a server keeps."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None
