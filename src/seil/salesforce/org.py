"""The client of a Salesforce org. All of SEIL's calls to Salesforce go through it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from seil.closing import Closing
from seil.errors import RejectError, UnavailableError
from seil.salesforce.allowance import ApiUsage, OrgLimits
from seil.salesforce.body import raw_body
from seil.salesforce.budget import Budget
from seil.salesforce.bulk import BulkQuery
from seil.salesforce.connection import OrgCall, OrgConnection
from seil.salesforce.faults import SERVICE
from seil.salesforce.schema import ObjectSchema, parse_describe
from seil.salesforce.session import Admit, Session, admit_any
from seil.salesforce.soql import literal, object_name, queried_object
from seil.salesforce.writes.collections import Collections
from seil.salesforce.writes.ingest import BulkIngest
from seil.salesforce.writes.retrieve import retrieve
from seil.salesforce.writes.rules import ObjectRules
from seil.settings import SalesforceSettings


@dataclass(frozen=True)
class SObjectInfo:
    name: str
    label: str
    queryable: bool
    custom: bool


@dataclass(frozen=True)
class Identity:
    """SEIL's user in the org; empty or None where this user may not see it."""

    org_id: str
    user_id: str
    username: str
    instance_url: str
    is_sandbox: bool | None


_ORGANIZATION = "SELECT Id, InstanceName, IsSandbox, TimeZoneSidKey FROM Organization LIMIT 1"


@dataclass(frozen=True)
class Organization:
    """`instance` as AUS32S; `time_zone` is the org's default, an IANA name."""

    id: str = ""
    instance: str = ""
    is_sandbox: bool | None = None
    time_zone: str = ""


@dataclass(frozen=True)
class DeletedRecord:
    id: str
    deleted_at: datetime


@dataclass(frozen=True)
class DeletedRecords:
    """The list is complete from `earliest_available` up to `latest_covered`, exclusive."""

    records: tuple[DeletedRecord, ...]
    earliest_available: datetime
    latest_covered: datetime


