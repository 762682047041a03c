"""What is cut off before or after its commit: done once, or said to be unknown; never twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.salesforce.conftest import DATA, FarEnd, Reply

from seil.errors import OutcomeUnknownError, RequestRejectedError
from seil.salesforce.connection import Call
from seil.salesforce.org import Org
from seil.sandbox.salesforce.faults import Fault
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.server import Server
from seil.sandbox.salesforce.store import OrgStore
from seil.settings import SalesforceSettings

THING = "Thing__c"
FIELDS = [
    SField.of("Id", "id"),
    SField.of("IsDeleted", "boolean", flags=("read_only",)),
    SField.of("Name", "string", flags=("name",)),
    SField.of("CreatedDate", "datetime", flags=("read_only",)),
    SField.of("SystemModstamp", "datetime", flags=("read_only",)),
    SField.of("Key__c", "string", flags=("external_id", "unique")),
    SField.of("Loose__c", "string", flags=("external_id",)),
]
SAYS_NOTHING_OF_IT = {
    "408": {"status": 408},
    "500": {"status": 500, "code": "UNKNOWN_EXCEPTION"},
    "502": {"status": 502, "html": "<html>Bad Gateway</html>"},
    "503 page": {"status": 503, "html": "<html>Service Unavailable</html>"},
    "504": {"status": 504},
    "closed": {"reset": "after"},
    "cut": {"cut": 9},
}
NAMES_NO_RECORD = SAYS_NOTHING_OF_IT | {
    "page of success": {"status": 200, "html": "<html>Welcome</html>"},
    "empty object": {"status": 201, "text": "{}"},
    "empty": {"status": 201, "text": ""},
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    OrgStore.create(tmp_path / "org", [SObject.of(THING, FIELDS)]).close()
    with Server(tmp_path / "org") as running:
        yield running


@pytest.fixture
def things(server: Server) -> Iterator[Org]:
    settings = SalesforceSettings(login_url=server.url, attempts=4)
    with Org(settings, sleep=lambda _: None) as opened:
        yield opened


def strike(server: Server, method: str, path: str, **action: Any) -> None:
    fault = {"method": method, "path": path, "times": 1, **action}
    server.faults.add(Fault.model_validate(fault))


def names(org: Org) -> list[str]:
    return [row["Name"] for row in org.query(f"SELECT Name FROM {THING}")]


@pytest.mark.parametrize("action", NAMES_NO_RECORD.values(), ids=NAMES_NO_RECORD)
def test_create_cut_off_after_its_commit_is_not_repeated(
    server: Server, things: Org, action: dict[str, Any]
) -> None:
    strike(server, "POST", f"/sobjects/{THING}", commit=True, **action)
    with pytest.raises(OutcomeUnknownError) as caught:
        things.create(THING, {"Name": "one", "Key__c": "private"})
    assert names(things) == ["one"]
    error = caught.value
    assert error.sent == f"a write to {THING}"
    soql = error.look.partition("(")[2].partition(")")[0]
    assert len(list(things.query(soql))) == 1
    assert "private" not in str(error)


@pytest.mark.parametrize("action", [{"status": 504}, {"reset": "before"}], ids=["504", "closed"])
def test_create_cut_off_before_its_commit_is_unknown_too(
    server: Server, things: Org, action: dict[str, Any]
) -> None:
    strike(server, "POST", f"/sobjects/{THING}", **action)
    with pytest.raises(OutcomeUnknownError, match="It was not sent again"):
        things.create(THING, {"Name": "one"})
    assert names(things) == []


@pytest.mark.parametrize(
    "action",
    [
        {"status": 503, "code": "SERVER_UNAVAILABLE"},
        {"status": 429, "code": "TOO_MANY_REQUESTS"},
        {"status": 420, "html": "<html>setting things up</html>"},
        {"status": 403, "code": "REQUEST_LIMIT_EXCEEDED", "message": "ConcurrentRequests Limit"},
        {"status": 400, "code": "UNABLE_TO_LOCK_ROW"},
        {"expire_session": True},
    ],
    ids=["503", "429", "edge", "concurrent", "locked", "session"],
)
def test_create_that_surely_was_not_done_is_repeated(
    server: Server, things: Org, action: dict[str, Any]
) -> None:
    strike(server, "POST", f"/sobjects/{THING}", **action)
    assert things.create(THING, {"Name": "one"})
    assert names(things) == ["one"]


@pytest.mark.parametrize("status", [500, 502, 504])
def test_login_that_fails_on_the_way_to_a_create_is_repeated(
    server: Server, things: Org, status: int
) -> None:
    strike(server, "POST", "/oauth2/token", status=status)
    things.create(THING, {"Name": "one"})
    assert names(things) == ["one"]


@pytest.mark.parametrize("action", NAMES_NO_RECORD.values(), ids=NAMES_NO_RECORD)
def test_upsert_by_a_unique_field_is_repeated(
    server: Server, things: Org, action: dict[str, Any]
) -> None:
    strike(server, "PATCH", f"/sobjects/{THING}/Key__c", commit=True, **action)
    things.upsert(THING, ("Key__c", "k"), {"Name": "one"})
    assert names(things) == ["one"]


def test_upsert_by_a_field_that_is_not_unique_is_not_repeated(server: Server, things: Org) -> None:
    strike(server, "PATCH", f"/sobjects/{THING}/Loose__c", commit=True, status=504)
    with pytest.raises(OutcomeUnknownError, match="Look for the record by its Loose__c"):
        things.upsert(THING, ("Loose__c", "k"), {"Name": "one"})
    assert names(things) == ["one"]


@pytest.mark.parametrize("action", SAYS_NOTHING_OF_IT.values(), ids=SAYS_NOTHING_OF_IT)
def test_update_and_delete_are_repeated(
    server: Server, things: Org, action: dict[str, Any]
) -> None:
    record = things.create(THING, {"Name": "one"})
    strike(server, "PATCH", f"/sobjects/{THING}/{record}", commit=True, **action)
    things.update(THING, record, {"Name": "two"})
    assert names(things) == ["two"]
    strike(server, "DELETE", f"/sobjects/{THING}/{record}", commit=True, **action)
    things.delete(THING, record)
    assert names(things) == []


@pytest.mark.parametrize("commit", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("action", SAYS_NOTHING_OF_IT.values(), ids=SAYS_NOTHING_OF_IT)
def test_query_job_is_created_once(
    server: Server, things: Org, action: dict[str, Any], commit: bool
) -> None:
    strike(server, "POST", "/jobs/query", commit=commit, **action)
    with pytest.raises(OutcomeUnknownError, match=r"POST jobs/query.*Bulk Data Load Jobs"):
        things.bulk.start(f"SELECT Id FROM {THING}")
    jobs = things._connection.json(Call("GET", "jobs/query"))["records"]
    assert len(jobs) <= 1


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_call_has_to_say_whether_it_is_idempotent(method: str) -> None:
    with pytest.raises(ValueError, match="has to say whether it is idempotent"):
        Call(method, "sobjects/Lead")


def test_write_follows_no_redirect(far: FarEnd, org: Org) -> None:
    away = Reply(307, b"", {"Location": f"{far.url}/elsewhere"})
    far.on("POST", f"{DATA}/sobjects/Lead/", away)
    with pytest.raises(RequestRejectedError, match="HTTP_307: it redirects to 127"):
        org.create("Lead", {"LastName": "x"})
    assert "/elsewhere" not in far.paths("POST")
