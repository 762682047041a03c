import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from seil.catalog.fields import describe_field
from seil.sandbox.salesforce.blueprint import traits
from seil.sandbox.salesforce.generator import generate
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.store import OrgStore, ident
from seil.sandbox.salesforce.tick import ObjectSummary, TickCount, TickReport, summary, tick

AS_OF = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 12, 30, 15, 123456, tzinfo=UTC)
Record = tuple[datetime, bool, str]


@pytest.fixture(scope="module")
def org_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ticked")
    fields = [
        describe_field("Id", "id", flags=["required"]),
        describe_field("Size__c", "int"),
        describe_field("Color__c", "picklist", values=["Red", "Blue"]),
        describe_field("Account__c", "reference", reference_to=["Account"]),
        describe_field("LastModifiedDate", "datetime", flags=["required", "read_only"]),
        describe_field("SystemModstamp", "datetime", flags=["required", "read_only"]),
    ]
    file = folder / "Thing__c.json"
    file.write_text(json.dumps({"name": "Thing__c", "label": "Thing", "fields": fields}), "utf-8")
    generate(folder / "org", orders=150, as_of=AS_OF, extra=[(file, 80)]).close()
    return folder / "org"


@pytest.fixture
def store(org_folder: Path, tmp_path: Path) -> Iterator[OrgStore]:
    folder = tmp_path / "org"
    shutil.copytree(org_folder, folder)
    with OrgStore.open(folder) as opened:
        yield opened


def records(store: OrgStore, name: str) -> dict[str, Record]:
    """Of every record when it changed last, whether it is deleted, and a digest of the rest."""
    deleted = "IsDeleted" if store.object(name).soft_deletes else "FALSE"
    query = f"FROM {ident(name)} t SELECT Id, SystemModstamp, {deleted}, hash(t)"
    return {row[0]: (row[1], row[2], row[3]) for row in store.cursor().execute(query).fetchall()}


def everything(store: OrgStore) -> dict[str, dict[str, Record]]:
    return {name: records(store, name) for name in store.objects if has_stamp(store, name)}


def has_stamp(store: OrgStore, name: str) -> bool:
    return store.object(name).field("SystemModstamp") is not None


def kind(before: Record | None, after: Record | None) -> str:
    if before is None:
        return "added"
    if after is None:
        return "hard_deleted"
    if before[1] != after[1]:
        return "deleted" if after[1] else "undeleted"
    return "changed" if before != after else "same"


def what_happened(
    before: dict[str, dict[str, Record]], after: dict[str, dict[str, Record]]
) -> dict[str, Counter[str]]:
    kinds: dict[str, Counter[str]] = {}
    for name, old in before.items():
        new = after[name]
        kinds[name] = Counter(kind(old.get(key), new.get(key)) for key in {*old, *new})
        del kinds[name]["same"]
    return kinds


def as_counter(count: TickCount) -> Counter[str]:
    names = ("changed", "added", "deleted", "undeleted", "hard_deleted")
    return Counter({name: getattr(count, name) for name in names if getattr(count, name)})


def value(store: OrgStore, query: str) -> Any:
    ((result,),) = store.cursor().execute(query).fetchall()
    return result


@dataclass(frozen=True)
class Passed:
    """An org before and after one large tick."""

    store: OrgStore
    report: TickReport
    live: dict[str, int]
    before: dict[str, dict[str, Record]]
    after: dict[str, dict[str, Record]]
    items: dict[str, str]

    @property
    def stamp(self) -> str:
        return f"TIMESTAMP '{self.report.at.replace(tzinfo=None)}'"


@pytest.fixture(scope="module")
def passed(org_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Passed]:
    folder = tmp_path_factory.mktemp("passed") / "org"
    shutil.copytree(org_folder, folder)
    with OrgStore.open(folder) as store:
        before = everything(store)
        live = {name: count.live for name, count in summary(store).items()}
        items = item_of_placement(store)
        report = tick(store, share=0.1, hard=0.02, now=NOW)
        yield Passed(store, report, live, before, everything(store), items)


def item_of_placement(store: OrgStore) -> dict[str, str]:
    query = "FROM vlocity_cmt__OrderItemAdPlacement__c SELECT Id, vlocity_cmt__OrderItemId__c"
    return dict(store.cursor().execute(query).fetchall())


def test_counts_are_what_happened(passed: Passed) -> None:
    happened = what_happened(passed.before, passed.after)
    assert {name: as_counter(count) for name, count in passed.report.objects.items()} == {
        name: count for name, count in happened.items() if count
    }
    total = passed.report.total
    assert min(total.changed, total.added, total.deleted) > 100
    assert min(total.undeleted, total.hard_deleted, total.moved) > 0


STARTS = """
    FROM (FROM vlocity_cmt__OrderItemAdPlacement__c SELECT Id,
        timezone('{zone}', timezone('UTC', vlocity_cmt__AdRequestedStartDate__c)) AS shown)
    SELECT count(*), count(*) FILTER (CAST(shown AS TIME) = TIME '00:00')"""


