"""A site of the version before layouts had numbers, opened by this one."""

from __future__ import annotations

import json
import shlex
import shutil
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from tests.upgrade.conftest import OldSite

from seil.lake import Lake
from seil.sf_to_dw.lock import run_lock

_LEDGER = "SELECT object, flow_run_id, mode, balanced FROM seil.ledger ORDER BY ALL"
_LIVE = "SELECT id FROM salesforce.{table} WHERE NOT isdeleted ORDER BY id"


@pytest.mark.parametrize(
    "command",
    [
        "files list",
        "events",
        "query 'SELECT count(*) AS n FROM sales_orders'",
        "lineage sales_orders.order_name",
    ],
)
def test_commands_that_only_read_work_before_any_run(old_site: OldSite, command: str) -> None:
    ran = old_site.seil(*shlex.split(command))
    assert ran.exit_code == 0, ran.stderr


def test_cursors_go_on_from_where_they_were(as_it_was: OldSite, upgraded: OldSite) -> None:
    before, after = as_it_was.documents("flows"), upgraded.documents("flows")
    assert before.keys() <= after.keys()
    for name, flow in before.items():
        committed = datetime.fromisoformat(after[name]["committed"])
        assert committed > datetime.fromisoformat(flow["committed"])


def test_the_ledger_is_kept_and_goes_on(as_it_was: OldSite, upgraded: OldSite) -> None:
    before, after = as_it_was.rows(_LEDGER), upgraded.rows(_LEDGER)
    runs = {row[:2] for row in before}
    assert runs <= {row[:2] for row in after}
    added = [row for row in after if row[:2] not in runs]
    # A flow whose window was under way ends under the id it began with.
    assert {row[0] for row in before} - {"OrderItem"} <= {r[0] for r in added if r[2] == "delta"}
    assert not [row for row in added if row[2] == "full"]
    assert all(balanced for *_, balanced in after)


def test_decisions_are_kept(as_it_was: OldSite, upgraded: OldSite) -> None:
    with upgraded.state() as state:
        for body in as_it_was.documents("decisions").values():
            after = [vars(entry) for entry in state.decisions.get(body["object"])]
            assert after[: len(body["decisions"])] == body["decisions"]
    assert as_it_was.documents("decisions")
    assert upgraded.documents("decisions") == {}
    columns = {row[0] for row in upgraded.rows("DESCRIBE salesforce.lead")}
    assert {"annualrevenue_date", "numberofemployees_text", "score__c"} <= columns


def test_rejected_files_can_still_be_retried(upgraded: OldSite) -> None:
    listing = upgraded.seil("files", "list", "--state", "error", "--json")
    assert "broken.parquet" in json.dumps(json.loads(listing.stdout))


@pytest.mark.parametrize(
    ("name", "table"),
    [("Account", "account"), ("OrderItem", "order_product"), ("Contact", "contact")],
)
def test_after_a_run_the_records_are_the_orgs(upgraded: OldSite, name: str, table: str) -> None:
    records = {row[0] for row in upgraded.rows(_LIVE.format(table=table))}
    assert records == upgraded.org_ids(name)


@pytest.mark.matrix
def test_a_rebuild_after_a_run_gives_the_same(upgraded: OldSite, tmp_path: Path) -> None:
    site = OldSite(shutil.copytree(upgraded.folder, tmp_path, dirs_exist_ok=True))
    rebuilt = site.seil("rebuild")
    assert rebuilt.exit_code == 0, rebuilt.stderr
    for table in ("account", "contact"):
        live = _LIVE.format(table=table)
        assert site.rows(live) == upgraded.rows(live)


def test_values_kept_otherwise_before_are_refused_until_a_rebuild_gives_the_same(
    as_it_was: OldSite, old_site: OldSite
) -> None:
    one = "WHERE id = (SELECT min(id) FROM salesforce.account)"
    for change, words in (
        ("id = left(id, 15)", "1 Ids of 15 characters in salesforce.account"),
        ("name = ''", "empty texts in 1 records of salesforce.account"),
    ):
        with duckdb.connect(str(old_site.folder / "seil-data/warehouse.duckdb")) as warehouse:
            warehouse.execute(f"UPDATE salesforce.account SET {change} {one}")
        refused = old_site.seil("load")
        assert refused.exit_code == 3
        assert words in refused.stderr
        assert "seil rebuild" in refused.stderr
    rebuilt = old_site.seil("rebuild")
    assert rebuilt.exit_code == 0, rebuilt.stderr
    for table in ("account", "order_product", "contact"):
        live = _LIVE.format(table=table)
        assert old_site.rows(live) == as_it_was.rows(live)
    assert old_site.rows(_LEDGER) == as_it_was.rows(_LEDGER)
    assert old_site.seil("load").exit_code == 0


def test_documents_stay_while_a_run_of_the_earlier_version_needs_them(old_site: OldSite) -> None:
    before = old_site.documents("decisions")
    lake = Lake.at((old_site.folder / "seil-data/lake").as_uri(), env="dev", project="seil")
    with run_lock(lake):
        refused = old_site.seil("load")
    assert refused.exit_code == 5, refused.stderr
    assert old_site.documents("decisions") == before != {}
