"""Sends batches, each exactly once: what a lost answer leaves open, the table itself decides.

A batch is stored as `sent` before it is sent. From then on it is committed only when TechOne says
so or its table shows it, and sent again only when the table shows that it is missing.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

from seil.errors import LoginError, RejectError, RequestRejectedError, RetryError
from seil.settings import SfToT1Settings
from seil.sf_to_t1.csv_file import CsvRow
from seil.sf_to_t1.evidence import Evidence, judge
from seil.sf_to_t1.refusals import BatchInDoubtError, BillingFileError
from seil.sf_to_t1.rows import TableCount
from seil.sf_to_t1.target import TargetTable, is_read_by_name
from seil.state.billing import BillingBatch, BillingStore
from seil.techone.warehouse import TechOneWarehouse, pause_before_retry

log = logging.getLogger(__name__)

BatchDecision: TypeAlias = Literal["committed", "missing"]
_SETTLED = ("committed", "in_doubt")


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class BatchSender:
    """Of one run. `decisions`, by file, are on batches that a restored state may have forgotten.

    `now` and `sleep` are for tests.
    """

    store: BillingStore
    techone: TechOneWarehouse
    settings: SfToT1Settings
    run_id: str
    decisions: Mapping[str, BatchDecision] = field(default_factory=dict)
    now: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], None] = field(default=time.sleep)
    committed: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Rows that this run brought into each table, kept where the state was restored."""

    def plan(
        self, table: TargetTable, columns: Sequence[str], batches: Sequence[BillingBatch]
    ) -> list[BillingBatch]:
        """Stores batches that are sent next, with what the table holds before each of them.

        Of batches that a restored state may have forgotten, those that the table has are
        `committed`, and the last one returned may be `in_doubt`; `send` stores both in their turn,
        as committed batches are always the first ones of a file.
        Raises BillingFileError for a column that the table does not have.
        """
        planned = [
            b if b.state in _SETTLED else replace(b, state="planned", run_id=self.run_id, reason="")
            for b in _until_doubt(self.compare(table, columns, batches))
        ]
        self.store.put_batches(b for b in planned if b.state == "planned")
        return planned

    def compare(
        self, table: TargetTable, columns: Sequence[str], batches: Sequence[BillingBatch]
    ) -> list[BillingBatch]:
        """Batches with what the table holds of each of them; nothing is stored.

        Raises BillingFileError for a column that the table does not have.
        """
        try:
            if not table.is_exact:
                return self._with_baseline(table, columns, batches)
            if restored := self.store.restored_at:
                return [self._recalled(table, columns, b, restored) for b in batches]
        except KeyError as error:
            reason = f"{table.place} has no column {error.args[0]}"
            raise BillingFileError(batches[0].file_id, "columns", reason) from error
        return list(batches)

    def _recalled(
        self, table: TargetTable, columns: Sequence[str], batch: BillingBatch, restored: datetime
    ) -> BillingBatch:
        """A batch as its own rows in the table show it, by the column that names it."""
        if batch.changed_at > restored:
            return batch
        evidence = judge(batch, table.count(self.techone, columns, [batch]))
        if evidence.verdict == "committed":
            return replace(batch, state="committed")
        if evidence.verdict == "unclear":
            return self._doubted(batch, restored, evidence.reason)
        return _with_missing(batch, evidence)

    def _with_baseline(
        self, table: TargetTable, columns: Sequence[str], batches: Sequence[BillingBatch]
    ) -> list[BillingBatch]:
        count = table.count(self.techone, columns, batches)
        restored = self.store.restored_at
        sent_before: Counter[str] = Counter()
        result = []
        for batch in batches:
            before = {h: number for h in batch.hashes if (number := count.rows[h] + sent_before[h])}
            total = count.total + sent_before.total()
            if restored and (equal := self._forgotten_rows(batch, count, restored)):
                reason = f"the table has {equal:,} rows equal to the batch's {batch.unsent:,}"
                batch = self._doubted(batch, restored, reason)  # noqa: PLW2901
            result.append(replace(batch, before=before, total_before=total))
            if batch.state != "committed":
                sent_before += batch.hashes
        return result

    def _forgotten_rows(self, batch: BillingBatch, count: TableCount, restored: datetime) -> int:
        """The table's rows that equal the batch's, and that this run did not send."""
        if batch.changed_at > restored:
            return 0
        return ((count.rows - self.committed[batch.place]) & batch.hashes).total()

    def _doubted(self, batch: BillingBatch, restored: datetime, reason: str) -> BillingBatch:
        """`in_doubt`, unless a person decided on all batches of the file."""
        decision = self.decisions.get(batch.file_id)
        if decision == "missing":
            return batch
        if decision == "committed":
            return replace(batch, state="committed")
        reason = (
            f"the state was restored at {restored:%Y-%m-%d %H:%M} UTC, and may have forgotten the "
            f"batch: {reason}"
        )
        return replace(batch, state="in_doubt", reason=reason)

    def send(
        self,
        table: TargetTable,
        columns: Sequence[str],
        batch: BillingBatch,
        rows: Sequence[CsvRow],
    ) -> BillingBatch:
        """Returns it committed.

        Raises BillingFileError where TechOne refuses it, BatchInDoubtError, LoginError, and
        RetryError where TechOne cannot be reached any longer: then the next run goes on.
        """
        if batch.state in _SETTLED:
            return self._stored(batch)
        attempts_left = self.settings.attempts
        while batch.state != "committed":
            attempts_left -= 1
            try:
                batch = self._try(table, columns, batch, rows)
            except RetryError as error:
                if not attempts_left:
                    raise
                pause = pause_before_retry(error, self.settings.pause.total_seconds())
                log.warning("batch %d: %s; trying again in %.1f s", batch.number, error, pause)
                self.sleep(pause)
                (batch,) = [
                    stored
                    for stored in self.store.batches(batch.file_id, batch.place)
                    if stored.number == batch.number
                ]
        return batch

    def _stored(self, batch: BillingBatch) -> BillingBatch:
        """What `plan` found out about it. Raises BatchInDoubtError."""
        if batch.state == "in_doubt":
            raise self._doubt(batch, batch.reason)
        return self._commit(batch)

    def _try(
        self,
        table: TargetTable,
        columns: Sequence[str],
        batch: BillingBatch,
        rows: Sequence[CsvRow],
    ) -> BillingBatch:
        """One attempt. Where the answer was lost and the batch is missing, it is `planned`."""
        if batch.state == "sent":
            return self.settle(table, columns, batch)
        lines = table.lines(batch, rows)
        sent = replace(
            batch,
            state="sent",
            attempts=batch.attempts + 1,
            run_id=self.run_id,
            sent_at=self.now(),
        )
        self.store.put_batches([sent])
        try:
            warnings = self.techone.import_rows(table.name, table.columns(columns), lines)
        except RequestRejectedError as error:
            evidence = self._look(table, columns, sent)
            if evidence.verdict == "committed" and sent.attempts > 1:
                # An earlier attempt was committed late: a table with a key refuses the second one.
                return self._commit(sent)
            raise self._refusal(sent, evidence, error) from error
        except LoginError:
            self.store.put_batches([replace(sent, state="planned")])
            raise
        except RetryError as error:
            if not error.in_doubt:
                self.store.put_batches([replace(sent, state="planned")])
                raise
            log.warning("batch %d: %s; looking for it in the table", sent.number, error.message)
            return self._settled_or_raised(table, columns, sent, error)
        for warning in warnings:
            log.warning("batch %d: TechOne warns: %s", sent.number, warning)
        return self._commit(sent)

    def _settled_or_raised(
        self,
        table: TargetTable,
        columns: Sequence[str],
        sent: BillingBatch,
        error: RetryError,
    ) -> BillingBatch:
        settled = self.settle(table, columns, sent)
        if settled.state == "committed":
            return settled
        raise error

    def settle(
        self, table: TargetTable, columns: Sequence[str], batch: BillingBatch
    ) -> BillingBatch:
        """A batch that was sent, and of which no answer is known: `committed`, or `planned` with
        the rows that are missing.

        Raises BatchInDoubtError where the table does not tell; and RetryError, LoginError.
        """
        evidence = self._look(table, columns, batch)
        if evidence.verdict != "committed" and (pause := self._quiet_rest(batch)):
            self.sleep(pause)
            evidence = self._look(table, columns, batch)
        if evidence.verdict == "committed":
            log.info("batch %d is in the table", batch.number)
            return self._commit(batch)
        if evidence.verdict == "unclear":
            raise self._doubt(batch, evidence.reason)
        missing = replace(_with_missing(batch, evidence), state="planned")
        self.store.put_batches([missing])
        return missing

    def _doubt(self, batch: BillingBatch, reason: str) -> BatchInDoubtError:
        """The error of a batch that is stored as in doubt."""
        self.store.put_batches([replace(batch, state="in_doubt", reason=reason)])
        return BatchInDoubtError(batch.file_id, batch.number, reason)

    def _look(self, table: TargetTable, columns: Sequence[str], batch: BillingBatch) -> Evidence:
        try:
            count = table.count(self.techone, columns, [batch])
        except KeyError as error:
            return Evidence.unclear(batch, f"{table.place} has no column {error.args[0]} any more")
        except RequestRejectedError as error:
            return Evidence.unclear(batch, f"the table cannot be read: {error.message}")
        return judge(batch, count, exact=is_read_by_name(batch))

    def _quiet_rest(self, batch: BillingBatch) -> float:
        """Seconds for which TechOne may still commit it."""
        if batch.sent_at is None:
            return 0.0
        seconds = batch.sent_at + self.settings.quiet - self.now()
        return max(0.0, min(seconds, self.settings.quiet) / timedelta(seconds=1))

    def _commit(self, batch: BillingBatch) -> BillingBatch:
        if self.store.restored_at:
            self.committed[batch.place].update(batch.hashes)
        committed = replace(batch, state="committed", hashes=Counter(), before={}, reason="")
        self.store.put_batches([committed])
        return committed

    def _refusal(
        self, batch: BillingBatch, evidence: Evidence, error: RequestRejectedError
    ) -> RejectError:
        """The error of a batch that TechOne refused; stored with the rows that it lacks."""
        reason = (
            f"TechOne refused batch {batch.number} (rows {batch.first_row:,} to "
            f"{batch.last_row:,}): {error.code}: {error.reason}"
        )
        if evidence.verdict in ("unclear", "committed"):
            doubt = evidence.reason or "its rows are in the table nevertheless"
            reason = f"{reason}; {doubt}"
            return self._doubt(batch, reason)
        failed = replace(_with_missing(batch, evidence), state="failed", reason=reason)
        self.store.put_batches([failed])
        if there := batch.unsent - failed.unsent:
            reason += f"; {there:,} of its rows are in the table"
        return BillingFileError(batch.file_id, "refused", reason, hint=error.hint)


def _until_doubt(batches: Iterable[BillingBatch]) -> Iterator[BillingBatch]:
    """Those up to the first that is in doubt."""
    for batch in batches:
        yield batch
        if batch.state == "in_doubt":
            return


def _with_missing(batch: BillingBatch, evidence: Evidence) -> BillingBatch:
    return replace(
        batch, hashes=evidence.missing, before=evidence.before, total_before=evidence.total_before
    )
