"""What each client of the Pub/Sub API is given, and how it says what it received."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

URL = os.environ["ORG_URL"]
PLAINTEXT = os.environ["PUBSUB"]
TLS = os.environ["PUBSUB_TLS"]
CA = os.environ["PUBSUB_CA"]
USER = "integration@sandbox.example"
PASSWORD = "sandbox-password"
TOPIC = "/data/AccountChangeEvent"
PLATFORM_TOPIC = "/event/BillingExtractReady__e"


def tell(schema_id: str, events: list[Any], **more: Any) -> None:
    """Of each change event its Ids, type and name."""
    headers = [event["ChangeEventHeader"] for event in events]
    seen = {
        "schema": bool(schema_id),
        "ids": [header["recordIds"] for header in headers],
        "types": [header["changeType"] for header in headers],
        "changed": [header["changedFields"] for header in headers],
        "names": [event["Name"] for event in events],
        **more,
    }
    json.dump(seen, sys.stdout)
