"""The stand-in TechOne's options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from seil.sandbox.base.clock import utc_now
from seil.settings import TechOneSettings

_SETTINGS = TechOneSettings()

DEBTORS: Mapping[str, str] = {
    "D10042": "1597.14",
    "D10043": "250000",
    "C100": "0.00",
    "N2000": "-3.50",
}
"""Who is there at the first start, and what each may still buy. N2000 has bought too much."""


@dataclass(frozen=True)
class WarehouseLogin:
    """The SOAP requests' Auth."""

    user: str = "sandbox-user"
    password: str = field(default="sandbox-password", repr=False)
    config: str = "SANDBOX"


@dataclass(frozen=True)
class TechOneOptions:
    """`token_lifetime` is in seconds. `wsdl` is served and validated against instead of the own.

    `keys` names the key column of a warehouse table: {"SALESFORCE/ARDATA": "INVOICE_LINE"}. A table
    without one takes the same row twice. `debtors` counts at the first start only.
    """

    client_id: str = "seil-sandbox"
    client_secret: str = field(default="sandbox-secret", repr=False)
    token_lifetime: float = 3600.0
    rate_path: str = _SETTINGS.rate_path
    credit_path: str = _SETTINGS.credit_path
    login: WarehouseLogin = WarehouseLogin()
    wsdl: Path | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    debtors: Mapping[str, str] = field(default_factory=lambda: DEBTORS)
    time_zone: str = _SETTINGS.time_zone
    now: Callable[[], datetime] = utc_now
