"""What every client's script is given, and how it says what it saw.

A script logs in, reads the accounts, makes one, changes it, and deletes it, with its own client's
words. Addresses are those that the client has built in; a proxy leads them to the stand-in.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

HOST = "login.salesforce.com"
CLIENT_ID = "seil-sandbox"
CLIENT_SECRET = "sandbox-secret"
USER = "integration@sandbox.example"
PASSWORD = "sandbox-password"
SECURITY_TOKEN = "sandbox-token"
REFRESH_TOKEN = "sandbox-refresh-token"
NAMES = "SELECT Id, Name FROM Account ORDER BY Id"


@dataclass
class Observations:
    """`more` is what one client alone can do."""

    names: list[str]
    created: str
    changed: str
    left: int
    more: dict[str, Any] = field(default_factory=dict)

    def tell(self) -> None:
        json.dump(asdict(self), sys.stdout)
