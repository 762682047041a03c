"""A stand-in org with ad orders, and the Ad Manager network that delivers them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
from tests.limits import HANGS

from seil.salesforce.org import Org
from seil.sandbox.admanager.server import AdManagerServer
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.server import OrgServer
from seil.sandbox.salesforce.store import OrgStore
from seil.secret import Secret
from seil.settings import AdManagerSettings, SalesforceSettings

_SYSTEM = (
    SField.of("Id", "id"),
    SField.of("IsDeleted", "boolean", flags=("read_only",)),
    SField.of("SystemModstamp", "datetime", flags=("read_only",)),
)
_OBJECTS = {
    "Order": (
        SField.of("SWM_GAMOrderId__c", "string"),
        SField.of("SWM_GAMUpdate_After_Complete__c", "double"),
        SField.of("vlocity_cmt__FulfilmentStatus__c", "string"),
        SField.of("SWM_GAMProposalId__c", "string"),
        SField.of("SWM_GAMProposalStatus__c", "string"),
    ),
    "AdOrderItem": (
        SField.of("AdServerOrderLineIdentifier", "string"),
        SField.of("Production_System__c", "string"),
        SField.of("SWM_Status__c", "string"),
    ),
    "Usage__c": (
        SField.of("GAM_LineItemID__c", "string"),
        SField.of("Usage_Date__c", "date"),
        SField.of("Ad_Impression__c", "double", precision=18, scale=0),
        SField.of("Ad_Clicks__c", "double", precision=18, scale=0),
    ),
}


def make_org(
    folder: Path,
    records: Mapping[str, Iterable[Mapping[str, Any]]],
    *,
    statuses: Iterable[str] = (),
) -> Path:
    """`records` by object; a record without an Id gets one. `statuses` are the values of a line
    item's status, if it is a restricted picklist.
    """
    described = dict(_OBJECTS)
    if statuses:
        picklist = SField.of("SWM_Status__c", "picklist", values=statuses)
        restricted = SField({**picklist.raw, "restrictedPicklist": True})
        described["AdOrderItem"] = (*described["AdOrderItem"][:-1], restricted)
    objects = [SObject.of(name, (*_SYSTEM, *fields)) for name, fields in described.items()]
    with closing(OrgStore.create(folder, objects)) as store:
        for name, rows in records.items():
            prefix = store.object(name).key_prefix
            with store.write() as cursor:
                for number, row in enumerate(rows, 1):
                    values = {"Id": ad_id(prefix, number), "IsDeleted": False, **row}
                    columns = ", ".join(f'"{column}"' for column in values)
                    marks = ", ".join("?" for _ in values)
                    cursor.execute(
                        f'INSERT INTO main."{name}" ({columns}, "SystemModstamp")'
                        f" VALUES ({marks}, TIMESTAMP '2026-01-01')",
                        list(values.values()),
                    )
    return folder


def ad_id(prefix: str, number: int) -> str:
    from seil.sandbox.salesforce.record_ids import record_id

    return record_id(prefix, number)


def client(server: OrgServer) -> Org:
    return Org(SalesforceSettings(login_url=server.url, attempts=2), sleep=_no_sleep)


def network_settings(server: AdManagerServer, wsdl_cache: Path) -> AdManagerSettings:
    return AdManagerSettings(
        network_code=server.network_code,
        endpoint=server.url,
        soap_endpoint=server.url,
        service_account_key=Secret(f"file:{server.service_account_key}"),
        wsdl_cache=wsdl_cache,
    )


def book(server: AdManagerServer, **bookings: Any) -> None:
    answer = httpx.post(f"{server.url}/sandbox/bookings", json=bookings, timeout=HANGS)
    answer.raise_for_status()


def _no_sleep(_seconds: float) -> None: ...
