"""Commits: changes of data, visible together with their rows in the ledger."""

from __future__ import annotations

import hashlib
from typing import Protocol

from seil.warehouse.bookkeeping import Recorder
from seil.warehouse.builds import Builder
from seil.warehouse.merges import Merger
from seil.warehouse.tables import TableEditor


class Commit(Protocol):
    """Everything that changes data. Invalid after its block."""

    @property
    def id(self) -> str: ...

    @property
    def tables(self) -> TableEditor: ...

    @property
    def merger(self) -> Merger: ...

    @property
    def builder(self) -> Builder: ...

    @property
    def recorder(self) -> Recorder: ...


def commit_id(kind: str, *parts: str) -> str:
    """Deterministic, whatever the order of `parts`: what is committed, such as file keys."""
    digest = hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()
    return f"{kind}-{digest[:20]}"
