import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Self

import pytest

from seil.catalog import load_catalog
from seil.catalog.fields import describe_field
from seil.errors import ConfigurationError, ConflictError
from seil.observe.progress import SILENT
from seil.salesforce.ids import id18
from seil.sandbox.salesforce.blueprint import traits
from seil.sandbox.salesforce.generator import generate, packaged_object
from seil.sandbox.salesforce.metadata import SObject
from seil.sandbox.salesforce.store import OrgStore, ident
from seil.sandbox.salesforce.values import ODD_LONG_TEXTS, ODD_TEXTS

AS_OF = date(2026, 11, 23)
REAL = Path(__file__).parents[4] / "shared" / "real" / "describe"
WIDE = 250
TYPES = (
    "string",
    "textarea",
    "picklist",
    "multipicklist",
    "boolean",
    "int",
    "long",
    "double",
    "currency",
    "percent",
    "date",
    "datetime",
    "time",
    "email",
    "phone",
    "url",
    "reference",
    "combobox",
    "encryptedstring",
    "anyType",
    "location",
    "base64",
    "somethingNew",
)


def wide_describe() -> dict[str, Any]:
    """An object of 250 fields of every type, as an org nobody has seen may describe one."""
    fields = [describe_field("Id", "id", flags=["required"])]
    fields += [describe_field("IsDeleted", "boolean", flags=["required"])]
    for name in ("CreatedDate", "LastModifiedDate", "SystemModstamp"):
        fields.append(describe_field(name, "datetime", flags=["required"]))
    fields.append(describe_field("Name", "string", length=80, flags=["required", "name"]))
    fields.append(describe_field("Number__c", "string", flags=["auto_number"]))
    fields.append(describe_field("Key__c", "string", flags=["external_id", "unique"]))
    fields.append(describe_field("Serial__c", "double", scale=0, flags=["unique"]))
    fields.append(describe_field("Other__c", "id"))
    fields.append(describe_field("Tiny__c", "string", length=1))
    fields.append(describe_field("Fine__c", "double", precision=18, scale=18))
    fields.append(describe_field("Self__c", "reference", reference_to=["Wide__c"]))
    fields.append(describe_field("Order__c", "reference", reference_to=["Order"]))
    for number in range(WIDE - len(fields)):
        kind = TYPES[number % len(TYPES)]
        targets = [("Account", "Asset", "Lead")[number % 3]] if kind == "reference" else []
        fields.append(
            describe_field(
                f"F{number}__c",
                kind,
                length=None if number % 2 or targets else 12,
                precision=(None, 5, 18, 38)[number % 4],
                scale=(None, 0, 4, 15)[number % 4],
                reference_to=targets,
                values=["One", "Two; too", "It's"] if "pick" in kind and number % 5 else [],
            )
        )
    return {"name": "Wide__c", "label": "Wide", "keyPrefix": None, "fields": fields}


@pytest.fixture(scope="module")
def wide_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("describe") / "Wide__c.json"
    file.write_text(json.dumps(wide_describe()), "utf-8")
    return file


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, wide_file: Path) -> Iterator[OrgStore]:
    folder = tmp_path_factory.mktemp("generated")
    with generate(folder, orders=400, as_of=AS_OF, extra=[(wide_file, 700)]) as org:
        yield org


def rows(store: OrgStore, query: str) -> list[tuple[Any, ...]]:
    return store.cursor().execute(query).fetchall()


def value(store: OrgStore, query: str) -> Any:
    ((result,),) = rows(store, query)
    return result


def digest(store: OrgStore) -> dict[str, tuple[Any, ...]]:
    digests = {}
    for name in store.objects:
        table = ident(name)
        (digests[name],) = rows(store, f"FROM {table} t SELECT count(*), bit_xor(hash(t))")
    return digests


def test_every_object_of_the_catalog_has_records(store: OrgStore) -> None:
    assert set(load_catalog()) <= set(store.objects)
    for name in store.objects:
        assert value(store, f"FROM {ident(name)} SELECT count(*)") > 0, name


