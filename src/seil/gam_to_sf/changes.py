"""Changes of records on their way to Salesforce: written, or only counted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Protocol

import pyarrow as pa

from seil.gam_to_sf.results import RecordChange, StepResult
from seil.salesforce.writes.batch import BEFORE, WriteTarget
from seil.salesforce.writes.writer import Writer

ChangePages = Iterable[Sequence[RecordChange]]


class Recipient(Protocol):
    """Takes the changes of one step. Counts them in the step's result."""

    def prepare(self) -> None:
        """Called before the records are read."""
        ...

    def take(self, changes: ChangePages, fields: Sequence[str], result: StepResult) -> None: ...


class Preview:
    """Counts the changes and writes nothing."""

    def prepare(self) -> None: ...

    def take(self, changes: ChangePages, fields: Sequence[str], result: StepResult) -> None:
        for page in changes:
            for change in page:
                result.add_change(change)


class SalesforceRecords:
    """Updates records by Id. Streams: holds `crossover` changes at most before the first write."""

    def __init__(self, writer: Writer, *, crossover: int) -> None:
        self._writer = writer
        self._crossover = crossover
        self._is_recovered = False

    def prepare(self) -> None:
        """Settles what an earlier process left in doubt, once; a job of its may still be running
        and change what is read now.
        """
        if not self._is_recovered:
            self._writer.recover()
            self._is_recovered = True

    def take(self, changes: ChangePages, fields: Sequence[str], result: StepResult) -> None:
        tables = _tables(changes, fields, result)
        first: list[pa.Table] = []
        for table in tables:
            first.append(table)
            if result.differing > self._crossover:
                break
        if first:
            self._writer.write(
                WriteTarget(result.object, "update"),
                chain(first, tables),
                rows=result.differing,
                on_settled=result.settle,
            )


def _tables(changes: ChangePages, fields: Sequence[str], result: StepResult) -> Iterator[pa.Table]:
    for page in changes:
        for change in page:
            result.add_change(change)
        if page:
            yield _table(page, fields)


def _table(page: Sequence[RecordChange], fields: Sequence[str]) -> pa.Table:
    """A null leaves a field as it is."""
    cells: dict[str, Sequence[str | None]] = {
        "Id": [change.record_id for change in page],
        **{name: [change.after.get(name) for change in page] for name in fields},
        BEFORE: [json.dumps(change.before) for change in page],
    }
    return pa.table({name: pa.array(values, pa.string()) for name, values in cells.items()})