class Org(Closing):
    """One Salesforce org. Thread-safe; logs in on demand, and again when the session expires.

    `admit` is called with each new session, and raises to refuse an org.

    Every call may raise UnavailableError (after all retries), QuotaExhaustedError, LoginError and
    ConfigurationError; other errors are named at the methods.
    """

    def __init__(
        self,
        settings: SalesforceSettings,
        *,
        admit: Admit = admit_any,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = OrgConnection(settings, admit=admit, transport=transport, sleep=sleep)
        self._bulk = BulkQuery(self._connection, sleep)
        self._ingest = BulkIngest(self._connection, sleep)
        self._collections = Collections(self._connection)

    def close(self) -> None:
        self._bulk.close()
        self._connection.close()

    def login(self) -> Session:
        """Always a new session."""
        return self._connection.login()

    def session(self) -> Session:
        """The current session, for far ends that take the org's."""
        return self._connection.session()

    def renew_session(self, refused: Session) -> Session:
        """A session other than `refused`; concurrent callers log in once."""
        return self._connection.renew_session(refused)

    @property
    def login_url(self) -> str:
        return self._connection.settings.login_url

    @property
    def budget(self) -> Budget:
        """The remaining API calls, shared by everything that uses this org."""
        return self._connection.budget

    @property
    def usage(self) -> ApiUsage | None:
        """As of the last answer; None before the first."""
        return self._connection.budget.usage

    @property
    def bulk(self) -> BulkQuery:
        return self._bulk

    @property
    def ingest(self) -> BulkIngest:
        return self._ingest

    @property
    def collections(self) -> Collections:
        return self._collections

    def now(self) -> datetime:
        """The org's clock, in UTC, to the second."""
        # The limits resource is the cheapest call; its 404 variant carries a date as well.
        response = self._connection.send(OrgCall("GET", "limits", also=(404,), within_budget=False))
        date = response.headers.get("Date", "")
        try:
            return parsedate_to_datetime(date).astimezone(UTC)
        except ValueError as error:
            raise UnavailableError(SERVICE, f"the Date header is {date or 'missing'}") from error

    def identity(self) -> Identity:
        session = self._connection.session()
        user = self._userinfo()
        return Identity(
            org_id=user.get("organization_id") or session.org_id,
            user_id=user.get("user_id") or session.user_id,
            username=user.get("preferred_username") or self._connection.settings.username,
            instance_url=session.instance_url,
            is_sandbox=self.organization().is_sandbox,
        )

    def id(self) -> str:
        """The organization's id: usually from the login, without a call."""
        session = self._connection.session()
        return session.org_id or self._userinfo().get("organization_id") or self.organization().id

    def organization(self) -> Organization:
        """Fields are empty where this user may not read them."""
        try:
            row = next(self.query(_ORGANIZATION), {})
        except RejectError:
            row = {}
        return Organization(
            row.get("Id") or "",
            row.get("InstanceName") or "",
            row.get("IsSandbox"),
            row.get("TimeZoneSidKey") or "",
        )

    def newest_version(self) -> str:
        """The org's newest API version; empty where it lists none."""
        try:
            answer = self._connection.json(OrgCall("GET", "/services/data", within_budget=False))
        except RejectError:
            return ""
        entries = answer if isinstance(answer, list) else []
        versions = [str(entry["version"]) for entry in entries if entry.get("version")]
        return max(versions, key=float, default="")

    def objects(self) -> list[SObjectInfo]:
        answer = self._connection.json(OrgCall("GET", "sobjects"))
        return [
            SObjectInfo(
                name=entry["name"],
                label=entry.get("label") or entry["name"],
                queryable=bool(entry.get("queryable")),
                custom=bool(entry.get("custom")),
            )
            for entry in _member(answer, "sobjects")
        ]

    def describe(self, name: str) -> ObjectSchema:
        """Raises ObjectRejectedError where this user cannot see the object."""
        return parse_describe(self._describe(name))

    def write_rules(self, name: str) -> ObjectRules:
        """Raises ObjectRejectedError where this user cannot see the object."""
        return ObjectRules.parse(self._describe(name))

    def _describe(self, name: str) -> Any:
        path = f"sobjects/{object_name(name)}/describe"
        answer = self._connection.json(OrgCall("GET", path, about=name))
        _member(answer, "fields")
        return answer

    def retrieve(
        self, name: str, ids: Sequence[str], fields: Sequence[str]
    ) -> dict[str, dict[str, str | None]]:
        """At most 2,000 records by Id, as they are now: values as text; none for those not there.

        Raises ObjectRejectedError.
        """
        return retrieve(self._connection, name, ids, fields)

    @contextmanager
    def file_content(self, file_id: str) -> Iterator[Iterator[bytes]]:
        """Streams a file, by the id of its document or of a version, as it was uploaded.

        Raises RequestRejectedError where there is none, or this user may not read it.
        """
        call = OrgCall("GET", f"connect/files/{file_id}/content", accept="*/*")
        with self._connection.stream(call) as response:
            if response.headers.get("Content-Type", "").startswith("text/html"):
                raise UnavailableError(SERVICE, "the answer is a web page")
            yield raw_body(response)

    def limits(self) -> OrgLimits:
        response = self._connection.send(OrgCall("GET", "limits", also=(404,), within_budget=False))
        return OrgLimits.parse(response.json()) if response.is_success else OrgLimits()

    def query(self, soql: str, *, deleted: bool = False) -> Iterator[dict[str, Any]]:
        """Streams the records, without their `attributes`; decimals as Decimal.

        Raises ObjectRejectedError.
        """
        about = queried_object(soql)
        call = OrgCall("GET", "queryAll" if deleted else "query", {"q": soql}, about=about)
        while True:
            answer = self._connection.json(call)
            for record in _member(answer, "records"):
                yield {name: value for name, value in record.items() if name != "attributes"}
            if answer.get("done", True):
                return
            if not answer.get("nextRecordsUrl"):
                raise UnavailableError(
                    SERVICE,
                    "the result is incomplete: no nextRecordsUrl",
                )
            call = OrgCall("GET", answer["nextRecordsUrl"], about=about)

    def read_apex(self, path: str, body: Mapping[str, Any]) -> Any:
        """POSTs to an Apex REST service that changes nothing; `path` is below /services/apexrest/.

        Raises RequestRejectedError.
        """
        call = OrgCall("POST", f"/services/apexrest/{path}", body=body, idempotent=True)
        return self._connection.json(call)

    def count(self, name: str, where: str = "", *, deleted: bool = True) -> int:
        """The number of records that match `where`, by default with those in the recycle bin.

        Raises ObjectRejectedError.
        """
        clauses = ["SELECT COUNT() FROM", object_name(name)]
        soql = " ".join([*clauses, "WHERE", where] if where else clauses)
        call = OrgCall("GET", "queryAll" if deleted else "query", {"q": soql}, about=name)
        return int(_member(self._connection.json(call), "totalSize"))

    def list_deleted(self, name: str, start: datetime, end: datetime) -> DeletedRecords:
        """Records deleted in `[start, end)`, hard-deleted ones included; at most the last 15 days.

        Raises ObjectRejectedError.
        """
        params = {"start": literal(start), "end": literal(end)}
        path = f"sobjects/{object_name(name)}/deleted/"
        answer = self._connection.json(OrgCall("GET", path, params, about=name))
        return DeletedRecords(
            tuple(
                DeletedRecord(entry["id"], datetime.fromisoformat(entry["deletedDate"]))
                for entry in _member(answer, "deletedRecords")
            ),
            datetime.fromisoformat(_member(answer, "earliestDateAvailable")),
            datetime.fromisoformat(_member(answer, "latestDateCovered")),
        )

    def _userinfo(self) -> dict[str, Any]:
        """Empty without its own OAuth scope."""
        try:
            answer = self._connection.json(OrgCall("GET", "/services/oauth2/userinfo"))
        except RejectError:
            return {}
        return answer if isinstance(answer, dict) else {}


def _member(answer: Any, name: str) -> Any:
    """Raises UnavailableError where the answer lacks `name`."""
    if not isinstance(answer, dict) or name not in answer:
        raise UnavailableError(SERVICE, f"the answer has no {name}")
    return answer[name]
