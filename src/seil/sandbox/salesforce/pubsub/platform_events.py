"""The org's platform events: their topics, and publishing one over REST."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from seil.sandbox.salesforce.billing import BillingExtract
from seil.sandbox.salesforce.errors import OrgApiError
from seil.sandbox.salesforce.messages import OrgReply, OrgRequest, OrgRoute
from seil.sandbox.salesforce.pubsub.capture import encode
from seil.sandbox.salesforce.pubsub.event_log import EventLog, NewEvent
from seil.sandbox.salesforce.pubsub.schemas import EventSchema, platform_schema

_BILLING = "BillingExtractReady__e"
PLATFORM_EVENTS: Mapping[str, tuple[str, ...]] = {
    _BILLING: ("FileIds__c", "IntegrationJobId__c"),
}
_PREFIX = "e00"


def platform_topic(name: str) -> str:
    return f"/event/{name}"


def platform_schemas() -> dict[str, EventSchema]:
    """By topic."""
    return {
        platform_topic(name): platform_schema(name, fields)
        for name, fields in PLATFORM_EVENTS.items()
    }


class PlatformEvents:
    """Publishes through `POST .../sobjects/<name>`, as a record is created."""

    def __init__(self, log: EventLog, *, user_id: str, clock: Callable[[], datetime]) -> None:
        self._log = log
        self._user_id = user_id
        self._clock = clock
        log.store_schemas(platform_schemas().values())

    def routes(self) -> list[OrgRoute]:
        base = "/services/data/{version}/sobjects"
        return [OrgRoute("POST", f"{base}/{name}", self._create) for name in PLATFORM_EVENTS]

    def _create(self, call: OrgRequest) -> OrgReply:
        name = call.path.rstrip("/").rpartition("/")[2]
        event_id = self.publish(name, call.json_object())
        body = {"id": f"{_PREFIX}xx0000000001AAA", "success": True}
        operation = {"statusCode": "OPERATION_ENQUEUED", "message": event_id, "fields": []}
        return OrgReply(201, {**body, "errors": [operation]})

    def publish_extract(self, extract: BillingExtract) -> None:
        files, job = PLATFORM_EVENTS[_BILLING]
        values = {files: json.dumps(extract.file_ids), job: extract.job_id}
        self.publish(_BILLING, values)

    def publish(self, name: str, values: Mapping[str, Any]) -> str:
        """Returns the event's id. Raises OrgApiError for a field that the event does not have."""
        topic = platform_topic(name)
        schema = platform_schemas()[topic]
        for field in values:
            if field not in PLATFORM_EVENTS[name]:
                reason = f"No such column '{field}' on sobject of type {name}"
                raise OrgApiError(400, "INVALID_FIELD", reason)
        now = self._clock()
        system = {"CreatedDate": int(now.timestamp() * 1000), "CreatedById": self._user_id}
        event_id = str(uuid.uuid4())
        payload = encode(schema.parsed, {**system, **values})
        self._log.append([NewEvent(topic, event_id, schema.id, payload)], now)
        self._log.announce()
        return event_id
