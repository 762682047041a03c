"""A lake, a warehouse and an org of one object: a whole run takes a second."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.small_org import SmallOrg, moment

from seil.app.site import Site
from seil.modeling.model import Models
from seil.settings import load_settings
from seil.sf_to_dw.rebuild import Rebuild

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
CONFIG = """
[salesforce]
login_url = "{url}"
[extract]
page_rows = 1000
poll = 0.05
[lake]
url = "lake"
[warehouse]
url = "duckdb:warehouse.duckdb"
threads = 1
[events]
journal = "journal.sqlite"
"""
CATALOG = """
[defaults.flow]
lag = "0s"
deletions = false
compare_ids = "off"
[objects.{name}]
{catalog}
"""


class _Site(Site):
    @cached_property
    def models(self) -> Models:
        return Models([], {})


@dataclass
class SmallSite:
    """The org's clock moves only by `pass_time` and `run`."""

    folder: Path
    org: SmallOrg = field(default_factory=SmallOrg)
    catalog: str = ""
    now: datetime = BEGIN

    def __post_init__(self) -> None:
        self.org.clock = lambda: self.now

    def add(self, *ids: str, at: datetime | None = None, **values: str) -> None:
        """Adds records, or changes them."""
        rows = {row["Id"]: row for row in self.org.rows}
        for record_id in ids:
            row = rows.setdefault(record_id, {"Id": record_id, "IsDeleted": "false"})
            row.update({"SystemModstamp": moment(at or self.now), **values})
        self.org.rows = list(rows.values())

    def pass_time(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    def open(self) -> Site:
        config = self.folder / "seil.toml"
        config.write_text(CONFIG.format(url=self.org.url))
        catalog = CATALOG.format(name=self.org.name, catalog=self.catalog)
        (self.folder / "objects.toml").write_text(catalog)
        return _Site(load_settings(config))

    def run(self, *, full: bool = False) -> Any:
        self.pass_time(seconds=1)
        with self.open() as context:
            return context.pipeline.run(context.catalog.select([self.org.name]), full=full)

    def records(self) -> dict[str, dict[str, Any]]:
        with self.open() as context, context.warehouse(read_only=True) as warehouse:
            (table,) = warehouse.tables("salesforce")
            rows = warehouse.query(f'SELECT * FROM salesforce."{table}"').to_pylist()
        return {row["id"]: {k: v for k, v in row.items() if not k.startswith("_")} for row in rows}

    def assert_rebuild_is_equal(self) -> None:
        live = self.records()
        with self.open() as context:
            settings = context.settings.warehouse
            rebuild = Rebuild(
                settings,
                context.lake,
                context.catalog,
                context.models,
                bus=context.journal,
                decisions=context.state.decisions,
            )
            report = rebuild.run()
        assert report.is_replaced, report.refused
        assert self.records() == live


def record_id(number: int) -> str:
    return f"a0X{number:012d}AAA"
