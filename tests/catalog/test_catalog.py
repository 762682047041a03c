"""The catalog as data: what is packaged, how one's own file overlays it, what is refused."""

from __future__ import annotations

import csv
from datetime import timedelta
from pathlib import Path

import pytest

from seil.catalog import Catalog, SyncedObject, load_catalog
from seil.errors import ConfigurationError

FACTS = Path(__file__).parents[3] / "shared" / "facts" / "objects.csv"


def own(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "objects.toml"
    file.write_text(text, "utf-8")
    return file


def problems(file: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_catalog(file)
    return [str(problem) for problem in caught.value.problems]


@pytest.fixture(scope="module")
def packaged() -> Catalog:
    return load_catalog()


def test_packaged_catalog_has_every_object(packaged: Catalog) -> None:
    assert len(packaged) == 33
    assert {"Account", "OrderItem", "Usage__c", "blng__Invoice__c"} <= set(packaged)
    assert packaged["orderitem"].landing_name == "Order-Product"


def test_packaged_names_are_unique(packaged: Catalog) -> None:
    for attribute in ("landing_name", "table", "display_name"):
        names = [getattr(entry, attribute) for entry in packaged.values()]
        assert len(set(names)) == len(names), attribute


@pytest.mark.skipif(not FACTS.exists(), reason="the facts are not beside this checkout")
def test_packaged_catalog_agrees_with_the_facts(packaged: Catalog) -> None:
    with FACTS.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["in_hourly_sync"] == "yes"]
    columns = ("display_name", "api_name", "landing_name", "curated_table")
    expected = [tuple(row[name] for name in columns) for row in rows]
    assert [tuple(getattr(o, name) for name in columns) for o in packaged.values()] == expected


@pytest.mark.parametrize(
    "name", ["OrderItem", "ORDERITEM", "Order-Product", "order_product", "Order Product"]
)
def test_find_by_any_name(packaged: Catalog, name: str) -> None:
    obj = packaged.find(name)
    assert obj
    assert obj.api_name == "OrderItem"


def test_by_landing_name(packaged: Catalog) -> None:
    obj = packaged.by_landing_name("order-product")
    assert obj
    assert obj.api_name == "OrderItem"
    assert packaged.by_landing_name("Nothing") is None


def test_select(packaged: Catalog) -> None:
    assert len(packaged.select([])) == 33
    assert [o.api_name for o in packaged.select(["User", "account", "Account"])] == [
        "User",
        "Account",
    ]
    with pytest.raises(ConfigurationError) as caught:
        packaged.select(["Account", "Leed", "Oder"])
    assert [problem.place for problem in caught.value.problems] == ["Leed", "Oder"]


def test_a_new_object_needs_only_its_name(tmp_path: Path) -> None:
    catalog = load_catalog(own(tmp_path, "[objects.Lead]\n[objects.SWM_Rate_CardItem__c]\n"))
    lead, rate = catalog["Lead"], catalog["SWM_Rate_CardItem__c"]
    assert (lead.display_name, lead.landing_name, lead.table) == ("Lead", "Lead", "lead")
    assert lead.required == ("Id",)
    assert lead.flow.mode == "incremental"
    assert (rate.landing_name, rate.table) == ("SWM-Rate-Card-Item", "swm_rate_card_item")
    assert rate.curated_table == "salesforce_swm_rate_card_item"


def test_own_file_overlays_key_by_key(tmp_path: Path) -> None:
    file = own(
        tmp_path,
        '[objects.account.flow]\nschedule = "6h"\n[objects.User]\nenabled = false\n'
        "[defaults.flow]\nlag = 30\n",
    )
    catalog = load_catalog(file)
    assert catalog["Account"].flow.schedule == timedelta(hours=6)
    assert catalog["Account"].flow.lookback == timedelta(minutes=10)
    assert catalog["Order"].flow.lag == timedelta(seconds=30)
    assert "User" not in catalog
    assert catalog.find("User") is None


def test_rules_and_mappings(tmp_path: Path) -> None:
    file = own(
        tmp_path,
        """
[[objects.Lead.columns]]
name = "Email"
[[objects.Lead.columns.validations]]
type = "re"
rule = '[^@]+@[^@]+'
message = "is no address"
[[objects.Lead.mappings]]
target = "ScoreNumber"
source = "Score__c"
type = "decimal(10,2)"
[[objects.Lead.mappings]]
target = "Domain"
sql = "split_part(Email, '@', 2)"
""",
    )
    lead = load_catalog(file)["Lead"]
    [column] = lead.columns
    assert (column.name, column.validations[0].level) == ("Email", "reject")
    assert [mapping.target for mapping in lead.mappings] == ["ScoreNumber", "Domain"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[objects.Lead]\ncolour = 'red'", "line 2): is unknown"),
        ("[object.Lead]", "object: is unknown (did you mean objects?)"),
        ("[colour]", "colour: is unknown (known are objects, defaults)"),
        ("objects = 3", "objects: is 3, not a table (write [objects] ...)"),
        ("[objects]\nLead = 3", "objects.Lead: is 3, not a table (write [objects.Lead])"),
        ("[objects.'']", "'' is not an API name"),
        ("[objects.'Lead ']", "'Lead ' is not an API name"),
        ("[objects.Lead]\nkey = ''", "shorter than 1"),
        ("[objects.Lead.flow]\nmode = 'weekly'", "is 'weekly', not one of 'incremental' or 'full'"),
        ("[objects.Lead.flow]\nlag = 'soon'", "'soon' is not a duration"),
        ("[objects.Lead]\ntable = 'Bad Name'", "is 'Bad Name', which does not match"),
        ("[objects.Lead]\nlanding_name = 'a/b'", "is 'a/b', which does not match"),
        (
            "[objects.Lead]\ntable = 'order'",
            "objects.Lead.table: 'order' is already taken by Order",
        ),
        (
            "[objects.Lead]\nlanding_name = 'ORDER'",
            "objects.Lead.landing_name: 'order' is already taken by Order (give it another name)",
        ),
        (
            "[[objects.Lead.columns]]\nname = 'A'\nvalidations = [{type = 're', rule = '('}]",
            "objects.Lead.columns.0.validations.0",
        ),
        (
            "[[objects.Lead.mappings]]\ntarget = 'A'",
            "mapping to 'A' needs either source or sql",
        ),
        (
            "[[objects.Lead.mappings]]\ntarget = 'A'\nsource = 'B'",
            "mapping to 'A' from a source column needs a type",
        ),
    ],
    ids=str,
)
def test_a_wrong_entry_is_named(tmp_path: Path, text: str, expected: str) -> None:
    [problem] = problems(own(tmp_path, text))
    assert expected in problem


def test_every_wrong_entry_is_named_at_once(tmp_path: Path) -> None:
    text = "[objects.Lead]\nx = 1\n[objects.Case]\ny = 1\n[objects.Task]\ntable = 'order'\n"
    places = [problem.split(" (")[0].split(": ")[0] for problem in problems(own(tmp_path, text))]
    assert places == ["objects.Lead.x", "objects.Case.y", "objects.Task.table"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    [problem] = problems(tmp_path / "no.toml")
    assert problem.endswith("no such file (create it or correct [catalog] file in seil.toml)")


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    [problem] = problems(own(tmp_path, "[objects"))
    assert "is not TOML" in problem


def test_disabled_objects_free_their_names() -> None:
    old = SyncedObject(api_name="Lead", enabled=False)
    new = SyncedObject(api_name="Lead__c")
    assert [entry.api_name for entry in Catalog([old, new]).values()] == ["Lead__c"]


def test_an_unknown_name_is_met_with_the_likely_ones(packaged: Catalog) -> None:
    with pytest.raises(ConfigurationError) as caught:
        packaged.select(["order produkt", "Leed"])
    near, far = caught.value.problems
    assert near.cure.startswith("did you mean OrderItem? ")
    assert far.cure.startswith("`seil status --all` lists them")
