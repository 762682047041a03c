"""Relationships to several kinds of object, read by the fields of the Name object."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sandbox.salesforce.conftest import Org

from seil.sandbox.salesforce.server import OrgServer

ACCOUNT, CONTACT = "0015g0000000001AAA", "0035g0000000001AAA"
_TASKS = (
    {"Subject": "call", "WhatId": ACCOUNT, "WhoId": CONTACT},
    {"Subject": "count"},
    {"Subject": "check"},
)


@pytest.fixture(scope="module")
def tasks(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Org]:
    folder = shutil.copytree(template, tmp_path_factory.mktemp("tasks") / "org")
    with OrgServer(Path(folder)) as server:
        org = Org.of(server)
        line = org.http.post("/sobjects/Line__c", json={"Account__c": ACCOUNT}).json()["id"]
        call, count, check = _TASKS
        for row in (call, {**count, "WhatId": line}, check):
            assert org.http.post("/sobjects/Task", json=row).status_code == 201
        yield org
        org.http.close()


@pytest.mark.parametrize(
    ("where", "subjects"),
    [
        ("What.Type = 'Account'", ["call"]),
        ("What.Type IN ('Account', 'Line__c')", ["call", "count"]),
        ("What.Type = null", ["check"]),
        ("Who.Type = 'contact'", ["call"]),
        ("Who.Type = 'Lead'", []),
        ("Owner.Type = 'User'", ["call", "count", "check"]),
        ("Owner.Type IN ('Group')", []),
        ("Owner.Username = 'uma@sandbox.example'", ["call", "count", "check"]),
        ("Who.LastName = 'Lovelace'", ["call"]),
        ("What.Name = 'acme'", ["call"]),
    ],
)
def test_filters(tasks: Org, where: str, subjects: list[str]) -> None:
    records = tasks.query(f"SELECT Subject FROM Task WHERE {where} ORDER BY Id")
    assert [record["Subject"] for record in records] == subjects
    rows = tasks.csv(f"SELECT Subject FROM Task WHERE {where} ORDER BY Id").splitlines()[1:]
    assert [row.strip('"') for row in rows] == subjects


def test_records_are_names_with_the_address_of_what_they_are(tasks: Org) -> None:
    query = "SELECT What.Type, Who.Name, Who.FirstName, Owner.Name FROM Task ORDER BY Id"
    first, second, third = tasks.query(query)
    base = "/services/data/v62.0/sobjects"
    assert first["What"] == {
        "attributes": {"type": "Name", "url": f"{base}/Account/{ACCOUNT}"},
        "Type": "Account",
    }
    assert (first["Who"]["Name"], first["Who"]["FirstName"]) == ("Ada Lovelace", "Ada")
    assert first["Owner"]["Name"] == "Uma User"
    assert (second["What"]["Type"], second["Who"], third["What"]) == ("Line__c", None, None)


def test_groups_and_bulk(tasks: Org) -> None:
    grouped = tasks.query("SELECT What.Type kind, COUNT(Id) n FROM Task GROUP BY What.Type")
    assert {row["kind"]: row["n"] for row in grouped} == {"Account": 1, "Line__c": 1, None: 1}
    text = tasks.csv("SELECT What.Type, Id, Owner.Type FROM Task WHERE Subject = 'call'")
    header, row = text.splitlines()
    assert header == '"What.Type","Id","Owner.Type"'
    assert (row.split(",")[0], row.split(",")[2]) == ('"Account"', '"User"')


@pytest.mark.parametrize("path", ["What.Amount__c", "Who.Email__c", "Owner.Department"])
def test_fields_that_a_name_has_not(tasks: Org, path: str) -> None:
    error = tasks.refused(f"SELECT {path} FROM Task")
    name = path.partition(".")[2]
    assert error["errorCode"] == "INVALID_FIELD"
    assert f"No such column '{name}' on entity 'Name'" in error["message"]


def test_a_relationship_to_users_alone_has_no_type(tasks: Org) -> None:
    assert (
        "No such column 'Type' on entity 'User'"
        in (tasks.refused("SELECT Owner.Type FROM Account")["message"])
    )


def test_describe_says_that_a_reference_is_polymorphic(tasks: Org) -> None:
    fields = tasks.http.get("/sobjects/Task/describe").json()["fields"]
    (what,) = (field for field in fields if field["name"] == "WhatId")
    assert (what["namePointing"], what["polymorphicForeignKey"]) == (True, True)
