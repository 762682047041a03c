"""Current values of records by Id, up to 2,000 per call.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections_retrieve.htm
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seil.errors import UnavailableError
from seil.salesforce.connection import OrgCall, OrgConnection
from seil.salesforce.faults import SERVICE
from seil.salesforce.ids import full_id
from seil.salesforce.soql import object_name
from seil.salesforce.texts import text_of

MOST_RETRIEVED = 2_000


def retrieve(
    connection: OrgConnection, name: str, ids: Sequence[str], fields: Sequence[str]
) -> dict[str, dict[str, str | None]]:
    """Values as text, by 18-character Id; records that do not exist are omitted."""
    body: Mapping[str, Any] = {"ids": list(ids), "fields": list(fields)}
    path = f"composite/sobjects/{object_name(name)}"
    call = OrgCall("POST", path, body=body, about=name, idempotent=True)
    answer = connection.json(call)
    if not isinstance(answer, list) or len(answer) != len(ids):
        raise UnavailableError(SERVICE, f"the answer does not have {len(ids)} records")
    return {
        full_id(record_id) or record_id: {field: text_of(record.get(field)) for field in fields}
        for record_id, record in zip(ids, answer, strict=True)
        if record
    }