def test_ids_are_valid_and_unique(store: OrgStore) -> None:
    for name, entry in store.objects.items():
        ids = [identifier for (identifier,) in rows(store, f"FROM {ident(name)} SELECT Id")]
        assert len(set(ids)) == len(ids) == store.last_number(name), name
        assert all(id18(each[:15]) == each for each in ids), name
        assert {each[:3] for each in ids} == {entry.key_prefix}, name


def test_every_reference_resolves(store: OrgStore) -> None:
    resolved = 0
    for name, entry in store.objects.items():
        for link in entry.stored_fields:
            if link.type != "reference":
                continue
            names = [ident(t) for t in link.reference_to if t in store.objects]
            targets = " UNION ALL ".join(f"FROM {target} SELECT Id" for target in names)
            column, table = ident(link.name), ident(name)
            lost = f"AND {column} NOT IN ({targets})" if targets else ""
            query = f"FROM {table} SELECT count(*) WHERE {column} IS NOT NULL {lost}"
            assert value(store, query) == 0, f"{name}.{link.name}"
            resolved += value(store, f"FROM {table} SELECT count({column})")
    assert resolved > 100_000


def test_records_below_a_deleted_one_are_deleted(store: OrgStore) -> None:
    checked = 0
    for name, entry in store.objects.items():
        for link in entry.stored_fields:
            if not link.cascade_delete:
                continue
            parent = link.reference_to[0]
            join = f"FROM {ident(name)} c JOIN {ident(parent)} p ON c.{ident(link.name)} = p.Id"
            assert (
                value(store, f"{join} SELECT count(*) WHERE p.IsDeleted AND NOT c.IsDeleted") == 0
            )
            checked += value(store, f"{join} SELECT count(*) WHERE p.IsDeleted")
    assert checked > 100


def test_times_are_in_order_and_never_in_the_future(store: OrgStore) -> None:
    end = datetime.combine(AS_OF, time())
    for name, entry in store.objects.items():
        wrong = value(
            store,
            f"""FROM {ident(name)} SELECT count(*) WHERE NOT coalesce(
                CreatedDate <= LastModifiedDate AND LastModifiedDate <= SystemModstamp
                AND SystemModstamp < TIMESTAMP '{end}'
                AND epoch_us(SystemModstamp) % 1000 = 0
                AND epoch_us(LastModifiedDate) % 1000 = 0
                AND epoch_us(CreatedDate) % 1000 = 0, FALSE)""",
        )
        assert wrong == 0, entry.name


def test_values_keep_to_what_is_described(store: OrgStore) -> None:
    for name, entry in store.objects.items():
        for column in entry.stored_fields:
            quoted_column, table = ident(column.name), ident(name)
            place = f"{name}.{column.name}"
            count, filled, distinct = rows(
                store,
                f"FROM {table} SELECT count(*), count({quoted_column}),"
                f" count(DISTINCT {quoted_column})",
            )[0]
            unresolved = column.type == "reference" and not any(
                target in store.objects for target in column.reference_to
            )
            assert column.nillable or filled == count or unresolved, place
            assert not column.unique or distinct == filled, place
            if column.column_type == "VARCHAR" and column.length:
                longest = value(store, f"FROM {table} SELECT max(length({quoted_column}))")
                assert (longest or 0) <= column.length, place
            if column.type == "picklist" and column.values:
                used = rows(store, f"FROM {table} SELECT DISTINCT {quoted_column}")
                assert {value_used for (value_used,) in used} <= {None, *column.values}, place


def test_orders_are_uneven(store: OrgStore) -> None:
    lines = "FROM OrderItem SELECT OrderId, count(*) AS n GROUP BY OrderId"
    ((least, most, mean, median),) = rows(
        store, f"FROM ({lines}) SELECT min(n), max(n), avg(n), median(n)"
    )
    assert least == 1
    assert 100 < most <= 200
    assert 12 < mean < 18
    assert median < mean
    accounts = 'FROM "Order" SELECT AccountId, count(*) AS n GROUP BY AccountId'
    busiest, average = rows(store, f"FROM ({accounts}) SELECT max(n), avg(n)")[0]
    assert busiest > 8 * average


