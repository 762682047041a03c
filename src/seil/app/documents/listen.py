"""What `seil listen` prints of each thing it did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from seil.app.documents.base import JsonDocument
from seil.sf_to_dw.handlers import StepOutcome


@dataclass(frozen=True)
class ListenDocument(JsonDocument, schema="seil.listen/1", command="seil listen, a line each"):
    step: str
    state: str
    about: str
    message: str
    ok: bool
    at: datetime

    @classmethod
    def of(cls, outcome: StepOutcome) -> Self:
        return cls(**vars(outcome))
