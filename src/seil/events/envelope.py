"""EventBridge's event envelope, for our own events and for AWS's.

https://docs.aws.amazon.com/eventbridge/latest/ref/events-structure.html
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from seil.observe.run_context import current_run


@dataclass(frozen=True)
class Event:
    """`time` is aware, in JSON UTC to the second as in EventBridge; `detail` holds JSON values.

    `run_id`, of the run that publishes it, becomes part of the detail.
    """

    source: str
    detail_type: str
    detail: Mapping[str, Any]
    resources: tuple[str, ...] = ()
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    account: str = "000000000000"
    region: str = "local"
    run_id: str = field(default_factory=current_run)

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), ensure_ascii=False, separators=(",", ":"), default=str)

    def to_dict(self) -> dict[str, Any]:
        return {
            "version": "0",
            "id": self.id,
            "detail-type": self.detail_type,
            "source": self.source,
            "account": self.account,
            "time": self.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self.region,
            "resources": list(self.resources),
            "detail": {**({"run_id": self.run_id} if self.run_id else {}), **self.detail},
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Event:
        return cls(
            source=body["source"],
            detail_type=body["detail-type"],
            detail=body["detail"],
            resources=tuple(body.get("resources", ())),
            id=body["id"],
            time=datetime.fromisoformat(body["time"]),
            account=body.get("account", ""),
            region=body.get("region", ""),
            run_id=body["detail"].get("run_id", ""),
        )
