"""A whole site on an engine has the tables, feeds and answers that one on DuckDB has.

It grows on both: `seil move` compares what grew on the one with what the other makes of curated.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.engines import ENGINES, FACTS_QUERY, EngineUnderTest
from tests.sites import CATALOG, CONFIG, Site
from tests.spark import spark_section

import seil.app.site
from seil.app.move import move
from seil.app.queries import export_feed, query
from seil.modeling.model import Models
from seil.settings import load_settings
from seil.sf_to_dw.site_models import site_models

OWN_MODEL = {
    "account_sizes.sql": """
        SELECT account.id, upper(account.name) AS name, count(contact.id) AS contacts,
               max(contact.createddate) AS last_contact_at
        FROM salesforce.account LEFT JOIN salesforce.contact ON contact.accountid = account.id
        GROUP BY account.id, account.name""",
    "account_sizes.yml": """
        name: account_sizes
        grain: One row per account.
        key: [id]
        columns:
          - {name: id, type: text}
          - {name: name, type: text}
          - {name: contacts, type: bigint}
          - {name: last_contact_at, type: timestamp with time zone}""",
}
HISTORY = "[objects.Contact]\nhistory = true\n"
SOME = ("Account", "Contact", "Order", "OrderItem", "User")
TABLES = ("sales_orders", "sales_order_contacts", "account_sizes")


class _OpenSite(seil.app.site.Site):
    """Builds only `tables`, all if empty."""

    tables: tuple[str, ...] = ()

    @cached_property
    def models(self) -> Models:
        models = site_models(self.catalog, self.settings.models.folder, zone=self.business_zone)
        return Models(models.select(self.tables), models.sources, zone=self.business_zone)


@dataclass
class MovingSite(Site):
    """Its warehouse is the one that its settings name; `configure` keeps that."""

    spark: str = ""

    def configure(self, catalog: str = "") -> None:
        config = CONFIG.format(url=self.url) + '[models]\nfolder = "models"\n[feed]\nurl = "feed"\n'
        config += self.spark
        (self.folder / "seil.toml").write_text(config)
        (self.folder / "objects.toml").write_text(CATALOG + HISTORY)
        (self.folder / "models").mkdir()
        for name, text in OWN_MODEL.items():
            (self.folder / "models" / name).write_text(text)

    def open(self) -> seil.app.site.Site:
        opened = _OpenSite(load_settings(self.folder / "seil.toml"))
        opened.tables = self.tables
        return opened

    def move(self, url: str) -> dict[str, int]:
        """The rows that were compared and equal, by table."""
        with self.open() as context:
            config = self.folder / "seil.toml"
            result = move(context, url, config=config, switch=True)
        assert result.ok, result.report.refused
        return {str(table.table): table.rows for table in result.report.compared}

    def answers(self) -> tuple[Any, ...]:
        """The feeds, byte by byte, and the rows of the query, of a site with all tables."""
        if self.tables:
            return ()
        with self.open() as context:
            files, _ = export_feed(context)
            feeds = {file.feed: Path(urlsplit(file.url).path).read_bytes() for file in files}
            rows = query(context, FACTS_QUERY).to_pylist()
        dates = [row["order_date"] for row in rows]
        assert dates == sorted(dates, reverse=True)
        # Rows of one date come in any order.
        return feeds, sorted(rows, key=lambda row: row["order_id"])


def _cases() -> Iterator[Any]:
    """Every engine, of slow ones some objects as well; and one that `make test` has time for."""
    (quick,) = (entry for entry in ENGINES if entry.name == "postgresql-16")
    yield pytest.param(quick, SOME, TABLES, id=f"{quick.name}-some")
    for entry in ENGINES:
        marks = (pytest.mark.matrix, *entry.marks)
        if entry.is_slow:
            yield pytest.param(entry, SOME, TABLES, id=f"{entry.name}-some", marks=marks)
            marks = (*marks, pytest.mark.many)
        if entry.is_main:
            yield pytest.param(entry, (), (), id=entry.name, marks=marks)


@pytest.mark.parametrize(("entry", "objects", "tables"), list(_cases()))
def test_a_site_grows_on_the_engine_as_on_duckdb(
    generated: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    *,
    entry: EngineUnderTest,
    objects: tuple[str, ...],
    tables: tuple[str, ...],
) -> None:
    shutil.copytree(generated, tmp_path / "org")
    target = entry.new(request, tmp_path)
    site = MovingSite(tmp_path, objects, tables, spark=spark_section(target))
    with site.serve():
        assert site.run().ok
        if not tables:
            site.tick(share=0.05, seed=1)
            assert site.run().ok
        answers = site.answers()
        site.move(target.url)
        assert site.answers() == answers
        site.tick(share=0.05, hard=0.05, seed=2)
        assert site.run().ok
    answers = site.answers()
    assert site.rebuild().ok
    assert site.answers() == answers
    compared = site.move("duckdb:back.duckdb")
    assert site.answers() == answers
    assert compared["salesforce_history.contact"] > compared["salesforce.contact"]
    assert min(compared["sales_orders"], compared["account_sizes"], compared["seil.ledger"]) > 0
    if not tables:
        feeds, rows = answers
        assert min(map(len, feeds.values())) > 0
        assert rows


@pytest.mark.matrix
@pytest.mark.spark
@pytest.mark.many
def test_a_site_moves_on_from_engine_to_engine(
    generated: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    shutil.copytree(generated, tmp_path / "org")
    names = ("spark", "postgresql-18")
    spark, postgresql = (
        entry.new(request, tmp_path) for name in names for entry in ENGINES if entry.name == name
    )
    site = MovingSite(tmp_path, SOME, TABLES, spark=spark_section(spark))
    with site.serve():
        assert site.run().ok
    first = site.move(spark.url)
    assert site.move(postgresql.url) == first
    assert site.move("duckdb:back.duckdb") == first
    assert min(first["sales_orders"], first["salesforce_history.contact"]) > 0