@pytest.mark.parametrize(
    ("condition", "least"),
    [
        ("ContractId IS NULL", 50),
        ("OpportunityId IS NULL", 5),
        ("vlocity_cmt__PriceListId__c IS NULL", 5),
        ("QuoteId IS NULL AND vlocity_cmt__QuoteId__c IS NOT NULL", 30),
        ("QuoteId IS NOT NULL AND vlocity_cmt__QuoteId__c IS NULL", 10),
        ("QuoteId IS NULL AND vlocity_cmt__QuoteId__c IS NULL", 10),
        ("ContractId IS NOT NULL AND vlocity_cmt__MasterOrderName__c IS NULL", 20),
        ("EndDate IS NULL", 5),
        ("IsDeleted", 1),
        ("CreatedDate >= TIMESTAMP '2026-11-16'", 15),
        ("CreatedDate < TIMESTAMP '2024-11-23'", 30),
        ("ContractId IN (FROM Contract SELECT Id WHERE IsDeleted)", 1),
        ("Id NOT IN (FROM OrderItem SELECT OrderId WHERE NOT IsDeleted)", 1),
    ],
)
def test_orders_of_every_kind_occur(store: OrgStore, condition: str, least: int) -> None:
    assert value(store, f'FROM "Order" SELECT count(*) WHERE {condition}') >= least


