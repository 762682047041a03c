"""Bookings: the one object of a small stand-in org that rows are written into."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from seil.salesforce.org import Org
from seil.salesforce.writes.writer import WriterOptions
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.server import OrgServer
from seil.sandbox.salesforce.store import OrgStore
from seil.settings import SalesforceSettings

NAME = "Booking__c"
FIELDS = [
    SField.of("Id", "id"),
    SField.of("IsDeleted", "boolean", flags=("read_only",)),
    SField.of("Name", "string", flags=("name",)),
    SField.of("CreatedDate", "datetime", flags=("read_only",)),
    SField.of("LastModifiedDate", "datetime", flags=("read_only",)),
    SField.of("SystemModstamp", "datetime", flags=("read_only",)),
    SField.of("Key__c", "string", flags=("external_id", "unique")),
    SField.of("Number__c", "string"),
    SField.of("Note__c", "textarea"),
    SField.of("Amount__c", "currency", precision=18, scale=2),
    SField.of("Flag__c", "boolean"),
    SField(
        {
            **SField.of("Stage__c", "picklist", values=["Open", "Closed"]).raw,
            "restrictedPicklist": True,
        }
    ),
]
ROWS = 30


def make_org(folder: Path) -> Path:
    OrgStore.create(folder, [SObject.of(NAME, FIELDS)]).close()
    return folder


def client(server: OrgServer) -> Org:
    return Org(SalesforceSettings(login_url=server.url, attempts=3), sleep=_no_sleep)


def bookings(rows: int, *, prefix: str = "k", **columns: str | None) -> pa.Table:
    keys = [f"{prefix}{number:05d}" for number in range(rows)]
    values = {"Name": "B", "Note__c": "old", "Amount__c": "10.25", "Flag__c": "false"} | columns
    cells = {name: pa.array([value] * rows, pa.string()) for name, value in values.items()}
    return pa.table({"Key__c": keys, "Number__c": keys, **cells})


def by_job(**options: float) -> WriterOptions:
    return WriterOptions(**{"crossover": 0, "poll": 0.05, "pause": 0} | options)  # type: ignore[arg-type]


def _no_sleep(_seconds: float) -> None: ...
