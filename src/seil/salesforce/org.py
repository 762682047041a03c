"""The org: all that SEIL asks of Salesforce, and the only way it asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

import httpx

from seil.errors import RejectError, UnavailableError
from seil.salesforce.allowance import ApiUsage, OrgLimits
from seil.salesforce.budget import Budget
from seil.salesforce.bulk import BulkQuery
from seil.salesforce.connection import OrgCall, OrgConnection
from seil.salesforce.faults import SERVICE
from seil.salesforce.schema import ObjectSchema, described_schema
from seil.salesforce.session import Admit, Session, admit_any
from seil.salesforce.soql import literal, object_name, queried_object
from seil.settings import SalesforceSettings


@dataclass(frozen=True)
class SObjectInfo:
    name: str
    label: str
    queryable: bool
    custom: bool


@dataclass(frozen=True)
class Identity:
    """Who SEIL is in the org; empty or None where the org does not tell this user."""

    org_id: str
    user_id: str
    username: str
    instance_url: str
    is_sandbox: bool | None


_ORGANIZATION = "SELECT Id, InstanceName, IsSandbox, TimeZoneSidKey FROM Organization LIMIT 1"


@dataclass(frozen=True)
class Organization:
    """`instance` such as AUS32S, `time_zone` by its IANA name: the org's default."""

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


@dataclass(frozen=True)
class UpdatedRecords:
    ids: tuple[str, ...]
    latest_covered: datetime


class Org:
    """One Salesforce org. Thread-safe; logs in by itself, and again when the session expires.

    `admit` sees each session before it is used, and raises for an org that is not wanted.

    Every call may raise UnavailableError (tried often enough), QuotaExhaustedError, LoginError and
    ConfigurationError; others are named where they can occur.
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._bulk.close()
        self._connection.close()

    def login(self) -> Session:
        """Logs in anew, whatever session there is."""
        return self._connection.login()

    @property
    def login_url(self) -> str:
        return self._connection.settings.login_url

    @property
    def budget(self) -> Budget:
        """What may still be called; shared by all that is done with this org."""
        return self._connection.budget

    @property
    def usage(self) -> ApiUsage | None:
        """As of the last answer that said; None before."""
        return self._connection.budget.usage

    @property
    def bulk(self) -> BulkQuery:
        return self._bulk

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
        """The organization's id: the login tells it, no call is made for it in the usual case."""
        session = self._connection.session()
        return session.org_id or self._userinfo().get("organization_id") or self.organization().id

    def organization(self) -> Organization:
        """What the org says of itself; fields are empty where this user may not read them."""
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
        """Of the API versions that the org speaks; empty where it does not say."""
        try:
            spoken = self._connection.json(OrgCall("GET", "/services/data", within_budget=False))
        except RejectError:
            return ""
        listed = spoken if isinstance(spoken, list) else []
        versions = [str(entry["version"]) for entry in listed if entry.get("version")]
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
        """Raises ObjectRejectedError when this user sees no such object."""
        path = f"sobjects/{object_name(name)}/describe"
        answer = self._connection.json(OrgCall("GET", path, about=name))
        _member(answer, "fields")
        return described_schema(answer)

    def limits(self) -> OrgLimits:
        response = self._connection.send(OrgCall("GET", "limits", also=(404,), within_budget=False))
        return OrgLimits.parse(response.json()) if response.is_success else OrgLimits()

    def query(self, soql: str, *, deleted: bool = False) -> Iterator[dict[str, Any]]:
        """The records, without their `attributes`; numbers with a point are Decimal.

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
                raise UnavailableError(SERVICE, "the answer ends before the query's result does")
            call = OrgCall("GET", answer["nextRecordsUrl"], about=about)

    def count(self, name: str, where: str = "", *, deleted: bool = True) -> int:
        """Records that meet `where`, by default those in the recycle bin included.

        Raises ObjectRejectedError.
        """
        clauses = ["SELECT COUNT() FROM", object_name(name)]
        soql = " ".join([*clauses, "WHERE", where] if where else clauses)
        call = OrgCall("GET", "queryAll" if deleted else "query", {"q": soql}, about=name)
        return int(_member(self._connection.json(call), "totalSize"))

    def list_deleted(self, name: str, start: datetime, end: datetime) -> DeletedRecords:
        """What was deleted, for good or not, in `[start, end)`: at most the last 15 days.

        Raises ObjectRejectedError.
        """
        answer = self._list_replication(name, "deleted", start, end)
        return DeletedRecords(
            tuple(
                DeletedRecord(entry["id"], datetime.fromisoformat(entry["deletedDate"]))
                for entry in _member(answer, "deletedRecords")
            ),
            datetime.fromisoformat(_member(answer, "earliestDateAvailable")),
            datetime.fromisoformat(_member(answer, "latestDateCovered")),
        )

    def list_updated(self, name: str, start: datetime, end: datetime) -> UpdatedRecords:
        """What was created or changed in `[start, end)`. Raises ObjectRejectedError."""
        answer = self._list_replication(name, "updated", start, end)
        latest = datetime.fromisoformat(_member(answer, "latestDateCovered"))
        return UpdatedRecords(tuple(_member(answer, "ids")), latest)

    def _list_replication(self, name: str, kind: str, start: datetime, end: datetime) -> Any:
        params = {"start": literal(start), "end": literal(end)}
        path = f"sobjects/{object_name(name)}/{kind}/"
        return self._connection.json(OrgCall("GET", path, params, about=name))

    def _userinfo(self) -> dict[str, Any]:
        """Needs a scope of its own, which the connected app may not have."""
        try:
            answer = self._connection.json(OrgCall("GET", "/services/oauth2/userinfo"))
        except RejectError:
            return {}
        return answer if isinstance(answer, dict) else {}


def _member(answer: Any, name: str) -> Any:
    """Raises UnavailableError when the answer is not the kind that was asked for."""
    if not isinstance(answer, dict) or name not in answer:
        raise UnavailableError(SERVICE, f"the answer has no {name}")
    return answer[name]
