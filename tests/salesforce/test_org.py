from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from tests.salesforce.conftest import DATA, FarEnd, Reply, Request, errors

from seil.errors import ObjectRejectedError, UnavailableError
from seil.salesforce.allowance import Allowance, OrgLimits
from seil.salesforce.org import (
    DeletedRecord,
    DeletedRecords,
    Identity,
    Org,
    SObjectInfo,
)
from seil.settings import SalesforceSettings

NOT_FOUND = Reply(404, errors("NOT_FOUND", "The requested resource does not exist"))
START, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)


def test_objects(far: FarEnd, org: Org) -> None:
    lead = {"name": "Lead", "label": "A lead", "queryable": True, "custom": False}
    bare = {"name": "Odd__c", "custom": True}
    far.on("GET", f"{DATA}/sobjects", Reply(body={"encoding": "UTF-8", "sobjects": [lead, bare]}))
    assert org.objects() == [
        SObjectInfo("Lead", "A lead", queryable=True, custom=False),
        SObjectInfo("Odd__c", "Odd__c", queryable=False, custom=True),
    ]


def test_describe(far: FarEnd, org: Org) -> None:
    fields = [
        {"name": "Id", "type": "id"},
        {"name": "BillingAddress", "type": "address"},
        {"name": "Amount", "type": "currency", "precision": 18, "scale": 2},
    ]
    far.on("GET", f"{DATA}/sobjects/Lead/describe", Reply(body={"name": "Lead", "fields": fields}))
    schema = org.describe("Lead")
    assert schema.arrow.names == ["Id", "Amount"]
    assert schema.arrow.types == [pa.string(), pa.decimal128(18, 2)]
    assert schema.left_out == {"BillingAddress": "compound field; its components are read"}


def test_describe_of_nothing(far: FarEnd, org: Org) -> None:
    far.on("GET", f"{DATA}/sobjects/Leed/describe", NOT_FOUND)
    with pytest.raises(ObjectRejectedError, match=r"Leed: NOT_FOUND: .* Check the spelling"):
        org.describe("Leed")


@pytest.mark.parametrize("name", ["", "a b", "Lead/describe", "../limits", "Lead'--", "9x"])
def test_names_that_no_object_has(far: FarEnd, org: Org, name: str) -> None:
    for call in (org.describe, org.count):
        with pytest.raises(ObjectRejectedError, match="is not an API name"):
            call(name)
    assert far.requests == []


def test_limits(far: FarEnd, org: Org) -> None:
    answer = {"DailyApiRequests": {"Max": 5000, "Remaining": 4937}, "Odd": 3, "Other": {"Max": 1}}
    far.on("GET", f"{DATA}/limits", Reply(body=answer))
    limits = org.limits()
    assert limits.get("DailyApiRequests") == Allowance(5000, 4937)
    assert limits.get("Other") is None


def test_limits_where_there_are_none(far: FarEnd, org: Org) -> None:
    far.on("GET", f"{DATA}/limits", NOT_FOUND, Reply(body=[]))
    assert org.limits() == OrgLimits()
    assert org.limits() == OrgLimits()


def test_now_is_the_org_s_clock(far: FarEnd, org: Org) -> None:
    date = {"Date": "Mon, 23 Nov 2026 06:00:17 GMT"}
    far.on("GET", f"{DATA}/limits", Reply(body={}, headers=date), Reply(404, headers=date))
    assert org.now() == org.now() == datetime(2026, 11, 23, 6, 0, 17, tzinfo=UTC)


@pytest.mark.parametrize(("headers", "reason"), [({}, "missing"), ({"Date": "now"}, "now")])
def test_now_without_a_date(far: FarEnd, org: Org, headers: dict[str, str], reason: str) -> None:
    far.on("GET", f"{DATA}/limits", Reply(body={}, headers=headers))
    with pytest.raises(UnavailableError, match=f"the Date header is {reason}"):
        org.now()


def test_query_follows_the_pages(far: FarEnd, org: Org) -> None:
    def record(number: int) -> dict[str, Any]:
        return {"attributes": {"type": "Lead", "url": "/x"}, "Id": str(number), "Rate": 0.1}

    first = {"totalSize": 3, "done": False, "records": [record(1), record(2)]}
    path = f"{DATA}/query/01gxx-2000"
    far.on("GET", f"{DATA}/query", Reply(body=first | {"nextRecordsUrl": path}))
    far.on("GET", path, Reply(body={"totalSize": 3, "done": True, "records": [record(3)]}))
    got = list(org.query("SELECT Id, Rate FROM Lead WHERE Name = 'A + B & C'"))
    assert got == [{"Id": str(n), "Rate": Decimal("0.1")} for n in (1, 2, 3)]
    queries = [r.params for r in far.requests if r.method == "GET"]
    assert queries == [{"q": "SELECT Id, Rate FROM Lead WHERE Name = 'A + B & C'"}, {}]


