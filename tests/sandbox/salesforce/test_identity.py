from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.limits import HANGS
from tests.sandbox.salesforce.conftest import Org, login

from seil.sandbox.salesforce.options import OrgOptions
from seil.sandbox.salesforce.server import OrgServer

CLIENT = {"client_id": "seil-sandbox", "client_secret": "sandbox-secret"}
ORG_ID, USER_ID = "00D5g0000000001EAA", "0055g0000000001AAA"


@pytest.fixture(scope="module")
def generated_org(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Org]:
    folder = shutil.copytree(generated, tmp_path_factory.mktemp("identity") / "org")
    with OrgServer(Path(folder)) as server:
        org = Org.of(server)
        yield org
        org.http.close()


def _token(org: Org) -> str:
    return org.http.headers["Authorization"].removeprefix("Bearer ")


def test_the_identity_url_of_a_login_answers(shared: Org) -> None:
    granted = login(shared.server)
    assert urlsplit(granted["id"]).netloc == urlsplit(shared.server.url).netloc
    answer = shared.http.get(granted["id"]).json()
    assert answer["id"] == granted["id"]
    assert (answer["user_id"], answer["organization_id"]) == (USER_ID, ORG_ID)
    assert answer["asserted_user"] is True
    assert answer["urls"]["rest"] == f"{shared.server.url}/services/data/v{{version}}/"


def test_the_token_may_stand_in_the_address(shared: Org) -> None:
    url = login(shared.server)["id"]
    answer = httpx.get(
        url, params={"oauth_token": _token(shared), "version": "62.0"}, timeout=HANGS
    )
    assert answer.json()["urls"]["query"] == f"{shared.server.url}/services/data/v62.0/query/"


@pytest.mark.parametrize(
    ("path", "headers", "status", "text"),
    [
        pytest.param(f"{ORG_ID}/{USER_ID}", {}, 403, "Missing_OAuth_Token", id="no token"),
        pytest.param(
            f"{ORG_ID}/{USER_ID}",
            {"Authorization": "Bearer x"},
            403,
            "Bad_OAuth_Token",
            id="bad token",
        ),
        pytest.param(f"00D5g0000000009EAA/{USER_ID}", None, 403, "Wrong_Org", id="other org"),
        pytest.param(f"{ORG_ID}/0055g0000000009AAA", None, 404, "Bad_Id", id="nobody"),
    ],
)
def test_what_is_no_identity(
    shared: Org, path: str, headers: dict[str, str] | None, status: int, text: str
) -> None:
    if headers is None:
        headers = {"Authorization": f"Bearer {_token(shared)}"}
    answer = httpx.get(f"{shared.server.url}/id/{path}", headers=headers, timeout=HANGS)
    assert (answer.status_code, answer.text) == (status, text)


def test_userinfo_agrees_with_the_user_record(generated_org: Org) -> None:
    info = generated_org.http.get(f"{generated_org.server.url}/services/oauth2/userinfo").json()
    fields = "Name, FirstName, LastName, Username, Email, IsActive, TimeZoneSidKey, LocaleSidKey"
    select = f"SELECT {fields} FROM User WHERE Id = '{info['user_id']}'"
    (user,) = generated_org.query(select)
    facts = {
        "Name": info["name"],
        "FirstName": info["given_name"],
        "LastName": info["family_name"],
        "Username": info["preferred_username"],
        "Email": info["email"],
        "IsActive": info["active"],
        "TimeZoneSidKey": info["zoneinfo"],
        "LocaleSidKey": info["locale"],
    }
    assert {name: user[name] for name in facts} == facts
    assert info["preferred_username"] == OrgOptions().credentials.username
    assert info["sub"] == login(generated_org.server)["id"]


def _introspect(org: Org, **form: str) -> httpx.Response:
    return httpx.post(f"{org.server.url}/services/oauth2/introspect", data=form, timeout=HANGS)


def test_a_session_is_introspected(shared: Org) -> None:
    answer = _introspect(shared, token=_token(shared), **CLIENT).json()
    assert answer["active"] is True
    assert answer["client_id"] == "seil-sandbox"
    assert answer["token_type"] == "access_token"
    assert answer["exp"] - answer["iat"] == OrgOptions().token_lifetime
    assert answer["iat"] <= time.time() < answer["exp"]


def test_a_refresh_token_does_not_end(shared: Org) -> None:
    answer = _introspect(
        shared, token="sandbox-refresh-token", token_type_hint="refresh_token", **CLIENT
    ).json()
    assert (answer["active"], answer["token_type"]) == (True, "refresh_token")
    assert "exp" not in answer


def test_introspection_of_nothing_and_by_nobody(shared: Org) -> None:
    assert _introspect(shared, token="x", **CLIENT).json() == {"active": False}
    refused = _introspect(shared, token=_token(shared), client_id="seil-sandbox")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_client")


def _advertised(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _advertised(each)
    elif isinstance(value, str) and (value.startswith("http") or "/services/" in value):
        yield value


def _addresses(org: Org, path: str) -> set[str]:
    answer = org.http.get(f"{org.server.url}{path}").json()
    document = (
        answer if isinstance(answer, dict) else {str(n): each for n, each in enumerate(answer)}
    )
    return {
        address.replace("{version}", "62.0").replace("{ID}", "0015g0000000001AAA")
        for address in _advertised(document)
    }


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/services/oauth2/userinfo", id="userinfo"),
        pytest.param(f"/id/{ORG_ID}/{USER_ID}", id="identity"),
        pytest.param("/services/data", id="versions"),
        pytest.param("/services/data/v62.0", id="resources"),
        pytest.param("/services/data/v62.0/jobs", id="jobs"),
        pytest.param("/services/data/v62.0/composite", id="composite"),
        pytest.param("/services/data/v62.0/sobjects/Account/describe", id="describe"),
    ],
)
def test_addresses_that_are_named_answer(shared: Org, path: str) -> None:
    """With anything but 404; some want parameters or another method."""
    addresses = _addresses(shared, path)
    assert addresses
    for address in addresses:
        url = address if address.startswith("http") else f"{shared.server.url}{address}"
        assert shared.http.get(url).status_code != 404, address


def test_the_versions_resources_name_the_identity(shared: Org) -> None:
    resources = shared.http.get(f"{shared.server.url}/services/data/v62.0").json()
    assert resources["identity"] == f"{shared.server.url}/id/{ORG_ID}/{USER_ID}"


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        pytest.param("application/json", '{"exceptionCode":"FeatureNotEnabled"', id="json"),
        pytest.param(
            "application/xml", "<exceptionCode>FeatureNotEnabled</exceptionCode>", id="xml"
        ),
    ],
)
def test_bulk_v1_is_refused_as_an_org_without_it_does(
    shared: Org, content_type: str, expected: str
) -> None:
    answer = httpx.post(
        f"{shared.server.url}/services/async/62.0/job",
        content=b"{}",
        headers={"X-SFDC-Session": _token(shared), "Content-Type": content_type},
        timeout=HANGS,
    )
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == content_type
    assert expected in answer.text.replace('": "', '":"')
    assert "Async API not enabled" in answer.text


def test_bulk_v1_requires_a_session_first(shared: Org) -> None:
    answer = httpx.post(
        f"{shared.server.url}/services/async/62.0/job",
        json={},
        headers={"Content-Type": "application/json"},
        timeout=HANGS,
    )
    assert (answer.status_code, answer.json()["exceptionCode"]) == (400, "InvalidSessionId")
