"""A process's budget of API calls to an org.

`Sforce-Limit-Info` on every answer has the day's calls of the org, and of the connected app if it
has a quota. A percentage of the org's calls is reserved for other clients.
https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_api_usage.htm
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from seil.errors import QuotaExhaustedError
from seil.salesforce.allowance import ApiUsage

_SERVICE = "Salesforce API request"


@dataclass
class Budget:
    """`reserve` is in percent of the org's calls; `usage` is None before the first answer.

    `calls` are this process's own.
    """

    reserve: int
    usage: ApiUsage | None = None
    calls: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def update(self, limit_info: str | None) -> None:
        """For each answered call, from its header; None leaves `usage` as it is."""
        with self._lock:
            self.calls += 1
        self.usage = ApiUsage.parse(limit_info) or self.usage

    def reserved(self, allowed: int) -> int:
        return allowed * self.reserve // 100

    def require(self, calls: int, what: str) -> None:
        """Raises QuotaExhaustedError where `calls` more calls for `what` would exceed the budget.

        Does nothing before the first answer.
        """
        self.check()
        usage = self.usage
        if usage is None:
            return
        available = usage.allowed - usage.used - self.reserved(usage.allowed)
        if usage.per_app:
            available = min(available, usage.per_app.allowed - usage.per_app.used)
        if calls > available:
            raise QuotaExhaustedError(
                _SERVICE,
                f"{what} takes about {calls:,} calls, {available:,} are left today",
                hint="Nothing was sent. Run the same command again once the allowance is renewed",
            )

    def check(self) -> None:
        """Raises QuotaExhaustedError where the next call would exceed the budget."""
        usage = self.usage
        if usage is None:
            return
        remaining, reserved = usage.allowed - usage.used, self.reserved(usage.allowed)
        if remaining <= reserved:
            raise QuotaExhaustedError(
                _SERVICE,
                f"{remaining:,} of {usage.allowed:,} calls are left today,"
                f" {reserved:,} are reserved for others",
            )
        app = usage.per_app
        if app and app.used >= app.allowed:
            raise QuotaExhaustedError(
                _SERVICE, f"the connected app {app.app_name} has used its {app.allowed:,} calls"
            )
