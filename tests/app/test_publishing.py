"""Publishing what a site's runs build, by command and after each build."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from tests.iceberg.tables import ordered
from tests.postgresql import running
from tests.sf_to_dw.small_site import SmallSite, record_id

import seil.app.site
from seil.app import steps
from seil.app.doctor_publishing import catalog_checks
from seil.app.publishing import (
    PublishReport,
    keep_up,
    opened_catalog,
    publish_tables,
    published_standing,
)
from seil.errors import ConfigurationError, IcebergError
from seil.modeling.model import Model, ModelColumn, ModelDescription, Models
from seil.settings import load_settings
from seil.sf_to_dw.site_models import catalog_sources

WIDGETS = Model(
    "widgets",
    "SELECT widget.id, widget.systemmodstamp AS changed_at FROM salesforce.widget "
    "WHERE widget.isdeleted IS NOT TRUE",
    ModelDescription(
        name="widgets",
        grain="One row per widget.",
        key=("id",),
        driving="widget",
        columns=(ModelColumn(name="id", type="text"),),
    ),
)


class _Site(seil.app.site.Site):
    @cached_property
    def models(self) -> Models:
        return Models([WIDGETS], catalog_sources(self.catalog))


class PublishedSite(SmallSite):
    publish = 'catalog = "published"'
    warehouse = "duckdb:warehouse.duckdb"

    @contextmanager
    def opened(self) -> Iterator[_Site]:
        with self.open():
            config = self.folder / "seil.toml"
        text = config.read_text().replace("duckdb:warehouse.duckdb", self.warehouse)
        config.write_text(f"{text}[publish]\n{self.publish}\n")
        with _Site(load_settings(config)) as site:
            yield site

    def run_once(self) -> Any:
        self.pass_time(seconds=1)
        with self.opened() as site:
            return steps.run(site, [self.org.name])

    def publish_now(self, *tables: str, **options: Any) -> PublishReport:
        with self.opened() as site:
            return publish_tables(site, tables, **options)

    def rows(self, namespace: str = "seil", name: str = "widgets") -> list[dict[str, Any]]:
        with self.opened() as site, opened_catalog(site) as catalog:
            table = catalog.find((namespace, name))
            return [] if table is None else ordered(table.scan().to_arrow())

    def ids(self) -> list[str]:
        return sorted(row["id"] for row in self.rows())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[PublishedSite]:
    site = PublishedSite(tmp_path)
    with site.org.serve():
        site.add(*(record_id(number) for number in range(1, 9)))
        yield site


def test_a_run_publishes_the_rows_that_its_build_changed(site: PublishedSite) -> None:
    assert site.run_once().ok
    assert site.ids() == [record_id(number) for number in range(1, 9)]
    site.add(record_id(3), IsDeleted="true")
    site.add(record_id(9))
    assert site.run_once().ok
    assert site.ids() == [record_id(number) for number in (1, 2, 4, 5, 6, 7, 8, 9)]
    with site.opened() as opened:
        last = opened.state.runs.last()
        assert last is not None
        attempts = opened.state.runs.attempts(last.run_id)
    messages = [attempt.message for attempt in attempts if attempt.about == "widgets"][-1:]
    assert messages == ["delta: 1 rows inserted, 1 deleted"]


def test_a_broken_catalog_is_reported_and_repeated_and_stops_no_run(site: PublishedSite) -> None:
    site.publish = 'catalog = "http://127.0.0.1:9"'
    report = site.run_once()
    assert not report.ok
    assert [table.state for table in report.build.tables] == ["built"]
    with site.opened() as opened:
        (trouble,) = opened.state.troubles.all()
    assert (trouble.step, trouble.about) == ("publish", "catalog")
    site.publish = 'catalog = "published"'
    assert site.run_once().ok
    with site.opened() as opened:
        assert opened.state.troubles.all() == []
    assert len(site.ids()) == 8


def test_a_raw_table_is_published_when_it_is_named(site: PublishedSite) -> None:
    site.run_once()
    (first,) = site.publish_now("salesforce.widget").tables
    (again,) = site.publish_now("salesforce.widget").tables
    assert (first.state, first.inserted, again.state) == ("published", 8, "unchanged")
    assert len(site.rows("seil_salesforce", "widget")) == 8


def test_repair_puts_back_what_another_writer_removed(site: PublishedSite) -> None:
    site.run_once()
    with site.opened() as opened, opened_catalog(opened) as catalog:
        table = catalog.find(("seil", "widgets"))
        assert table is not None
        with pytest.warns(UserWarning, match="copy-on-write"):
            table.delete(f"id = '{record_id(1)}'")
    (outcome,) = site.publish_now(mode="check").tables
    assert (outcome.how, outcome.inserted) == ("compared", 1)
    assert len(site.ids()) == 8


def test_upkeep_keeps_the_rows(site: PublishedSite) -> None:
    site.run_once()
    site.add(record_id(1))
    site.run_once()
    with site.opened() as opened:
        (outcome,) = keep_up(opened)
    assert (outcome.compacted, outcome.message) == (3, "")
    assert len(site.ids()) == 8


@pytest.mark.parametrize(
    ("publish", "tables", "problem"),
    [
        ('catalog = ""', (), "publish.catalog: is empty"),
        ('catalog = "published"', ("nobody",), "nobody: is no table"),
        ('catalog = "published"', ("salesforce.nobody",), "salesforce.nobody: is no table"),
    ],
    ids=["no catalog", "an unknown table", "a raw table of no object"],
)
def test_what_cannot_be_published_is_refused_by_name(
    site: PublishedSite, publish: str, tables: tuple[str, ...], problem: str
) -> None:
    site.publish = f"{publish}\nafter_build = false"
    site.run_once()
    with pytest.raises(ConfigurationError) as caught:
        site.publish_now(*tables)
    assert problem in str(caught.value)


def test_status_says_which_version_each_table_has(site: PublishedSite) -> None:
    site.run_once()
    with site.opened() as opened:
        (current,) = published_standing(opened)
        assert [check.state for check in catalog_checks(opened)] == ["ok"]
    site.publish += "\nafter_build = false"
    site.add(record_id(9))
    site.run_once()
    with site.opened() as opened:
        (behind,) = published_standing(opened)
    assert (current.standing, behind.standing) == ("current", "behind")
    assert (behind.version, behind.commit) == (current.version, current.commit)


@pytest.mark.parametrize("is_there", [False, True], ids=["no folder", "an empty folder"])
def test_doctor_makes_no_catalog(tmp_path: Path, is_there: bool) -> None:
    folder = tmp_path / "published"
    if is_there:
        folder.mkdir()
    with PublishedSite(tmp_path).opened() as opened:
        assert [check.state for check in catalog_checks(opened)] == ["ok"]
    assert folder.exists() == is_there
    assert not list(tmp_path.glob("published/*"))


def test_doctor_names_a_place_where_no_catalog_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "published").write_text("")
    with PublishedSite(tmp_path).opened() as opened:
        (check,) = catalog_checks(opened)
    assert check.state == "fail"
    assert str(tmp_path / "published") in check.detail
    assert "[publish] catalog" in check.cure


@pytest.mark.matrix
def test_the_rows_of_a_postgresql_warehouse_are_published(
    site: PublishedSite,
) -> None:
    with running(18) as server:
        site.warehouse = server.url(server.new_database())
        assert site.run_once().ok
        site.add(record_id(3), IsDeleted="true")
        site.add(record_id(9))
        assert site.run_once().ok
        assert site.ids() == [record_id(number) for number in (1, 2, 4, 5, 6, 7, 8, 9)]
        with site.opened() as opened:
            (standing,) = published_standing(opened)
        assert standing.standing == "current"


def test_a_spark_warehouse_is_iceberg_already(tmp_path: Path) -> None:
    site = PublishedSite(tmp_path)
    site.warehouse = "spark://hadoop"
    for act in (publish_tables, published_standing, keep_up):
        with site.opened() as opened, pytest.raises(ConfigurationError) as caught:
            act(opened)
        assert "Iceberg tables already" in str(caught.value)
    assert not (tmp_path / "published").exists()


def test_no_run_keeps_the_password_of_a_catalog(tmp_path: Path) -> None:
    site = PublishedSite(tmp_path)
    place = "sql:postgresql+psycopg://me:secret@127.0.0.1/iceberg"
    for act in (publish_tables, published_standing, keep_up):
        with site.opened() as opened, pytest.raises(ConfigurationError) as caught:
            act(opened, to=place)
        assert "holds a password" in str(caught.value)
        assert "secret" not in str(caught.value)
    with site.opened() as opened:
        assert opened.state.runs.last() is None


@pytest.mark.parametrize("act", [published_standing, keep_up])
def test_a_mistyped_folder_is_refused_and_not_made(tmp_path: Path, act: Any) -> None:
    site = PublishedSite(tmp_path)
    with site.opened() as opened, pytest.raises(IcebergError, match="has no published tables"):
        act(opened, to=str(tmp_path / "mistyped"))
    assert not (tmp_path / "mistyped").exists()


def test_a_rebuild_says_that_its_tables_are_not_published(site: PublishedSite) -> None:
    site.run_once()
    site.publish = 'catalog = "http://127.0.0.1:9"'
    with site.opened() as opened:
        report = steps.rebuild(opened)
    assert report.is_replaced
    assert not report.ok
    assert "127.0.0.1" in report.publish_problem
