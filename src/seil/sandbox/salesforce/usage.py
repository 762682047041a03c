"""The org's API usage of the day, against its quotas."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from seil.sandbox.salesforce.errors import OrgApiError
from seil.sandbox.salesforce.messages import OrgReply, OrgRequest, OrgRoute
from seil.sandbox.salesforce.options import OrgOptions
from seil.sandbox.salesforce.state import ServiceState

_REQUESTS = "api_requests"
_BULK = "bulk_requests"
_JOBS = "query_jobs"
_RESULT_BYTES = "query_result_bytes"
_INGESTED = "ingest_records"
_DELIVERED = "delivered_events"
_MB = 1_000_000
_PER_APP_SHARE = 20


class Usage:
    def __init__(self, state: ServiceState, options: OrgOptions) -> None:
        self._state = state
        self._quotas = options.quotas
        self._app_name = options.app_name

    def routes(self) -> list[OrgRoute]:
        return [OrgRoute("GET", "/services/data/{version}/limits", self._limits)]

    def spend_request(self) -> None:
        used = self._state.count(_today(), _REQUESTS)
        if used > self._quotas.api_requests:
            self._state.count(_today(), _REQUESTS, -1)
            raise OrgApiError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")

    def spend_bulk_request(self) -> None:
        self._state.count(_today(), _BULK)

    def spend_query_job(self) -> None:
        """Raises OrgApiError LIMIT_EXCEEDED where the day's jobs or result bytes are used up."""
        used = self._state.count(_today(), _JOBS)
        allowed = self._quotas.query_jobs
        if used > allowed:
            raise OrgApiError(
                400,
                "LIMIT_EXCEEDED",
                f"Max bulk v2 query jobs ({allowed}) per 24 hrs has been reached ({used})",
            )
        stored, room = self._usage_today().get(_RESULT_BYTES, 0), self._quotas.query_result_mb * _MB
        if stored >= room > 0 or room == 0:
            raise OrgApiError(
                400,
                "LIMIT_EXCEEDED",
                f"Max bulk v2 query result size stored ({room // 1000}) kb"
                " per 24 hrs has been exceeded",
            )

    def spend_result(self, size: int) -> None:
        self._state.count(_today(), _RESULT_BYTES, size)

    def spend_ingest(self, records: int) -> None:
        self._state.count(_today(), _INGESTED, records)

    def spend_delivered(self, events: int) -> bool:
        """False where the day's events are used up; nothing is counted then."""
        used = self._usage_today().get(_DELIVERED, 0)
        if used + events > self._quotas.delivered_events:
            return False
        self._state.count(_today(), _DELIVERED, events)
        return True

    def limit_info(self) -> str:
        used = self._usage_today().get(_REQUESTS, 0)
        info = f"api-usage={used}/{self._quotas.api_requests}"
        if not self._app_name:
            return info
        share = max(self._quotas.api_requests // _PER_APP_SHARE, 1)
        return f"{info}; per-app-api-usage={used}/{share}(appName={self._app_name})"

    def limits(self) -> dict[str, Any]:
        quotas, used = self._quotas, self._usage_today()

        def remaining(maximum: int, spent: int) -> dict[str, int]:
            return {"Max": maximum, "Remaining": max(maximum - spent, 0)}

        bulk = remaining(quotas.bulk_requests, used.get(_BULK, 0))
        stored_mb = -(-used.get(_RESULT_BYTES, 0) // _MB)
        return {
            "DailyApiRequests": remaining(quotas.api_requests, used.get(_REQUESTS, 0)),
            "DailyAsyncApexExecutions": remaining(250_000, 0),
            "DailyBulkApiBatches": bulk,
            "DailyBulkApiRequests": bulk,
            "DailyBulkV2QueryFileStorageMB": remaining(quotas.query_result_mb, stored_mb),
            "DailyBulkV2QueryJobs": remaining(quotas.query_jobs, used.get(_JOBS, 0)),
            "DailyDeliveredPlatformEvents": remaining(
                quotas.delivered_events, used.get(_DELIVERED, 0)
            ),
            "DailyStreamingApiEvents": remaining(50_000, 0),
            "DataStorageMB": remaining(10_240, 0),
            "FileStorageMB": remaining(10_240, 0),
            "HourlyODataCallout": remaining(20_000, 0),
            "HourlyPublishedPlatformEvents": remaining(250_000, 0),
            "SingleEmail": remaining(5_000, 0),
        }

    def _limits(self, _call: OrgRequest) -> OrgReply:
        return OrgReply(200, self.limits())

    def _usage_today(self) -> dict[str, int]:
        return self._state.used(_today())


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