def test_what_is_booked_begins_at_midnight(passed: Passed) -> None:
    added = STARTS.format(zone="Australia/Sydney") + " WHERE Id NOT IN (SELECT unnest(?))"
    ((every, at_midnight),) = passed.store.cursor().execute(added, [list(passed.items)]).fetchall()
    assert 0 < every == at_midnight


@pytest.mark.parametrize("zone", ["Europe/London", "no zone"])
def test_what_is_booked_begins_at_midnight_in_the_orgs_time_zone(
    store: OrgStore, zone: str
) -> None:
    zone_name = "Australia/Sydney" if zone == "no zone" else zone
    ((every, at_midnight),) = store.cursor().execute(STARTS.format(zone=zone_name)).fetchall()
    assert (every > 1000, at_midnight == every) == (True, zone_name == "Australia/Sydney")
    with store.write() as cursor:
        cursor.execute('UPDATE main."Organization" SET TimeZoneSidKey = ?', [zone])
    before = item_of_placement(store)
    tick(store, share=0.05, now=NOW)
    added = STARTS.format(zone=zone_name) + " WHERE Id NOT IN (SELECT unnest(?))"
    ((every, at_midnight),) = store.cursor().execute(added, [list(before)]).fetchall()
    assert 0 < every == at_midnight


def test_touched_records_carry_the_time_and_no_others(passed: Passed) -> None:
    assert passed.report.at == NOW.replace(microsecond=123000)
    stamp = passed.report.at.replace(tzinfo=None)
    for name, after in passed.after.items():
        for key, record in after.items():
            touched = kind(passed.before[name].get(key), record) != "same"
            assert (record[0] == stamp) == touched, f"{name} {key}"


def test_the_share_is_kept_to(passed: Passed) -> None:
    for name, count in passed.report.objects.items():
        assert count.changed <= max(1, round(passed.live[name] * 0.1)), name
    items = passed.report.objects["OrderItem"]
    assert items.changed == pytest.approx(passed.live["OrderItem"] * 0.1, rel=0.1)
    assert passed.report.objects["Order"].added == round(passed.live["Order"] * 0.05)
    fixed = {name for name, entry in traits().items() if entry.fixed}
    assert not fixed & set(passed.report.objects)


def test_new_orders_come_with_all_that_belongs_to_them(passed: Passed) -> None:
    for name in ("Opportunity", "Quote", "QuoteLineItem", "Contract", "Order", "OrderItem"):
        assert passed.report.objects[name].added > 0
    placed = value(
        passed.store,
        f"""FROM vlocity_cmt__OrderItemAdPlacement__c p
            JOIN OrderItem i ON p.vlocity_cmt__OrderItemId__c = i.Id
            JOIN "Order" o ON i.OrderId = o.Id
            JOIN Account a ON o.AccountId = a.Id
        SELECT count(*) WHERE p.CreatedDate = {passed.stamp} AND o.CreatedDate = {passed.stamp}""",
    )
    assert placed > 20
    future = f'FROM "Order" SELECT count(*) WHERE CreatedDate > {passed.stamp}'
    assert value(passed.store, future) == 0


def test_references_resolve_and_deletes_cascade(passed: Passed) -> None:
    for name, entry in passed.store.objects.items():
        ids = value(passed.store, f"FROM {ident(name)} SELECT count(*) - count(DISTINCT Id)")
        assert ids == 0, name
        for link in entry.stored_fields:
            if not (link.reference_to and link.reference_to[0] in passed.store.objects):
                continue
            column, parent = ident(link.name), ident(link.reference_to[0])
            lost = f"""FROM {ident(name)} SELECT count(*) WHERE {column} IS NOT NULL
                AND {column} NOT IN (FROM {parent} SELECT Id)"""
            assert value(passed.store, lost) == 0, f"{name}.{link.name}"
            if link.cascade_delete:
                orphans = f"""FROM {ident(name)} c JOIN {parent} p ON c.{column} = p.Id
                    SELECT count(*) WHERE p.IsDeleted AND NOT c.IsDeleted"""
                assert value(passed.store, orphans) == 0, f"{name}.{link.name}"


def test_times_stay_in_order(passed: Passed) -> None:
    for name, entry in passed.store.objects.items():
        if entry.field("CreatedDate"):
            in_order = "CreatedDate <= LastModifiedDate AND LastModifiedDate <= SystemModstamp"
            wrong = f"FROM {ident(name)} SELECT count(*) WHERE NOT ({in_order})"
            assert value(passed.store, wrong) == 0, name