@pytest.mark.parametrize(("deleted", "resource"), [(False, "query"), (True, "queryAll")])
def test_query_with_deleted_records(far: FarEnd, org: Org, deleted: bool, resource: str) -> None:
    far.on("GET", f"{DATA}/{resource}", Reply(body={"done": True, "records": [{"Id": "1"}]}))
    assert list(org.query("SELECT Id FROM Lead", deleted=deleted)) == [{"Id": "1"}]


def test_query_that_stops_short(far: FarEnd, org: Org) -> None:
    cut = {"totalSize": 9, "done": False, "records": [{"Id": "1"}], "nextRecordsUrl": None}
    far.on("GET", f"{DATA}/query", Reply(body=cut))
    with pytest.raises(UnavailableError, match="the result is incomplete"):
        list(org.query("SELECT Id FROM Lead"))


def test_query_refused_names_the_object(far: FarEnd, org: Org) -> None:
    far.on("GET", f"{DATA}/query", Reply(400, errors("INVALID_FIELD", "No such column 'x'")))
    with pytest.raises(ObjectRejectedError, match="Lead: INVALID_FIELD"):
        list(org.query("select x from Lead"))


@pytest.mark.parametrize(
    ("where", "deleted", "resource", "soql"),
    [
        ("", True, "queryAll", "SELECT COUNT() FROM Lead"),
        ("Name = 'x'", False, "query", "SELECT COUNT() FROM Lead WHERE Name = 'x'"),
    ],
)
def test_count(far: FarEnd, org: Org, where: str, deleted: bool, resource: str, soql: str) -> None:
    def answer(request: Request) -> Reply:
        size = 42 if request.params == {"q": soql} else 0
        return Reply(body={"totalSize": size, "done": True, "records": []})

    far.on("GET", f"{DATA}/{resource}", answer)
    assert org.count("Lead", where, deleted=deleted) == 42


def test_deleted(far: FarEnd, org: Org) -> None:
    answer = {
        "deletedRecords": [{"id": "00Q1", "deletedDate": "2026-11-01T10:00:00.000+0000"}],
        "earliestDateAvailable": "2026-10-20T00:00:00.000+0000",
        "latestDateCovered": "2026-11-01T23:59:00.000+0000",
    }
    far.on("GET", f"{DATA}/sobjects/Lead/deleted/", Reply(body=answer))
    assert org.list_deleted("Lead", START, END) == DeletedRecords(
        (DeletedRecord("00Q1", datetime(2026, 11, 1, 10, tzinfo=UTC)),),
        datetime(2026, 10, 20, tzinfo=UTC),
        datetime(2026, 11, 1, 23, 59, tzinfo=UTC),
    )
    assert far.requests[-1].params == {
        "start": "2026-11-01T00:00:00.000Z",
        "end": "2026-11-02T00:00:00.000Z",
    }


def test_identity(far: FarEnd, org: Org) -> None:
    user = {"organization_id": "00D1", "user_id": "0051", "preferred_username": "etl@example.com"}
    sandbox = {"done": True, "records": [{"IsSandbox": True}]}
    far.on("GET", "/services/oauth2/userinfo", Reply(body=user))
    far.on("GET", f"{DATA}/query", Reply(body=sandbox))
    assert org.identity() == Identity("00D1", "0051", "etl@example.com", far.url, is_sandbox=True)


def test_identity_with_what_the_org_answers(far: FarEnd, org: Org) -> None:
    far.on("GET", "/services/oauth2/userinfo", NOT_FOUND)
    far.on("GET", f"{DATA}/query", Reply(400, errors("INVALID_TYPE", "no Organization")))
    assert org.identity() == Identity(
        "00Dxx0000001gPLEAY", "005xx000001SwiUAAS", "", far.url, is_sandbox=None
    )


def test_everything_follows_the_instance(far: FarEnd, settings: SalesforceSettings) -> None:
    port = far.url.rpartition(":")[2]
    elsewhere = settings.model_copy(update={"login_url": f"http://localhost:{port}"})
    far.on("GET", f"{DATA}/sobjects", Reply(body={"sobjects": []}))
    with Org(elsewhere) as org:
        org.objects()
    hosts = [r.headers["Host"] for r in far.requests]
    assert hosts == [f"localhost:{port}", f"127.0.0.1:{port}"]
