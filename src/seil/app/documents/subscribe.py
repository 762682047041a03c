"""What `seil subscribe` prints of each batch of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self

from seil.app.documents.base import JsonDocument

if TYPE_CHECKING:
    from seil.sf_to_dw.subscriber import BatchOutcome


@dataclass(frozen=True)
class SubscribeDocument(
    JsonDocument, schema="seil.subscribe/1", command="seil subscribe, a line each"
):
    events: int
    rows: int
    objects: Sequence[str]
    gaps: Sequence[str]
    problem: str
    at: datetime

    @classmethod
    def of(cls, outcome: BatchOutcome) -> Self:
        return cls(**vars(outcome))
