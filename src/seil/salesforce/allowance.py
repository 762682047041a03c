"""The org's API limits: the header `Sforce-Limit-Info`, and the limits resource."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_USAGE = re.compile(r"(?<![\w-])api-usage=(\d+)/(\d+)")
_PER_APP = re.compile(r"per-app-api-usage=(\d+)/(\d+)\(appName=(.*?)\)")


@dataclass(frozen=True)
class PerAppUsage:
    used: int
    allowed: int
    app_name: str


@dataclass(frozen=True)
class ApiUsage:
    """The org's calls of the last 24 hours, and those of the connected app if it has a quota."""

    used: int
    allowed: int
    per_app: PerAppUsage | None = None

    @classmethod
    def parse(cls, header: str | None) -> ApiUsage | None:
        """`api-usage=25/5000; per-app-api-usage=17/250(appName=x)`; None for anything else."""
        if not header or not (total := _USAGE.search(header)):
            return None
        app = _PER_APP.search(header)
        per_app = PerAppUsage(int(app[1]), int(app[2]), app[3]) if app else None
        return cls(int(total[1]), int(total[2]), per_app)


@dataclass(frozen=True)
class Allowance:
    max: int
    remaining: int


@dataclass(frozen=True)
class OrgLimits:
    """Empty where the org lacks the limits resource."""

    allowances: Mapping[str, Allowance] = field(default_factory=dict)

    def get(self, name: str) -> Allowance | None:
        return self.allowances.get(name)

    @classmethod
    def parse(cls, answer: Any) -> OrgLimits:
        if not isinstance(answer, dict):
            return cls()
        return cls(
            {
                name: Allowance(int(entry["Max"]), int(entry["Remaining"]))
                for name, entry in answer.items()
                if isinstance(entry, dict) and {"Max", "Remaining"} <= entry.keys()
            }
        )
