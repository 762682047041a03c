"""The warehouse from the lake alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa
import pytest
from tests.holder import Holder
from tests.sites import Site

from seil.errors import LeaseLostError, WarehouseError
from seil.lake import RunFence
from seil.lake.keys import PROCESSED_PREFIX, archived_file
from seil.settings import WarehouseSettings
from seil.sf_to_dw.rebuild import Rebuild
from seil.warehouse import LOCK_WAIT, OpenUrl, TableName, open_warehouse
from seil.warehouse.duckdb.replacement import FileReplacement
from seil.warehouse.duckdb.warehouse import EmbeddedWarehouse

NewSite = Callable[..., Site]
# Than the token of any run that has made the site.
LATER = 1 << 40


def test_rebuilt_warehouse_equals_the_live_one(new_site: NewSite) -> None:
    site = new_site("Account", "Contact", "Order")
    site.tables = ("sales_order_contacts",)
    with site.serve():
        site.run()
        _deliver_again(site)
        site.tick(share=0.1, hard=0.1)
        site.run()
        for deleted in sorted(site.records("contact"))[:3]:
            site.write("DELETE", f"Contact/{deleted}")
        site.pass_a_second()
        site.run(full=True)
    live = site.contents()
    report = site.rebuild()
    assert report.ok, report.refused
    assert (report.state, report.copied) == ("present", ())
    assert site.contents() == live
    assert not list(site.folder.glob("warehouse.duckdb.*"))


def _deliver_again(site: Site) -> None:
    """Every processed file comes once more, in a flow run of its own."""
    with site.open() as context:
        landing = context.lake.landing
        for entry in list(landing.list(PROCESSED_PREFIX)):
            file = archived_file(entry.key)
            assert file
            landed = file.landed_file(context.lake.env)
            landing.put(landed.key.replace(file.flow_run_id, "again", 1), landing.get(entry.key))


def test_a_rebuild_that_lost_its_lease_replaces_nothing(site: Site) -> None:
    """Meanwhile its successor has committed to the old file."""

    class Late(FileReplacement):
        @contextmanager
        def new(self) -> Iterator[EmbeddedWarehouse]:
            successor = RunFence()
            with (
                successor.guard(Holder(LATER + 1)),
                open_warehouse(self.settings, fence=successor) as warehouse,
                warehouse.commit("theirs") as commit,
            ):
                columns = pa.schema([pa.field("number", pa.int64())])
                commit.tables.create_table(TableName("", "theirs"), columns, key="number")
            with super().new() as replacement:
                yield replacement

    def open_late(
        settings: WarehouseSettings, *, fence: RunFence, open_url: OpenUrl
    ) -> FileReplacement:
        return Late(settings, fence, open_url, LOCK_WAIT)

    with site.open() as context, context.lake.fence.guard(Holder(LATER)):
        parts = (context.lake, context.catalog, context.models)
        rebuild = Rebuild(
            context.settings.warehouse,
            *parts,
            bus=context.journal,
            decisions=context.state.decisions,
            open=open_late,
        )
        with pytest.raises(LeaseLostError, match=f"under token {LATER + 1}, this run has {LATER}"):
            rebuild.run(anyway=True)
    with site.open() as context, context.warehouse(read_only=True) as warehouse:
        assert "theirs" in warehouse.tables()
    assert not list(site.folder.glob("warehouse.duckdb.*"))


@pytest.mark.parametrize("state", ["missing", "broken"])
def test_rebuild_works_without_the_old_file(site: Site, state: str) -> None:
    live = site.contents()
    if state == "missing":
        site.warehouse_file.unlink()
    else:
        site.warehouse_file.write_bytes(b"garbage" * 1000)
        (site.folder / "warehouse.duckdb.wal").write_bytes(b"stale")
    report = site.rebuild()
    assert (report.state, report.ok) == (state, True)
    assert site.contents() == live
    names = ["warehouse.duckdb.broken"] if state == "broken" else []
    assert [file.name for file in site.folder.glob("warehouse.duckdb.*")] == names


def test_rebuild_replays_the_log_of_the_old_file_before_it_takes_its_place(site: Site) -> None:
    wal = site.folder / "warehouse.duckdb.wal"
    connection = duckdb.connect(str(site.warehouse_file))
    connection.execute("PRAGMA disable_checkpoint_on_shutdown")
    connection.execute("DELETE FROM salesforce.account")
    connection.close()
    assert wal.exists()
    assert site.rebuild().ok
    assert not wal.exists()
    assert site.records("account")


def test_old_warehouse_stays_when_a_curated_file_is_gone(site: Site) -> None:
    live = site.contents()
    with site.open() as context:
        key = next(iter(context.lake.curated.list("Salesforce-Account/"))).key
        context.lake.curated.delete(key)
    report = site.rebuild()
    assert not report.ok
    assert key in report.refused[0]
    assert site.contents() == live
    assert site.rebuild(anyway=True).is_replaced
    assert site.contents() != live


def test_rebuild_starts_anew_after_one_that_was_killed(site: Site) -> None:
    live = site.contents()
    (site.folder / "warehouse.duckdb.rebuild").write_bytes(b"half")
    (site.folder / "warehouse.duckdb.rebuild.tmp").mkdir()
    assert site.rebuild().ok
    assert site.contents() == live
    assert not list(site.folder.glob("warehouse.duckdb.*"))


def test_rebuild_leaves_a_warehouse_in_use_alone(site: Site) -> None:
    with (
        site.open() as context,
        open_warehouse(context.settings.warehouse, read_only=True),
        pytest.raises(WarehouseError, match=r"different configuration|lock"),
    ):
        site.rebuild()
    assert site.records("account")


def test_history_is_rebuilt_as_it_grew(site: Site) -> None:
    catalog = "[objects.Account]\nhistory = true\n"
    versions = "SELECT * FROM salesforce_history.account ORDER BY id, valid_from"
    with site.serve(catalog):
        site.run()
        for n, deleted in enumerate(sorted(site.records("account"))[-2:]):
            for changed in sorted(site.records("account"))[:4]:
                site.write("PATCH", f"Account/{changed}", {"Name": f"Name {n}"})
            site.write("DELETE", f"Account/{deleted}")
            site.pass_a_second()
            assert site.run(full=True).problems == []
        history = site.query(versions)
        current = {row["id"] for row in history if row["is_current"]}
        assert current == {f for f, r in site.records("account").items() if not r["isdeleted"]}
        assert any(row["valid_to"] for row in history)
        assert site.rebuild().ok
        assert site.query(versions) == history


USERS = """
CREATE SCHEMA bi;
CREATE TABLE bi.targets (account_id VARCHAR PRIMARY KEY, target DECIMAL(18, 2) DEFAULT 7);
INSERT INTO bi.targets (account_id) VALUES ('001'), ('002');
CREATE VIEW bi.missed AS SELECT * FROM bi.plain;
CREATE VIEW bi.plain AS SELECT id, name FROM salesforce.account;
CREATE TABLE notes (text VARCHAR);
CREATE INDEX by_text ON notes (text);
CREATE VIEW all_accounts AS SELECT count(*) AS n FROM bi.plain;
"""


def ask(site: Site, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(site.warehouse_file)) as connection:
        return connection.execute(sql).fetchall()


def test_rebuild_keeps_what_users_made(site: Site) -> None:
    first, second = USERS.split("CREATE VIEW bi.missed AS SELECT * FROM bi.plain;")
    ask(site, first + second + "CREATE VIEW bi.missed AS SELECT * FROM bi.plain;")
    [(accounts,)] = ask(site, "SELECT n FROM all_accounts")
    report = site.rebuild()
    assert report.ok, report.refused
    assert set(report.copied) == {
        "schema bi", "table bi.targets", "table notes", "index by_text", "view bi.missed",
        "view bi.plain", "view all_accounts",
    }  # fmt: skip
    assert ask(site, "SELECT * FROM all_accounts") == [(accounts,)]
    assert len(ask(site, "SELECT * FROM bi.missed")) == accounts
    assert len(ask(site, "SELECT * FROM bi.targets WHERE target = 7")) == 2
    with pytest.raises(duckdb.ConstraintException):
        ask(site, "INSERT INTO bi.targets (account_id) VALUES ('001')")


@pytest.mark.parametrize(
    ("sql", "reason_start"),
    [
        ("CREATE MACRO twice(x) AS x * 2", "macro twice is not SEIL's and cannot be copied"),
        ("CREATE SEQUENCE numbers", "sequence numbers is not SEIL's and cannot be copied"),
        (
            "CREATE TABLE t (a INTEGER); CREATE VIEW v AS SELECT a FROM t; DROP TABLE t",
            "view v cannot be recreated",
        ),
    ],
    ids=["macro", "sequence", "broken view"],
)
def test_rebuild_refuses_what_it_cannot_keep(site: Site, sql: str, reason_start: str) -> None:
    ask(site, sql)
    live = site.contents()
    report = site.rebuild()
    assert not report.is_replaced
    [reason] = report.refused
    assert reason.startswith(reason_start)
    assert site.contents() == live
    assert site.rebuild(anyway=True).is_replaced


def test_an_object_taken_out_of_the_catalog_does_not_block_a_rebuild(site: Site) -> None:
    with (site.folder / "objects.toml").open("a") as file:
        file.write("[objects.Account]\nenabled = false\n")
    report = site.rebuild()
    assert report.is_replaced, report.refused
    [reason] = report.removed_objects
    assert reason.startswith("Account is no longer in the catalog")