@pytest.mark.parametrize(
    ("query", "least"),
    [
        pytest.param(
            """FROM OrderItem SELECT count(*) WHERE Id NOT IN (
                FROM vlocity_cmt__OrderItemAdPlacement__c SELECT vlocity_cmt__OrderItemId__c)""",
            100,
            id="order products without placement",
        ),
        pytest.param(
            """FROM (FROM vlocity_cmt__OrderItemAdPlacement__c
                SELECT count(*) AS n GROUP BY vlocity_cmt__OrderItemId__c)
            SELECT count(*) WHERE n > 1""",
            200,
            id="order products with several placements",
        ),
        pytest.param(
            """FROM vlocity_cmt__OrderItemAdPlacement__c p JOIN Usage__c u
                ON p.vlocity_cmt__AdServerOrderLineIdentiifier__c = u.GAM_LineItemID__c
            SELECT count(DISTINCT p.Id)
            WHERE p.Id IN (FROM vlocity_cmt__OrderItemAdPlacement__c p2 JOIN Usage__c u2
                ON p2.vlocity_cmt__AdServerOrderLineIdentiifier__c = u2.GAM_LineItemID__c
                SELECT p2.Id GROUP BY p2.Id HAVING count(DISTINCT u2.Usage_Date__c) > 2)""",
            500,
            id="placements delivered on several days",
        ),
        pytest.param(
            """FROM vlocity_cmt__OrderItemAdPlacement__c SELECT count(*)
            WHERE vlocity_cmt__AdServerOrderLineIdentiifier__c IS NOT NULL
                AND vlocity_cmt__AdServerOrderLineIdentiifier__c NOT IN (
                    FROM Usage__c SELECT GAM_LineItemID__c)""",
            500,
            id="placements not delivered at all",
        ),
        pytest.param(
            """FROM Usage__c SELECT count(*) - count(DISTINCT (GAM_LineItemID__c, Usage_Date__c))
            WHERE NOT IsDeleted""",
            10,
            id="a day reported twice",
        ),
        pytest.param(
            """FROM Usage__c SELECT count(*) WHERE GAM_LineItemID__c NOT IN (
                FROM vlocity_cmt__OrderItemAdPlacement__c
                SELECT vlocity_cmt__AdServerOrderLineIdentiifier__c
                WHERE vlocity_cmt__AdServerOrderLineIdentiifier__c IS NOT NULL)""",
            1,
            id="delivery nobody booked",
        ),
        pytest.param(
            """FROM AdOrderItem a JOIN vlocity_cmt__OrderItemAdPlacement__c p
                ON a.OrderItemId = p.vlocity_cmt__OrderItemId__c
                AND a.AdServerOrderLineIdentifier = p.vlocity_cmt__AdServerOrderLineIdentiifier__c
            SELECT count(*)""",
            2000,
            id="ad order items on their placement's line",
        ),
        pytest.param(
            """FROM Product2 SELECT count(*) WHERE Id NOT IN (
                FROM vlocity_cmt__AdSpaceSpecification__c SELECT vlocity_cmt__Product2Id__c
                WHERE vlocity_cmt__Product2Id__c IS NOT NULL)""",
            10,
            id="products without ad space",
        ),
        pytest.param(
            "FROM vlocity_cmt__AdSpaceSpecification__c SELECT count(*) WHERE Name LIKE '%^_CTV^_%' "
            "ESCAPE '^'",
            5,
            id="CTV spaces",
        ),
        pytest.param(
            """FROM vlocity_cmt__AdCreativeSizeType__c SELECT count(*)
            WHERE vlocity_cmt__MediaType__c = 'Digital Video' AND vlocity_cmt__RunTime__c > 0""",
            4,
            id="videos with a run time",
        ),
        pytest.param(
            """FROM vlocity_cmt__AdCreativeSizeType__c SELECT count(*)
            WHERE vlocity_cmt__Width__c = 0 OR vlocity_cmt__Width__c IS NULL""",
            4,
            id="sizes of zero and null",
        ),
        pytest.param(
            """FROM vlocity_cmt__AdCreativeSizeType__c SELECT count(*)
            WHERE vlocity_cmt__Width__c % 1 > 0""",
            2,
            id="sizes to be rounded",
        ),
        pytest.param(
            """FROM (FROM Contract SELECT count(*) AS n GROUP BY vlocity_cmt__OrderId__c)
            SELECT count(*) WHERE n > 1""",
            2,
            id="orders with two contracts",
        ),
        pytest.param(
            "FROM OrderItem SELECT count(*) WHERE Quantity < 0", 10, id="negative quantities"
        ),
        pytest.param(
            "FROM OrderItem SELECT count(*) WHERE QuoteLineItemId IS NULL",
            50,
            id="order products never quoted",
        ),
        pytest.param(
            "FROM QuoteLineItem SELECT count(*) WHERE Id NOT IN (FROM OrderItem "
            "SELECT QuoteLineItemId WHERE QuoteLineItemId IS NOT NULL)",
            500,
            id="quoted lines never ordered",
        ),
        pytest.param(
            "FROM Account SELECT count(*) WHERE OP1_Account_Id__c LIKE '00%'",
            1,
            id="leading zeros",
        ),
        pytest.param(
            "FROM Account SELECT count(*) WHERE (BillingLatitude * 1000000000000) % 1 <> 0",
            10,
            id="fifteen decimals",
        ),
    ],
)
def test_what_the_models_must_cope_with_occurs(store: OrgStore, query: str, least: int) -> None:
    assert value(store, query) >= least


def test_texts_of_every_odd_kind_occur(store: OrgStore) -> None:
    texts = {*ODD_TEXTS, *ODD_LONG_TEXTS}
    occurring: set[str] = set()
    for name, entry in store.objects.items():
        table = store.cursor().execute(f"FROM {ident(name)}").to_arrow_table()
        for column in entry.stored_fields:
            if column.type in ("string", "textarea"):
                occurring |= texts.intersection(table[column.name].unique().to_pylist())
    assert occurring == texts


def test_the_longest_texts_fill_their_field(store: OrgStore) -> None:
    longest = [
        value(store, f"FROM {ident(name)} SELECT max(length(Description))")
        for name in ("Account", "Opportunity", "Quote", "Order")
    ]
    assert max(longest) == 32000


