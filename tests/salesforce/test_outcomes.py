"""What is cut off before or after its commit: done once, or said to be unknown; never twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.salesforce.conftest import DATA, FarEnd, Reply

from seil.errors import OutcomeUnknownError, RejectError
from seil.salesforce.connection import OrgCall
from seil.salesforce.org import Org
from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.server import OrgServer
from seil.sandbox.salesforce.store import OrgStore
from seil.settings import SalesforceSettings

THING = "Thing__c"
FIELDS = [
    SField.of("Id", "id"),
    SField.of("IsDeleted", "boolean", flags=("read_only",)),
    SField.of("Name", "string", flags=("name",)),
    SField.of("SystemModstamp", "datetime", flags=("read_only",)),
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


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OrgServer]:
    OrgStore.create(tmp_path / "org", [SObject.of(THING, FIELDS)]).close()
    with OrgServer(tmp_path / "org") as running:
        yield running


@pytest.fixture
def things(server: OrgServer) -> Iterator[Org]:
    settings = SalesforceSettings(login_url=server.url, attempts=4)
    with Org(settings, sleep=lambda _: None) as opened:
        yield opened


def strike(server: OrgServer, method: str, path: str, **action: Any) -> None:
    fault = {"method": method, "path": path, "times": 1, **action}
    server.faults.add(OrgFault.model_validate(fault))


@pytest.mark.parametrize("commit", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("action", SAYS_NOTHING_OF_IT.values(), ids=SAYS_NOTHING_OF_IT)
def test_query_job_is_created_once(
    server: OrgServer, things: Org, action: dict[str, Any], commit: bool
) -> None:
    strike(server, "POST", "/jobs/query", commit=commit, **action)
    with pytest.raises(OutcomeUnknownError, match=r"POST jobs/query.*Bulk Data Load Jobs"):
        things.bulk.start(f"SELECT Id FROM {THING}")
    jobs = things._connection.json(OrgCall("GET", "jobs/query"))["records"]
    assert len(jobs) <= 1


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_call_has_to_say_whether_it_is_idempotent(method: str) -> None:
    with pytest.raises(ValueError, match="has to set idempotent"):
        OrgCall(method, "sobjects/Lead")


def test_write_follows_no_redirect(far: FarEnd, org: Org) -> None:
    away = Reply(307, b"", {"Location": f"{far.url}/elsewhere"})
    far.on("POST", f"{DATA}/jobs/query", away)
    with pytest.raises(RejectError, match="HTTP_307: it redirects to 127"):
        org.bulk.start("SELECT Id FROM Lead")
    assert "/elsewhere" not in far.paths("POST")
