"""Commits: changes that become visible together, and the ledger's rows about them."""

from __future__ import annotations

import hashlib
from typing import Protocol

from seil.warehouse.bookkeeping import Recorder
from seil.warehouse.builds import Builder
from seil.warehouse.merges import Merger
from seil.warehouse.tables import TableEditor


class Commit(Protocol):
    """Everything that changes data. Not used after its block."""

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
    """The same for the same parts in any order: what the commit is made of, such as file keys."""
    digest = hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()
    return f"{kind}-{digest[:20]}"
