"""One budget of API calls for everything a process does with an org, whatever the direction.

Every answer says in `Sforce-Limit-Info` how many of the day's calls are used, by the org and by the
connected app where it has a share of its own. A percentage of the org's calls is left to others.
https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_api_usage.htm
"""

from __future__ import annotations

from dataclasses import dataclass

from seil.errors import QuotaExhaustedError
from seil.salesforce.allowance import ApiUsage

_SERVICE = "Salesforce API request"


@dataclass
class Budget:
    """`reserve` in percent of the org's calls. `usage` is None until an answer has said it."""

    reserve: int
    usage: ApiUsage | None = None

    def saw(self, limit_info: str | None) -> None:
        """Takes in the header of an answer; one without it changes nothing."""
        self.usage = ApiUsage.parse(limit_info) or self.usage

    def reserved(self, allowed: int) -> int:
        return allowed * self.reserve // 100

    def check(self) -> None:
        """Raises QuotaExhaustedError when the next call would not be ours to make."""
        usage = self.usage
        if usage is None:
            return
        left, kept = usage.allowed - usage.used, self.reserved(usage.allowed)
        if left <= kept:
            raise QuotaExhaustedError(
                _SERVICE,
                f"{left:,} of {usage.allowed:,} calls are left today,"
                f" {kept:,} are reserved for others",
            )
        app = usage.per_app
        if app and app.used >= app.allowed:
            raise QuotaExhaustedError(
                _SERVICE, f"the connected app {app.app_name} has used its {app.allowed:,} calls"
            )
