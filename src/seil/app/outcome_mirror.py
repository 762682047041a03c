"""Copies outcomes from the state into the warehouse, where SQL reaches them as `seil.outcomes`.

The state is the original: only what changed since the last copy is copied; a rebuild copies all.
Both lose at once what is older than it is to be kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.state.outcomes import Outcomes, StoredOutcome
    from seil.warehouse import Warehouse

_PAGE = 10_000


def mirror_outcomes(
    outcomes: Outcomes, warehouse: Warehouse, *, keep: timedelta, now: datetime | None = None
) -> int:
    """Returns how many outcomes were copied. `now` is for tests."""
    import pyarrow as pa

    from seil.state.outcome_rows import SCHEMA
    from seil.warehouse.commits import commit_id

    before = (now or datetime.now(UTC)) - keep
    last = warehouse.bookkeeping.last_outcome()
    pages = outcomes.changed_since(last, rows=_PAGE)
    if (first := next(pages, None)) is None:
        return 0
    outcomes.prune(before)
    warehouse.prepare()
    counter = _Counter(chain([first], pages))
    reader = pa.RecordBatchReader.from_batches(SCHEMA, counter)
    with warehouse.commit(commit_id("outcomes", str(first[0].position))) as commit:
        commit.recorder.record_outcomes(reader, before=before)
    return counter.rows


class _Counter:
    def __init__(self, pages: Iterator[Sequence[StoredOutcome]]) -> None:
        self._pages = pages
        self.rows = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        from seil.state.outcome_rows import outcome_table

        for page in self._pages:
            self.rows += len(page)
            yield from outcome_table(page).to_batches()
