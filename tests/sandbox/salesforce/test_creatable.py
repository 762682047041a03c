"""Every object of a generated org takes a record of what its describe calls required."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox.salesforce.conftest import Org

from seil.sandbox.salesforce.blueprint import traits
from seil.sandbox.salesforce.server import OrgServer

USER = "0055g0000000001AAA"
_SAMPLES: Mapping[str, Any] = {
    "boolean": True,
    "int": 1,
    "double": 1.5,
    "currency": 1.5,
    "percent": 1.5,
    "date": "2026-01-31",
    "datetime": "2026-01-31T00:00:00.000Z",
    "email": "someone@example.com",
}


@pytest.fixture(scope="module")
def served_org(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Org]:
    folder = shutil.copytree(generated, tmp_path_factory.mktemp("created") / "org")
    with OrgServer(Path(folder)) as server:
        org = Org.of(server)
        yield org
        org.http.close()


def _described(org: Org, name: str) -> dict[str, Any]:
    return dict(org.http.get(f"/sobjects/{name}/describe").json())


def _required(org: Org, name: str) -> dict[str, Any]:
    return {
        field["name"]: _sample(org, field)
        for field in _described(org, name)["fields"]
        if field["createable"] and not field["nillable"] and not field["defaultedOnCreate"]
    }


def _sample(org: Org, field: Mapping[str, Any]) -> Any:
    if field["type"] == "reference":
        (target,) = field["referenceTo"]
        return org.query(f"SELECT Id FROM {target} LIMIT 1")[0]["Id"]
    if field["picklistValues"]:
        return field["picklistValues"][0]["value"]
    return _SAMPLES.get(field["type"], "new")


@pytest.mark.parametrize("name", [n for n, entry in traits().items() if entry.createable])
def test_what_is_required_is_enough(served_org: Org, name: str) -> None:
    answer = served_org.http.post(f"/sobjects/{name}", json=_required(served_org, name))
    assert answer.status_code == 201, answer.text
    record = served_org.http.get(f"/sobjects/{name}/{answer.json()['id']}").json()
    stamps = ("OwnerId", "CreatedById", "LastModifiedById")
    assert {record[field] for field in stamps if field in record} <= {USER}


def test_an_account_needs_its_name_alone(served_org: Org) -> None:
    assert _required(served_org, "Account") == {"Name": "new"}


def test_the_organization_takes_no_second_and_has_no_namespace(served_org: Org) -> None:
    assert _described(served_org, "Organization")["createable"] is False
    (error,) = served_org.http.post("/sobjects/Organization", json={"Name": "x"}).json()
    assert error["errorCode"] == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
    rows = served_org.query("SELECT NamespacePrefix FROM Organization")
    assert rows == [{"NamespacePrefix": None}]
