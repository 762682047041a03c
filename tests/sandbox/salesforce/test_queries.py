"""SOQL over REST: what it finds, how it is written, and how its pages hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.sandbox.salesforce.conftest import Org

from seil.sandbox.salesforce import soql
from seil.sandbox.salesforce.options import OrgOptions
from seil.sandbox.salesforce.store import OrgStore

ONE, TWO, THREE, FOUR, FIVE = (f"0015g000000000{n}AAA" for n in range(1, 6))
SHORT_ONE = ONE[:15]


@pytest.mark.parametrize(
    ("where", "matches"),
    [
        ("Name = 'acme'", "1"),
        ("Name != 'Acme'", "234"),
        ("Name LIKE 'acme%'", "12"),
        ("Name LIKE '%co\\_'", "3"),
        ("Name LIKE '%100\\%'", "4"),
        ("Name = 'O\\'Brien 100%'", "4"),
        ("Ext__c = 'X\"Y'", "4"),
        ("NOT Name LIKE 'acme%'", "34"),
        ("Name < 'b'", "12"),
        ("Ext__c = null", "3"),
        ("Ext__c != null", "124"),
        ("Ext__c = ''", "3"),
        ("Ext__c != 'A-1'", "234"),
        ("Ext__c > null", ""),
        ("Ext__c IN ('a-1', 'A-2')", "12"),
        ("Ext__c IN ('a-1', null)", "13"),
        ("Ext__c NOT IN ('A-1')", "234"),
        (f"Id = '{ONE}'", "1"),
        (f"Id = '{SHORT_ONE}'", "1"),
        (f"Id IN ('{SHORT_ONE}', '{FOUR}')", "14"),
        (f"Id > '{TWO}'", "34"),
        (f"ParentId = '{ONE}'", "2"),
        ("ParentId = null", "14"),
        ("Amount__c > 0", "12"),
        ("Amount__c >= 0.01 AND Amount__c < 100.5", "2"),
        ("Amount__c = null OR Amount__c < 0", "34"),
        ("NOT (Amount__c > 0)", "34"),
        ("Staff__c IN (5, 50)", "12"),
        ("Code__c = 2e1", "23"),
        ("Active__c = TRUE", "13"),
        ("Active__c != true", "24"),
        ("Since__c = 2024-02-29", "2"),
        ("Since__c > TODAY", "4"),
        ("Since__c <= TODAY", "12"),
        ("Since__c < TODAY", "12"),
        ("Since__c >= TOMORROW", "4"),
        ("Since__c != TODAY", "1234"),
        ("Since__c IN (TODAY, 2024-01-31)", "1"),
        ("CreatedDate = TODAY", ""),
        ("CreatedDate < LAST_N_DAYS:1", "1234"),
        ("CreatedDate >= 2024-06-01T12:00:00.500Z", "234"),
        ("CreatedDate > 2024-06-01T22:00:00.500+10:00", "34"),
        (
            "CreatedDate >= 2024-01-01T00:00:00.000+0000 AND CreatedDate < 2024-06-02T00:00:00Z",
            "12",
        ),
        ("OpenAt__c = 08:30:00.000Z", "1"),
        ("Tags__c INCLUDES ('RED')", "12"),
        ("Tags__c INCLUDES ('red;green', 'blue')", "14"),
        ("Tags__c EXCLUDES ('red')", "34"),
        ("Parent.Name = 'ACME'", "2"),
        ("Parent.Parent.Name = 'acme'", "3"),
        ("Owner.Name LIKE 'uma%'", "1234"),
        ("Account.Name = 'Acme'", "1"),
        ("Id IN (SELECT AccountId FROM Contact)", "12"),
        ("Id NOT IN (SELECT AccountId FROM Contact WHERE LastName = 'hopper')", "134"),
        (
            "Active__c = true AND Id IN (SELECT AccountId FROM Contact WHERE FirstName = 'Ada')",
            "1",
        ),
        ("CALENDAR_YEAR(CreatedDate) = 2025", "4"),
        ("(Name = 'Acme' OR Name = 'Zoë & Co_') AND Active__c = TRUE", "13"),
    ],
)
def test_where_finds(shared: Org, where: str, matches: str) -> None:
    records = shared.query(f"SELECT Id FROM Account WHERE {where} ORDER BY Id")
    assert "".join(record["Id"][-4] for record in records) == matches


def test_where_takes_an_alias_and_spaces_sent_as_plus(shared: Org) -> None:
    answer = shared.http.get("/query/?q=SELECT+a.Id+FROM+Account+a+WHERE+a.Name='acme'")
    assert [record["Id"] for record in answer.json()["records"]] == [ONE]


def test_query_all_and_all_rows_show_what_is_deleted(shared: Org) -> None:
    everything = shared.query("SELECT Id, IsDeleted FROM Account", deleted_too=True)
    assert [r["Id"] for r in everything if r["IsDeleted"]] == [FIVE]
    assert len(shared.query("SELECT Id FROM Account ALL ROWS")) == 5
    assert len(shared.query("SELECT Id FROM Account")) == 4


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("Name DESC", "3421"),
        ("Ext__c", "3124"),
        ("Ext__c NULLS LAST", "1243"),
        ("Amount__c DESC NULLS LAST, Id", "1243"),
        ("Code__c DESC NULLS LAST", "2314"),
        ("Parent.Name NULLS LAST", "2314"),
    ],
)
def test_order_by(shared: Org, order: str, expected: str) -> None:
    records = shared.query(f"SELECT Id FROM Account ORDER BY {order}")
    assert "".join(record["Id"][-4] for record in records) == expected


def test_limit_and_offset(shared: Org) -> None:
    records = shared.query("SELECT Id FROM Account ORDER BY Id LIMIT 2 OFFSET 1")
    assert [record["Id"] for record in records] == [TWO, THREE]
    assert shared.query("SELECT Id FROM Account OFFSET 1999 LIMIT 1") == []


def test_records_carry_typed_values_and_their_parents(shared: Org) -> None:
    answer = shared.http.get(
        "/query/",
        params={
            "q": "SELECT Name, Amount__c, Staff__c, Active__c, Since__c, OpenAt__c, CreatedDate,"
            " BillingAddress, Parent.Name, Parent.Parent.Name, Parent.Owner.Name"
            f" FROM Account WHERE Id IN ('{ONE}', '{THREE}') ORDER BY Id"
        },
    ).json()
    assert set(answer) == {"totalSize", "done", "records"}
    first, second = answer["records"]
    url = f"/services/data/v62.0/sobjects/Account/{ONE}"
    assert first == {
        "attributes": {"type": "Account", "url": url},
        "Name": "Acme",
        "Amount__c": 100.5,
        "Staff__c": 5,
        "Active__c": True,
        "Since__c": "2024-01-31",
        "OpenAt__c": "08:30:00.000Z",
        "CreatedDate": "2024-01-01T00:00:00.000+0000",
        "BillingAddress": {
            "street": None,
            "city": "Perth",
            "postalCode": None,
            "latitude": None,
        },
        "Parent": None,
    }
    assert second["BillingAddress"] is None
    assert second["Parent"]["attributes"]["url"].endswith(TWO)
    assert second["Parent"]["Parent"]["Name"] == "Acme"
    assert second["Parent"]["Owner"]["Name"] == "Uma User"


def test_counts_and_groups(shared: Org) -> None:
    counted = shared.http.get("/query", params={"q": "SELECT COUNT() FROM Account"}).json()
    assert counted == {"totalSize": 4, "done": True, "records": []}
    grouped = shared.query(
        "SELECT Active__c, COUNT(Id), SUM(Amount__c) total, MAX(CreatedDate),"
        " COUNT_DISTINCT(Code__c) FROM Account GROUP BY Active__c HAVING COUNT(Id) > 1"
        " ORDER BY Active__c DESC"
    )
    assert grouped[0] == {
        "Active__c": True,
        "expr0": 2,
        "total": 100.5,
        "expr1": "2024-06-02T00:00:00.000+0000",
        "expr2": 2,
    }
    assert [row["Active__c"] for row in grouped] == [True, False]
    years = shared.query(
        "SELECT CALENDAR_YEAR(CreatedDate) year, COUNT(Id) n FROM Account"
        " GROUP BY CALENDAR_YEAR(CreatedDate) ORDER BY COUNT(Id) DESC"
    )
    assert years == [{"year": 2024, "n": 3}, {"year": 2025, "n": 1}]
    assert shared.query("SELECT Owner.Name, COUNT(Id) n FROM Account GROUP BY Owner.Name") == [
        {"Name": "Uma User", "n": 4}
    ]


@pytest.mark.parametrize(
    ("page", "total"), [("LIMIT 3", 3), ("LIMIT 9", 4), ("OFFSET 3", 1), ("LIMIT 0", 0)]
)
def test_a_count_is_of_what_limit_and_offset_leave(shared: Org, page: str, total: int) -> None:
    params = {"q": f"SELECT COUNT() FROM Account {page}"}
    answer = shared.http.get("/query", params=params).json()
    assert answer == {"totalSize": total, "done": True, "records": []}


def test_grouped_fields_take_an_alias(shared: Org) -> None:
    rows = shared.query(
        "SELECT BillingCity city, Parent.Name, COUNT(Id), MAX(Staff__c) most, COUNT(Name)"
        " FROM Account WHERE BillingCity != null GROUP BY BillingCity, Parent.Name"
        " ORDER BY BillingCity"
    )
    assert rows == [
        {"city": "Perth", "Name": None, "expr0": 1, "most": 5, "expr1": 1},
        {"city": "Sydney", "Name": "Acme", "expr0": 1, "most": 50, "expr1": 1},
    ]


def test_fields_and_relationships_come_in_the_order_of_the_select(shared: Org) -> None:
    text = "SELECT Staff__c, Parent.Name, Name, Owner.Name, Parent.Owner.Name, Parent.Id, Id"
    rows = shared.query(f"{text} FROM Account WHERE Id = '{TWO}'")
    assert list(rows[0]) == ["Staff__c", "Parent", "Name", "Owner", "Id"]
    assert list(rows[0]["Parent"]) == ["attributes", "Name", "Owner", "Id"]
    assert list(rows[0]["Owner"]) == ["attributes", "Name"]
    header = shared.csv(f"{text} FROM Account").splitlines()[0].replace('"', "")
    assert f"SELECT {header.replace(',', ', ')}" == text


def test_labels_are_named_as_their_field(shared: Org) -> None:
    query = f"SELECT toLabel(BillingCity), Name FROM Account WHERE Id = '{ONE}'"
    assert shared.query(query) == [{"BillingCity": "Perth", "Name": "Acme"}]


def _columns(org: Org, query: str) -> dict[str, Any]:
    answer = org.http.get("/query", params={"q": query, "columns": "true"})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_columns_are_described_without_their_rows(shared: Org) -> None:
    answer = _columns(shared, "SELECT Id, Parent.Name, Amount__c, Parent.Owner.Name FROM Account")
    names = answer.pop("columnMetadata")
    assert answer == {
        "entityName": "Account",
        "groupBy": False,
        "idSelected": True,
        "keyPrefix": "001",
    }
    identifier, parent, amount = names
    assert identifier == {
        "aggregate": False,
        "apexType": "Id",
        "booleanType": False,
        "columnName": "Id",
        "custom": False,
        "displayName": "Id",
        "foreignKeyName": None,
        "insertable": False,
        "joinColumns": [],
        "numberType": False,
        "textType": False,
        "updatable": False,
    }
    assert (parent["columnName"], parent["foreignKeyName"]) == ("Parent", "ParentId")
    assert [column["columnName"] for column in parent["joinColumns"]] == ["Name", "Owner"]
    assert parent["joinColumns"][1]["joinColumns"][0]["textType"] is True
    traits = ("apexType", "custom", "numberType", "insertable", "updatable")
    assert [amount[trait] for trait in traits] == ["Double", True, True, True, True]


def test_columns_of_groups_are_described(shared: Org) -> None:
    query = "SELECT BillingCity city, AVG(Amount__c), MAX(Name) top FROM Account"
    answer = _columns(shared, f"{query} GROUP BY BillingCity")
    assert (answer["groupBy"], answer["idSelected"]) == (True, False)
    rows = [
        (column["columnName"], column["displayName"], column["aggregate"], column["numberType"])
        for column in answer["columnMetadata"]
    ]
    assert rows == [
        ("city", "BillingCity", False, False),
        ("expr0", "avg(Amount__c)", True, True),
        ("top", "max(Name)", True, False),
    ]
    assert _columns(shared, "SELECT COUNT() FROM Account")["columnMetadata"] == []
    wrong = shared.http.get("/query", params={"q": "SELECT Foo FROM Account", "columns": "true"})
    assert wrong.json()[0]["errorCode"] == "INVALID_FIELD"


def test_fields_group(shared: Org) -> None:
    (record,) = shared.query("SELECT FIELDS(STANDARD) FROM Account LIMIT 1")
    assert "Name" in record
    assert "Ext__c" not in record
    (record,) = shared.query("SELECT Id, FIELDS(CUSTOM) FROM Account LIMIT 1")
    assert record["Ext__c"] == "A-1"


NESTED = "SELECT AccountId FROM Contact WHERE AccountId IN (SELECT Id FROM Account)"
E1 = "ERROR at Row:1:Column:8\nNo such column 'Foo' on entity 'Account'. If you are attempting"


@pytest.mark.parametrize(
    ("query", "code", "words"),
    [
        ("SELECT Foo FROM Account", "INVALID_FIELD", E1),
        ("SELECT Id FROM Foo", "INVALID_TYPE", "sObject type 'Foo' is not supported."),
        ("SELECT Foo.Name FROM Account", "INVALID_FIELD", "Didn't understand relationship 'Foo'"),
        ("SELECT A.B.C.D.E.F.G FROM Account", "INVALID_FIELD", "exceeds 5 levels"),
        ("SELECT Name.Id FROM Account", "INVALID_FIELD", "relationship 'Name'"),
        ("SELECT Id FROM Account WHERE Name = 3", "INVALID_FIELD", "of type string and should be"),
        ("SELECT Id FROM Account WHERE Staff__c = '3'", "INVALID_FIELD", "should not be enclosed"),
        ("SELECT Id FROM Account WHERE Active__c = 'x'", "INVALID_FIELD", "of type boolean"),
        ("SELECT Id FROM Account WHERE CreatedDate > 2024-01-01", "INVALID_FIELD", "type dateTime"),
        ("SELECT Id FROM Account WHERE Since__c = 2024-02-30", "INVALID_FIELD", "type date"),
        ("SELECT Id FROM Account WHERE Since__c = NEVER", "INVALID_FIELD", "type date"),
        ("SELECT Id FROM Account WHERE Staff__c LIKE 'a'", "INVALID_FIELD", "of type int"),
        ("SELECT Id FROM Account WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR", "ID field: x"),
        ("SELECT Id FROM Account WHERE Id LIKE 'x'", "INVALID_QUERY_FILTER_OPERATOR", "id field"),
        (
            "SELECT Id FROM Account WHERE Active__c > true",
            "INVALID_QUERY_FILTER_OPERATOR",
            "invalid operator on boolean",
        ),
        (
            "SELECT Id FROM Account WHERE Name INCLUDES ('a')",
            "INVALID_QUERY_FILTER_OPERATOR",
            "multi-select",
        ),
        (
            "SELECT Id FROM Account WHERE Description = 'a'",
            "INVALID_FIELD",
            "field 'Description' can not be filtered in a query call",
        ),
        ("SELECT Id FROM Account ORDER BY Tags__c", "INVALID_FIELD", "can not be sorted"),
        ("SELECT Id FROM Account WHERE BillingAddress = 'a'", "INVALID_FIELD", "filtered"),
        ("SELECT Name, COUNT(Id) FROM Account", "MALFORMED_QUERY", "must be grouped or aggregated"),
        ("SELECT Id, Name, id FROM Account", "INVALID_FIELD", "duplicate field selected: Id"),
        ("SELECT Owner.Name, Owner.Name FROM Account", "INVALID_FIELD", "selected: Owner.Name"),
        ("SELECT Account.Id, Id FROM Account", "INVALID_FIELD", "duplicate field selected: Id"),
        ("SELECT Id, FIELDS(ALL) FROM Account LIMIT 9", "INVALID_FIELD", "field selected: Id"),
        (
            "SELECT Name, Owner.Name, COUNT(Id) FROM Account GROUP BY Name, Owner.Name",
            "MALFORMED_QUERY",
            "duplicate alias: Name",
        ),
        (
            "SELECT Name n, COUNT(Id) N FROM Account GROUP BY Name",
            "MALFORMED_QUERY",
            "duplicate alias: N",
        ),
        (
            "SELECT Id Name FROM Account",
            "MALFORMED_QUERY",
            "only aggregate expressions use field aliasing",
        ),
        (
            "SELECT Name last, COUNT(Id) FROM Account GROUP BY Name",
            "MALFORMED_QUERY",
            "unexpected token: 'last'",
        ),
        ("SELECT COUNT(Id) first FROM Account", "MALFORMED_QUERY", "unexpected token: 'first'"),
        (
            "SELECT COUNT(Id) FROM Account ORDER BY Name",
            "MALFORMED_QUERY",
            "Ordered field must be grouped or aggregated: Name",
        ),
        ("SELECT Id FROM Account ORDER BY COUNT(Id)", "MALFORMED_QUERY", "Ordered field must be"),
        (
            "SELECT CALENDAR_YEAR(CreatedDate) FROM Account GROUP BY Name",
            "MALFORMED_QUERY",
            "Field must be grouped or aggregated: calendar_year(CreatedDate)",
        ),
        (
            "SELECT Name FROM Account GROUP BY Name HAVING Ext__c = 'x'",
            "MALFORMED_QUERY",
            "Field must be grouped or aggregated: Ext__c",
        ),
        ("SELECT Id FROM Account WHERE COUNT(Id) > 1", "MALFORMED_QUERY", "count(Id) is only for"),
        ("SELECT Id FROM Account HAVING Name = 'x'", "MALFORMED_QUERY", "only behind GROUP BY"),
        ("SELECT MAX(COUNT(Id)) FROM Account", "MALFORMED_QUERY", "cannot be an argument of MAX"),
        ("SELECT COUNT(Id) FROM Account GROUP BY MAX(Name)", "MALFORMED_QUERY", "grouped by"),
        (
            "SELECT Description FROM Account GROUP BY Description",
            "INVALID_FIELD",
            "field 'Description' can not be grouped in a query call",
        ),
        ("SELECT NOW(Id) FROM Account", "MALFORMED_QUERY", "Invalid function: NOW"),
        ("SELECT SUM(Name) FROM Account", "INVALID_FIELD", "does not support the function SUM"),
        ("SELECT SUM() FROM Account", "MALFORMED_QUERY", "SUM of nothing"),
        ("SELECT FIELDS(ALL) FROM Account", "MALFORMED_QUERY", "LIMIT of at most 200"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "offset allowed"),
        ("SELECT TYPEOF Owner WHEN User THEN Name END FROM Account", "MALFORMED_QUERY", "TYPEOF"),
        ("SELECT (SELECT Id FROM Contacts) FROM Account", "MALFORMED_QUERY", "nested query"),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT Id, Name FROM Account)",
            "MALFORMED_QUERY",
            "exactly one field",
        ),
        ("", "MALFORMED_QUERY", "has to be specified"),
        ("SELECT Id FROM Account WHERE Active__c = 'true'", "INVALID_FIELD", "type boolean and"),
        (
            "SELECT Id FROM Account WHERE Name IN (SELECT AccountId FROM Contact)",
            "MALFORMED_QUERY",
            "can only query id fields, cannot use: 'Name'",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT LastName FROM Contact)",
            "MALFORMED_QUERY",
            "can only query id fields, cannot use: 'LastName'",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT ParentId FROM Account)",
            "MALFORMED_QUERY",
            "should not be on the same object type",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT CreatedById FROM Contact)",
            "MALFORMED_QUERY",
            "The selected field 'CreatedById' in the subquery and the left operand field 'Id'",
        ),
        (
            "SELECT Id FROM Account WHERE Parent.Id IN (SELECT AccountId FROM Contact)",
            "MALFORMED_QUERY",
            "fields of the object itself",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact LIMIT 1)",
            "MALFORMED_QUERY",
            "LIMIT and OFFSET are not allowed",
        ),
        (
            "SELECT Id FROM Account WHERE Staff__c = 1 OR Id IN (SELECT AccountId FROM Contact)",
            "MALFORMED_QUERY",
            "not allowed with the 'OR' operator",
        ),
        (
            "SELECT Id FROM Account WHERE NOT Id IN (SELECT AccountId FROM Contact)",
            "MALFORMED_QUERY",
            "not allowed with the 'NOT' operator",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact)"
            + " AND Id NOT IN (SELECT Account__c FROM Line__c)" * 2,
            "MALFORMED_QUERY",
            "Max of 2 semi join sub-selects are allowed, 3 were specified",
        ),
        (
            f"SELECT Id FROM Line__c WHERE Account__c IN ({NESTED})",
            "MALFORMED_QUERY",
            "Nesting of semi join sub-selects",
        ),
    ],
)
def test_query_refused(shared: Org, query: str, code: str, words: str) -> None:
    error = shared.refused(query)
    assert error["errorCode"] == code
    assert words in error["message"]


_SELECTED = (
    *("Id", "Name", "Subject", "What.Type", "Who.FirstName", "Owner.Profile.Name"),
    *("COUNT(Id)", "COUNT()", "MAX(What.Name)", "toLabel(What.Type)", "FIELDS(ALL)"),
    *("CALENDAR_YEAR(CreatedDate)", "BillingAddress"),
)
_CLAUSES = (
    ["", "a", "Id", "expr0", "last"],
    ["", "WHERE What.Type IN ('Account', null)", "WHERE Id IN (SELECT WhatId FROM Task)"],
    ["", "GROUP BY What.Type", "GROUP BY Name", "GROUP BY CALENDAR_YEAR(CreatedDate)"],
    ["", "HAVING COUNT(Id) > 0", "HAVING Name = 'x'"],
    ["", "ORDER BY What.Type", "ORDER BY COUNT(Id) DESC", "ORDER BY Name"],
    ["", "LIMIT 5"],
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.sampled_from(_SELECTED), min_size=1, max_size=3),
    st.sampled_from(["Task", "Account"]),
    st.tuples(*map(st.sampled_from, _CLAUSES)),
)
def test_any_combination_is_answered_or_refused(
    shared: Org, selected: list[str], name: str, clauses: tuple[str, ...]
) -> None:
    alias, *rest = clauses
    text = f"SELECT {', '.join(selected)} {alias} FROM {name} {' '.join(rest)}"
    answer = shared.http.get("/query", params={"q": text})
    assert answer.status_code in (200, 400), text


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(min_size=1, max_size=40).filter(lambda text: "\x00" not in text))
def test_any_text_is_found_by_its_literal(store: OrgStore, text: str) -> None:
    from seil.sandbox.salesforce.translate import translate

    with store.write() as cursor:
        cursor.execute('UPDATE main."Account" SET "Name" = $1 WHERE "Id" = $2', [text, FOUR])
    query = soql.parse(f"SELECT Id FROM Account WHERE Name = {soql.quote(text)}")
    sql = translate(store.objects, query, deleted_too=False)
    rows = store.cursor().execute(sql.select('t1."Id"'), list(sql.values)).fetchall()
    assert (FOUR,) in rows


def _add_accounts(store: OrgStore, count: int) -> None:
    with store.write() as cursor:
        cursor.execute(
            """INSERT INTO main."Account" BY NAME SELECT '0015g0000' || lpad(n::VARCHAR, 6, '0')
            || 'AAA' AS "Id", false AS "IsDeleted", 'n' || n AS "Name" FROM range(100, $1) r(n)""",
            [100 + count],
        )


def _pages(org: Org, first: dict[str, Any]) -> list[dict[str, Any]]:
    pages = [first]
    while not pages[-1]["done"]:
        url = f"{org.server.url}{pages[-1]['nextRecordsUrl']}"
        pages.append(org.http.get(url).json())
    return pages


def test_pages_hold_while_records_change_and_the_server_restarts(
    folder: Any, serving: Callable[..., Org]
) -> None:
    with OrgStore.open(folder) as store:
        _add_accounts(store, 500)
    org = serving()
    org.http.headers["Sforce-Query-Options"] = "batchSize=200"
    params = {"q": "SELECT Id, Name, Parent.Name, CreatedDate FROM Account"}
    first = org.http.get("/query", params=params).json()
    assert (first["totalSize"], first["done"], len(first["records"])) == (504, False, 200)
    assert len(first["nextRecordsUrl"].strip("/").split("/")) == 5
    before = _pages(org, first)
    org.http.delete(f"/sobjects/Account/{FOUR}")
    after = _pages(serving(), first)
    assert before == after
    ids = [record["Id"] for page in after for record in page["records"]]
    assert len(ids) == len(set(ids)) == 504
    assert ids == sorted(ids)
    assert all("nextRecordsUrl" not in page for page in after if page["done"])


def test_pages_end_with_their_lifetime(folder: Any, serving: Callable[..., Org]) -> None:
    with OrgStore.open(folder) as store:
        _add_accounts(store, 300)
    org = serving(OrgOptions(query_page_rows=100))
    first = org.http.get("/query", params={"q": "SELECT Id FROM Account"}).json()
    locator = first["nextRecordsUrl"].rpartition("/")[2]
    cursor = locator.partition("-")[0]
    for wrong in ("nonsense", f"{cursor}-50", f"{cursor}-900", locator.replace("01g", "01h")):
        answer = org.http.get(f"/query/{wrong}")
        assert answer.status_code == 400
        assert answer.json()[0]["errorCode"] == "INVALID_QUERY_LOCATOR"
    pages = org.server.folder / "queries"
    assert len(list(pages.iterdir())) == 1
    later = serving(OrgOptions(cursor_lifetime=-timedelta(days=1).total_seconds()))
    assert later.http.get(f"/query/{locator}").status_code == 400
    assert list(pages.iterdir()) == []