def test_money_adds_up(store: OrgStore) -> None:
    assert (
        value(
            store,
            "FROM OrderItem SELECT count(*) WHERE TotalPrice IS DISTINCT FROM UnitPrice * Quantity",
        )
        == 0
    )
    assert (
        value(
            store,
            """FROM "Order" o JOIN (
            FROM OrderItem SELECT OrderId, sum(TotalPrice) AS total GROUP BY OrderId) i
            ON o.Id = i.OrderId
        SELECT count(*) WHERE o.TotalAmount <> i.total""",
        )
        == 0
    )


def test_the_same_seed_makes_the_same_org(tmp_path: Path, wide_file: Path) -> None:
    extra = [(wide_file, 50)]
    with generate(tmp_path / "a", orders=8, seed=7, as_of=AS_OF, extra=extra) as first:
        expected = digest(first)
    with generate(tmp_path / "b", orders=8, seed=7, as_of=AS_OF, extra=extra) as second:
        assert digest(second) == expected
    with generate(tmp_path / "c", orders=8, seed=8, as_of=AS_OF, extra=extra) as third:
        others = digest(third)
    assert others["Order"][0] == expected["Order"][0]
    assert others["Order"] != expected["Order"]
    assert others["Wide__c"] != expected["Wide__c"]


def test_an_unseen_object_gets_values_of_every_type(store: OrgStore) -> None:
    entry = store.object("Wide__c")
    assert len(entry.fields) == WIDE
    assert value(store, "FROM Wide__c SELECT count(*)") == 700
    for column in entry.stored_fields:
        filled = value(store, f"FROM Wide__c SELECT count({ident(column.name)})")
        unresolved = column.reference_to == ("Asset",) or column.name == "Other__c"
        assert (filled == 0) == unresolved, column.name
    assert value(store, "FROM Wide__c SELECT min(length(Tiny__c))") == 1
    assert 0 < abs(value(store, "FROM Wide__c SELECT max(Fine__c)")) < 1


def _account_describe(*, without: str = "") -> dict[str, Any]:
    """Some of an account's fields, one of them another type than ours, and one we never saw."""
    names = ["Id", "IsDeleted", "Name", "OwnerId", "CreatedDate", "SystemModstamp"]
    fields = [f.raw for f in packaged_object(traits()["Account"]).fields if f.name in names]
    fields += [describe_field("Type", "int"), describe_field("Extra__c", "currency")]
    fields = [entry for entry in fields if entry["name"] != without]
    return {"name": "Account", "label": "Client", "keyPrefix": "001", "fields": fields}


class Interrupted:
    def step(self, name: str, total: int | None = None) -> Any:
        if name == "make Contact":
            raise KeyboardInterrupt
        return SILENT.step(name, total)


class StepRecorder:
    def __init__(self, steps: dict[str, int], name: str = "") -> None:
        self.steps = steps
        self.name = name

    def step(self, name: str, total: int | None = None) -> Self:
        return type(self)(self.steps, name)

    def advance(self, count: int) -> None:
        self.steps[self.name] = self.steps.get(self.name, 0) + count

    def expect(self, total: int) -> None: ...

    def conclude(self, message: str, *, ok: bool = True) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None: ...


@dataclass(frozen=True)
class Anew:
    """An org of today that was cut short and made anew, its accounts from a describe of its own.

    `refusal` is why the org cut short could not be opened.
    """

    store: OrgStore
    refusal: str
    steps: dict[str, int]
    begun: date


@pytest.fixture(scope="module")
def anew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anew]:
    folder = tmp_path_factory.mktemp("anew")
    file = folder / "Account.json"
    file.write_text(json.dumps(_account_describe()), "utf-8")
    with pytest.raises(KeyboardInterrupt):
        generate(folder / "org", orders=1, progress=Interrupted())
    with pytest.raises(ConfigurationError) as refused:
        OrgStore.open(folder / "org")
    steps: dict[str, int] = {}
    begun = datetime.now(UTC).date()
    progress = StepRecorder(steps)
    with generate(folder / "org", orders=3, extra=[(file, 50)], progress=progress) as org:
        yield Anew(org, str(refused.value), steps, begun)


