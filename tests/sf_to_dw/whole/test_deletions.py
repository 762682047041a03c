"""Records that are gone for good, and fields whose changes move no timestamp."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.duckdb_file import database
from tests.sites import Site

from seil.sf_to_dw.extract.partials import PartialStates


def live(site: Site, table: str = "account") -> set[str]:
    records = site.records(table)
    return {record_id for record_id, record in records.items() if not record["isdeleted"]}


def ran(site: Site, catalog: str = 'compare_ids = "off"', **options: Any) -> Any:
    """Windows end at whole seconds."""
    with site.serve(catalog):
        site.pass_a_second()
        return site.run(**options)


def flows(report: Any) -> list[tuple[str, int]]:
    assert report.problems == []
    return [(result.mode, result.landed) for result in report.reconciliation]


def assert_rebuild_is_equal(site: Site) -> None:
    contents = site.contents()
    assert site.rebuild().ok
    assert site.contents() == contents


def test_hard_deletes_arrive_with_the_delta(site: Site) -> None:
    before = site.records("account")
    deleted = sorted(live(site))[:3]
    site.purge("Account", deleted)
    report = ran(site)
    assert flows(report) == [("deletions", 3)]
    (row,) = [row for row in report.ledger if row.mode == "deletions"]
    assert (row.reported, row.landed, row.curated, row.merged, row.balanced) == (3, 3, 3, 3, True)
    after = site.records("account")
    for record_id in deleted:
        assert after[record_id] == {**before[record_id], "isdeleted": True}
    assert {f: r for f, r in after.items() if f not in deleted} == {
        f: r for f, r in before.items() if f not in deleted
    }
    assert flows(ran(site)) == []
    assert_rebuild_is_equal(site)


def test_a_record_restored_after_its_deletion_lives(site: Site) -> None:
    chosen = min(live(site))
    with site.serve('compare_ids = "off"'):
        site.write("DELETE", f"Account/{chosen}")
        site.pass_a_second()
        # Its contacts go with it.
        assert flows(site.run())[0] == ("deletions", 1)
    assert chosen not in live(site)
    site.change_org(
        f"UPDATE main.\"Account\" SET IsDeleted = false, SystemModstamp = now() AT TIME ZONE 'UTC'"
        f" WHERE Id = '{chosen}'"
    )
    assert flows(ran(site)) == []
    assert chosen in live(site)
    assert_rebuild_is_equal(site)


def test_comparison_of_ids_finds_deletions_that_nobody_reported(site: Site) -> None:
    deleted = sorted(live(site))[:2]
    assert flows(ran(site, 'compare_ids = "1s"')) == []
    site.purge("Account", deleted, in_get_deleted=False)
    before = live(site)
    assert flows(ran(site, 'compare_ids = "1s"')) == [("deletions", 2)]
    assert before - live(site) == set(deleted)
    assert flows(ran(site, 'compare_ids = "1s"')) == []
    assert_rebuild_is_equal(site)


def test_comparison_of_ids_brings_records_that_never_arrived(site: Site) -> None:
    assert flows(ran(site, 'compare_ids = "1s"')) == []
    records = site.records("account")
    lost = sorted(records)[:2]
    with site.open() as context, context.warehouse() as warehouse:
        database(warehouse).execute(
            f"DELETE FROM salesforce.account WHERE id IN ('{lost[0]}', '{lost[1]}')"
        )
    assert flows(ran(site, 'compare_ids = "1s"')) == [("reread", 2)]
    assert site.records("account") == records


def hide(site: Site, name: str, ids: list[str]) -> str:
    """As for a user who may not see them any more. Returns how to show them again."""
    quoted = ", ".join(f"'{record_id}'" for record_id in ids)
    site.change_org(f'CREATE TABLE main.hidden AS FROM main."{name}" WHERE "Id" IN ({quoted})')
    site.change_org(f'DELETE FROM main."{name}" WHERE "Id" IN ({quoted})')
    return f'INSERT INTO main."{name}" FROM main.hidden; DROP TABLE main.hidden'


@pytest.mark.parametrize(
    "way",
    [
        "comparison",
        pytest.param("full", marks=pytest.mark.matrix),
        pytest.param("delta", marks=pytest.mark.matrix),
    ],
)
def test_a_record_that_is_seen_again_is_alive_again(site: Site, way: str) -> None:
    """No timestamp of it has moved, but for those that a delta brings."""
    assert flows(ran(site, 'compare_ids = "1s"')) == []
    before = site.records("account")
    hidden = sorted(live(site))[:3]
    back = hide(site, "Account", hidden)
    assert flows(ran(site, 'compare_ids = "1s"')) == [("deletions", 3)]
    assert live(site) == {record_id for record_id in live(site) if record_id not in hidden}
    site.change_org(back)
    if way == "delta":
        quoted = ", ".join(f"'{record_id}'" for record_id in hidden)
        site.change_org(
            "UPDATE main.\"Account\" SET SystemModstamp = now() AT TIME ZONE 'UTC'"
            f" WHERE Id IN ({quoted})"
        )
    due = "1s" if way == "comparison" else "off"
    report = ran(site, f'compare_ids = "{due}"', full=way == "full")
    assert flows(report) == ([("reread", 3)] if way == "comparison" else [])
    after = site.records("account")
    assert set(hidden) <= live(site)
    if way != "delta":
        assert after == before
    assert_rebuild_is_equal(site)
    if way != "comparison":
        return
    # What is gone a second time is gone.
    hide(site, "Account", hidden)
    assert flows(ran(site, 'compare_ids = "1s"')) == [("deletions", 3)]
    assert not live(site) & set(hidden)
    assert_rebuild_is_equal(site)


def test_what_changed_out_of_sight_is_read_when_it_is_seen_again(site: Site) -> None:
    assert flows(ran(site, 'compare_ids = "1s"')) == []
    hidden = sorted(live(site))[:2]
    back = hide(site, "Account", hidden)
    assert flows(ran(site, 'compare_ids = "1s"')) == [("deletions", 2)]
    site.change_org("UPDATE main.hidden SET Name = 'anew'")
    site.change_org(back)
    assert flows(ran(site, 'compare_ids = "1s"')) == [("reread", 2)]
    records = site.records("account")
    assert {
        (records[record_id]["name"], records[record_id]["isdeleted"]) for record_id in hidden
    } == {("anew", False)}


def test_history_shows_no_end_of_a_record_that_was_out_of_sight(site: Site) -> None:
    catalog = 'compare_ids = "1s"\n[objects.Account]\nhistory = true\n'
    assert flows(ran(site, catalog)) == []
    versions = "SELECT id, valid_from, valid_to FROM salesforce_history.account ORDER BY ALL"
    before = site.query(versions)
    back = hide(site, "Account", sorted(live(site))[:2])
    assert flows(ran(site, catalog)) == [("deletions", 2)]
    assert site.query(versions) != before
    site.change_org(back)
    assert flows(ran(site, catalog)) == [("reread", 2)]
    assert site.query(versions) == before


@pytest.mark.parametrize(
    ("missing", "alive", "is_believed"),
    [
        (2, 8, True),
        (3, 8, False),
        *(
            pytest.param(*numbers, marks=pytest.mark.matrix)
            for numbers in [(1, 1, False), (1, 2, True), (2, 3, False), (7, 8, False)]
        ),
    ],
)
def test_of_a_small_object_no_large_part_is_gone_at_once(
    site: Site, missing: int, alive: int, is_believed: bool
) -> None:
    """However few they are; and what is not believed can be."""
    assert flows(ran(site, 'compare_ids = "off"')) == []
    chosen = sorted(live(site))
    quoted = ", ".join(f"'{record_id}'" for record_id in chosen[alive:])
    with site.open() as context, context.warehouse() as warehouse:
        database(warehouse).execute(f"DELETE FROM salesforce.account WHERE id IN ({quoted})")
    site.purge("Account", [*chosen[:missing], *chosen[alive:]], in_get_deleted=False)

    def compared(*believe: str) -> Any:
        with site.serve('compare_ids = "off"'), site.open() as context:
            objects = context.catalog.select(["Account"])
            return context.pipeline.reconcile(objects, ["ids"], believe=believe)

    report = compared()
    if not is_believed:
        (problem,) = report.problems
        assert f"{missing} of its {alive} records are not in the org any more" in problem
        assert "seil reconcile Account --ids --believe Account" in problem
        assert len(live(site)) == alive
        report = compared("Account")
    assert flows(report) == [("deletions", missing)]
    assert len(live(site)) == alive - missing


def test_a_gap_in_the_list_of_deletions_makes_the_comparison_due(site: Site) -> None:
    deleted = sorted(live(site))[:1]
    site.purge("Account", deleted, in_get_deleted=False)
    with site.open() as context:
        long_ago = datetime.now(UTC) - timedelta(days=40)
        obj = context.catalog["Account"]
        PartialStates(context.lake).change(obj, deletions_until=long_ago)
    assert flows(ran(site)) == [("deletions", 1)]
    assert deleted[0] not in live(site)
    with site.open() as context:
        assert not PartialStates(context.lake).get(context.catalog["Account"]).is_compare_due


def test_formulas_are_refreshed_and_only_what_differs_lands(site: Site) -> None:
    with site.open() as context:
        schema = context.registry.get(context.catalog["Contact"])
    assert schema
    formulas = [f.name for f in schema.fields if f.calculated and str(f.arrow) == "string"]
    assert formulas
    chosen = sorted(live(site, "contact"))[:4]
    assert flows(ran(site, 'refresh_formulas = "1s"')) == []
    before = site.records("contact")
    quoted = ", ".join(f"'{record_id}'" for record_id in chosen)
    site.change_org(f"UPDATE main.\"Contact\" SET {formulas[0]} = 'new' WHERE Id IN ({quoted})")
    assert flows(ran(site, 'refresh_formulas = "1s"')) == [("formulas", 4)]
    after = site.records("contact")
    for record_id, record in before.items():
        changed = {formulas[0].lower(): "new"} if record_id in chosen else {}
        assert after[record_id] == {**record, **changed}
    assert flows(ran(site, 'refresh_formulas = "1s"')) == []
    assert_rebuild_is_equal(site)


def test_deletions_can_be_left_unread(site: Site) -> None:
    site.purge("Account", sorted(live(site))[:1])
    assert flows(ran(site, 'deletions = false\ncompare_ids = "off"')) == []
