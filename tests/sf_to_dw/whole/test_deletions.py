"""Records that are gone for good, and fields whose changes move no timestamp."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.sites import Site

from seil.sf_to_dw.partials import PartialStates


def live(site: Site, table: str = "account") -> set[str]:
    records = site.records(table)
    return {found for found, record in records.items() if not record["isdeleted"]}


def ran(site: Site, catalog: str = 'compare_ids = "off"', **options: Any) -> Any:
    """Windows end at whole seconds."""
    with site.serve(catalog):
        site.pass_a_second()
        return site.run(**options)


def told(report: Any) -> list[tuple[str, int]]:
    assert report.problems == []
    return [(result.mode, result.landed) for result in report.beside]


def assert_rebuilt_alike(site: Site) -> None:
    contents = site.contents()
    assert site.rebuild().ok
    assert site.contents() == contents


def test_hard_deletes_arrive_with_the_delta(site: Site) -> None:
    before = site.records("account")
    gone = sorted(live(site))[:3]
    site.purge("Account", gone)
    report = ran(site)
    assert told(report) == [("deletions", 3)]
    (row,) = [row for row in report.ledger if row.mode == "deletions"]
    assert (row.reported, row.landed, row.curated, row.merged, row.balanced) == (3, 3, 3, 3, True)
    after = site.records("account")
    for found in gone:
        assert after[found] == {**before[found], "isdeleted": True}
    assert {f: r for f, r in after.items() if f not in gone} == {
        f: r for f, r in before.items() if f not in gone
    }
    assert told(ran(site)) == []
    assert_rebuilt_alike(site)


def test_a_record_restored_after_its_deletion_lives(site: Site) -> None:
    chosen = min(live(site))
    with site.serve('compare_ids = "off"'), site.open() as context:
        context.org.delete("Account", chosen)
        site.pass_a_second()
        # Its contacts go with it.
        assert told(site.run())[0] == ("deletions", 1)
    assert chosen not in live(site)
    site.change_org(
        f"UPDATE main.\"Account\" SET IsDeleted = false, SystemModstamp = now() AT TIME ZONE 'UTC'"
        f" WHERE Id = '{chosen}'"
    )
    assert told(ran(site)) == []
    assert chosen in live(site)
    assert_rebuilt_alike(site)


def test_comparison_of_ids_finds_deletions_that_nobody_told_of(site: Site) -> None:
    gone = sorted(live(site))[:2]
    assert told(ran(site, 'compare_ids = "1s"')) == []
    site.purge("Account", gone, told=False)
    before = live(site)
    assert told(ran(site, 'compare_ids = "1s"')) == [("deletions", 2)]
    assert before - live(site) == set(gone)
    assert told(ran(site, 'compare_ids = "1s"')) == []
    assert_rebuilt_alike(site)


def test_comparison_of_ids_brings_records_that_never_arrived(site: Site) -> None:
    assert told(ran(site, 'compare_ids = "1s"')) == []
    records = site.records("account")
    lost = sorted(records)[:2]
    with site.open() as context, context.warehouse() as warehouse:
        warehouse.execute(f"DELETE FROM salesforce.account WHERE id IN ('{lost[0]}', '{lost[1]}')")
    assert told(ran(site, 'compare_ids = "1s"')) == [("reread", 2)]
    assert site.records("account") == records


def test_records_that_cannot_all_have_vanished_are_not_marked(site: Site) -> None:
    assert told(ran(site, 'compare_ids = "1s"')) == []
    with site.open() as context, context.warehouse() as warehouse:
        warehouse.execute(
            "INSERT INTO salesforce.account BY NAME SELECT a.* REPLACE ('x' || r.n AS id)"
            " FROM (SELECT * FROM salesforce.account WHERE NOT isdeleted LIMIT 1) AS a,"
            " range(200) AS r(n)"
        )
    report = ran(site, 'compare_ids = "1s"')
    assert "too many to be believed" in report.problems[0]
    assert len(live(site)) > 200


def test_a_gap_in_the_list_of_deletions_makes_the_comparison_due(site: Site) -> None:
    gone = sorted(live(site))[:1]
    site.purge("Account", gone, told=False)
    with site.open() as context:
        long_ago = datetime.now(UTC) - timedelta(days=40)
        obj = context.catalog["Account"]
        PartialStates(context.lake).change(obj, deletions_until=long_ago)
    assert told(ran(site)) == [("deletions", 1)]
    assert gone[0] not in live(site)
    with site.open() as context:
        assert not PartialStates(context.lake).get(context.catalog["Account"]).is_compare_due


def test_formulas_are_refreshed_and_only_what_differs_lands(site: Site) -> None:
    with site.open() as context:
        schema = context.registry.get(context.catalog["Contact"])
    assert schema
    formulas = [f.name for f in schema.fields if f.calculated and str(f.arrow) == "string"]
    assert formulas
    chosen = sorted(live(site, "contact"))[:4]
    assert told(ran(site, 'refresh_formulas = "1s"')) == []
    before = site.records("contact")
    listed = ", ".join(f"'{found}'" for found in chosen)
    site.change_org(f"UPDATE main.\"Contact\" SET {formulas[0]} = 'new' WHERE Id IN ({listed})")
    assert told(ran(site, 'refresh_formulas = "1s"')) == [("formulas", 4)]
    after = site.records("contact")
    for found, record in before.items():
        changed = {formulas[0].lower(): "new"} if found in chosen else {}
        assert after[found] == {**record, **changed}
    assert told(ran(site, 'refresh_formulas = "1s"')) == []
    assert_rebuilt_alike(site)


def test_deletions_can_be_left_unread(site: Site) -> None:
    site.purge("Account", sorted(live(site))[:1])
    assert told(ran(site, 'deletions = false\ncompare_ids = "off"')) == []
