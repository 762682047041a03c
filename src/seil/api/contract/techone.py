"""TechOne's operations."""

from __future__ import annotations

from seil.api.contract.operation import reads
from seil.techone import models

RATE = reads("techone.rate", models.RateRequest, models.Rate)
CREDIT = reads("techone.credit", models.CreditRequest, models.Credit)
