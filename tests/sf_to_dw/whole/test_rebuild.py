"""The warehouse from the lake alone."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pytest
from tests.sites import Site

from seil.errors import WarehouseError
from seil.lake.keys import PROCESSED_PREFIX, archived_file
from seil.warehouse import open_warehouse

NewSite = Callable[..., Site]


def test_rebuilt_warehouse_equals_the_live_one(new_site: NewSite) -> None:
    site = new_site("Account", "Contact", "Opportunity", "Order", "OrderItem", "Product2")
    with site.serve():
        site.run()
        _deliver_again(site)
        for n in range(2):
            site.tick(share=0.1, hard=0.1)
            site.run(full=n == 1)
    live = site.contents()
    report = site.rebuild()
    assert report.ok, report.refused
    assert report.state == "present"
    assert site.contents() == live
    assert not list(site.folder.glob("warehouse.duckdb.*"))


def _deliver_again(site: Site) -> None:
    """Every processed file comes once more, in a flow run of its own."""
    with site.open() as context:
        landing = context.lake.landing
        for entry in list(landing.list(PROCESSED_PREFIX)):
            file = archived_file(entry.key)
            assert file
            landed = file.landed(context.lake.env)
            landing.put(landed.key.replace(file.flow_run_id, "again", 1), landing.get(entry.key))


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
    kept = ["warehouse.duckdb.broken"] if state == "broken" else []
    assert [file.name for file in site.folder.glob("warehouse.duckdb.*")] == kept


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
    kept = "[objects.Account]\nhistory = true\n"
    versions = "SELECT * FROM salesforce_history.account ORDER BY id, valid_from"
    with site.serve(kept):
        site.run()
        for _ in range(2):
            site.tick(share=0.3)
            assert site.run(full=True).problems == []
        told = site.query(versions)
        current = {row["id"] for row in told if row["is_current"]}
        assert current == {f for f, r in site.records("account").items() if not r["isdeleted"]}
        assert any(row["valid_to"] for row in told)
        assert site.rebuild().ok
        assert site.query(versions) == told