def test_moved_records_point_elsewhere_within_their_group(passed: Passed) -> None:
    now = item_of_placement(passed.store)
    moved = [key for key, item in now.items() if passed.items.get(key, item) != item]
    assert len(moved) == passed.report.objects["vlocity_cmt__OrderItemAdPlacement__c"].moved > 5
    strays = value(
        passed.store,
        """FROM vlocity_cmt__OrderItemAdPlacement__c p
            JOIN OrderItem i ON p.vlocity_cmt__OrderItemId__c = i.Id
        SELECT count(*) WHERE p.vlocity_cmt__OrderId__c <> i.OrderId""",
    )
    assert strays == 0


def test_an_unseen_object_changes_and_grows(passed: Passed) -> None:
    assert passed.report.objects["Thing__c"] == TickCount(changed=8, added=4)


def test_what_was_deleted_together_comes_back_together(passed: Passed) -> None:
    """An order that is brought back brings along the order products it had taken along."""
    orders = passed.before["Order"]
    back = [key for key, old in orders.items() if old[1] and not passed.after["Order"][key][1]]
    assert back
    query = "FROM OrderItem SELECT Id WHERE OrderId = ?"
    for key in back:
        for (item,) in passed.store.cursor().execute(query, [key]).fetchall():
            if passed.before["OrderItem"][item][0] == orders[key][0]:
                assert passed.after["OrderItem"][item][1] is False


def test_hard_deleted_records_leave_a_trace_for_getdeleted(store: OrgStore) -> None:
    before = everything(store)
    report = tick(store, share=0, hard=0.05, now=NOW)
    traces = store.cursor().execute("FROM seil.hard_deleted").fetchall()
    purged = {(n, key) for n, old in before.items() for key in set(old) - set(records(store, n))}
    assert {(name, key) for name, key, _ in traces} == purged
    assert {at for _, _, at in traces} == {report.at.replace(tzinfo=None)}
    assert report.total == TickCount(hard_deleted=len(purged))
    assert len(purged) > 50


@pytest.mark.parametrize("other", [0, 1], ids=["same seed", "another"])
def test_a_seed_decides_what_a_tick_does(passed: Passed, store: OrgStore, other: int) -> None:
    seed = passed.report.seed + other
    report = tick(store, share=0.1, hard=0.02, seed=seed, now=NOW)
    is_same = (report.objects, everything(store)) == (passed.report.objects, passed.after)
    assert is_same == (other == 0)


def test_every_tick_is_another_and_time_never_runs_backwards(store: OrgStore) -> None:
    first = tick(store, share=0, now=datetime(2001, 1, 1, tzinfo=UTC))
    assert first.at == datetime(2026, 11, 23, tzinfo=UTC)
    assert first.total == TickCount()
    second = tick(store, share=0, now=NOW)
    third = tick(store, share=0, now=NOW)
    assert (first.seed, second.seed, third.seed) == (1, 2, 3)
    assert third.at - second.at == timedelta(milliseconds=1)
    assert tick(store, share=0, seed=9, now=NOW + timedelta(hours=1)).seed == 9


def test_nothing_is_kept_of_a_tick_that_fails(store: OrgStore) -> None:
    before = everything(store)
    store.drop_field("Product2", "ProductCode")
    with pytest.raises(Exception, match="ProductCode"):
        tick(store, share=0.05, now=NOW)
    after = everything(store)
    assert {name: set(old) for name, old in before.items()} == {
        name: set(new) for name, new in after.items()
    }
    assert after["Order"] == before["Order"]
    assert store.setting("ticks") == ""


def test_fields_that_came_went_or_changed_do_not_stop_a_tick(store: OrgStore) -> None:
    store.change_field("Order", SField.of("Name", "int"))
    store.drop_field("OrderItem", "Quantity")
    store.drop_field("Opportunity", "OwnerId")
    store.add_field("Order", SField.of("New__c", "string"))
    report = tick(store, share=0.05, now=NOW)
    assert report.objects["Order"].added > 0
    assert report.objects["OrderItem"].changed > 0
    assert report.objects["Opportunity"].moved == 0


def test_an_org_of_other_objects_ticks_too(tmp_path: Path) -> None:
    fields = [SField.of("Id", "id", flags=["required"]), SField.of("IsDeleted", "boolean")]
    with OrgStore.create(tmp_path, [SObject.of("Stone__c", fields)]) as store:
        with store.write() as cursor:
            ids = [[key] for key in store.next_ids("Stone__c", 100)]
            cursor.executemany("INSERT INTO Stone__c VALUES (?, FALSE)", ids)
        report = tick(store, share=0.1, hard=0.1)
        assert report.total.deleted == 1
        assert report.total.changed == 10
        assert report.total.added == 5


def test_summary_counts_live_and_deleted(store: OrgStore) -> None:
    counted = summary(store)
    assert counted["User"] == ObjectSummary(live=33, deleted=0)
    deleted = value(store, "FROM OrderItem SELECT count(*) WHERE IsDeleted")
    assert counted["OrderItem"].deleted == deleted > 0
    assert counted["Thing__c"] == ObjectSummary(live=80, deleted=0)