def test_a_describe_of_an_object_that_is_there_is_taken_whole(anew: Anew) -> None:
    account = anew.store.object("Account")
    assert account.label == "Client"
    assert [entry.raw for entry in account.fields] == _account_describe()["fields"]
    assert value(anew.store, "FROM Account SELECT count(Name)") == 50
    owned = 'FROM Account JOIN "User" u ON u.Id = OwnerId SELECT count(*)'
    assert value(anew.store, owned) == 50


def test_fewer_records_than_others_refer_to_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "Account.json"
    file.write_text(json.dumps(_account_describe()), "utf-8")
    with pytest.raises(ConfigurationError, match="3 records are fewer than the 20"):
        generate(tmp_path / "org", orders=5, as_of=AS_OF, extra=[(file, 3)])


def test_a_describe_without_what_records_are_made_with_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "Account.json"
    file.write_text(json.dumps(_account_describe(without="IsDeleted")), "utf-8")
    with pytest.raises(ConfigurationError, match=r'lacks a field: .*"IsDeleted"'):
        generate(tmp_path / "org", orders=5, as_of=AS_OF, extra=[file])


@pytest.mark.skipif(not REAL.exists(), reason="no real describe answers at hand")
def test_real_describes_are_taken_whole(tmp_path: Path) -> None:
    names = ("Account", "Contact", "Opportunity", "OpportunityContactRole")
    extra = [(REAL / f"{name}.json", 100) for name in names]
    with generate(tmp_path / "org", orders=5, as_of=AS_OF, extra=extra) as org:
        for name, (file, count) in zip(names, extra, strict=True):
            describe = json.loads(file.read_text("utf-8"))
            assert [entry.raw for entry in org.object(name).fields] == describe["fields"], name
            assert value(org, f"FROM {ident(name)} SELECT count(Id)") == count, name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(None, "No such file", id="missing"),
        pytest.param("not json", "is not a describe answer", id="no json"),
        pytest.param("[]", "is not a describe answer", id="a list"),
        pytest.param('{"name": "X"}', "is not a describe answer", id="no fields"),
        pytest.param('{"name": "X", "fields": [1]}', "is not a describe answer", id="no field"),
        pytest.param('{"name": "Account", "fields": []}', "has no field Id", id="no Id"),
        pytest.param(
            '{"name": "X", "fields": [{"name": "Id", "type": "id"}, {"name": "ID", "type": "id"}]}',
            "has two fields called id",
            id="a field twice",
        ),
    ],
)
def test_what_is_no_describe(tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "X.json"
    if text is not None:
        file.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError, match=message):
        generate(tmp_path / "org", orders=1, extra=[file])
    assert not (tmp_path / "org").exists()


def test_an_org_that_is_there_stays(tmp_path: Path) -> None:
    OrgStore.create(tmp_path).close()
    with pytest.raises(ConflictError, match="already holds a stand-in org"):
        generate(tmp_path, orders=1)


def test_an_org_cut_short_is_made_anew(anew: Anew) -> None:
    assert "cut short" in anew.refusal
    assert value(anew.store, 'FROM "Order" SELECT count(*)') == 3


def test_progress_counts_the_records_of_an_org_as_of_today(anew: Anew) -> None:
    store = anew.store
    counted = {n: value(store, f"FROM {ident(n)} SELECT count(*)") for n in store.objects}
    assert anew.steps == {f"make {name}": count for name, count in counted.items()}
    as_of = date.fromisoformat(store.setting("as_of"))
    assert as_of in (anew.begun, datetime.now(UTC).date())
    newest = value(store, 'FROM "Order" SELECT max(SystemModstamp)')
    assert newest < datetime.now(UTC).replace(tzinfo=None)


def test_every_trait_fits_its_object(store: OrgStore) -> None:
    for name, entry in traits().items():
        described: SObject = store.object(name)
        for change in entry.changes:
            column = described.field(change)
            assert column is not None, f"{name}.{change}"
            assert column.stored, f"{name}.{change}"
        for move in entry.moves:
            link = described.field(move.field)
            assert link is not None
            assert link.reference_to, f"{name}.{move.field}"
