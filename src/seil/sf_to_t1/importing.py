"""Imports one file: downloads it, checks all of it, sends what TechOne does not have yet."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from seil.errors import RejectError, SeilError, error_type
from seil.observe.progress import Step
from seil.settings import SfToT1Settings
from seil.sf_to_t1.content import OpenContent, StoredContent, refuse_changed, stored_content
from seil.sf_to_t1.csv_file import CsvFile, CsvRow, FileProfile
from seil.sf_to_t1.refusals import REPLACED, BatchInDoubtError, BillingFileError
from seil.sf_to_t1.rows import hash_counts
from seil.sf_to_t1.sending import BatchSender
from seil.sf_to_t1.target import TargetTable
from seil.state.billing import BillingBatch, BillingFile

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Importer:
    sender: BatchSender
    open_content: OpenContent

    def recover(self, table: TargetTable) -> None:
        """Settles the batches that an earlier process sent into the table and did not settle.

        Comes before anything else is sent into it: what was in the table before a batch still
        holds. A batch that stays in doubt fails its file, and no other. Raises RetryError,
        LoginError.
        """
        store = self.sender.store
        for batch in store.batches_in(table.place, "sent"):
            file = store.file(batch.file_id, batch.place)
            if file is None:
                continue
            try:
                self.sender.settle(table, file.columns, batch)
            except BatchInDoubtError as error:
                self._fail(file, error)

    def import_file(self, table: TargetTable, file: BillingFile, step: Step) -> BillingFile:
        """Returns the file as it is stored: imported, failed or in doubt.

        Raises RetryError and AbortError, where the next run goes on.
        """
        try:
            with stored_content(file.file_id, self.open_content) as content:
                return self._import(table, file, content, step)
        except RejectError as error:
            if self.sender.store.is_complete(file) and _code(error) != REPLACED:
                # TechOne has it, whatever became of it since.
                log.warning("%s: not compared with what was imported: %s", file.file_id, error)
                return self._imported(file)
            return self._fail(file, error)

    def _import(
        self, table: TargetTable, file: BillingFile, content: StoredContent, step: Step
    ) -> BillingFile:
        refuse_changed(file, content, self.sender.store)
        if self.sender.store.is_complete(file):
            return self._imported(file)
        csv_file = CsvFile(file.file_id, content.path, table.settings)
        profile = csv_file.check()
        batches = self.sender.store.batches(file.file_id, file.place)
        self._refuse_doubt(batches)
        stored = {batch.number: batch for batch in self._still_valid(file, profile, batches)}
        file = self._described(file, content, profile, stored.values())
        step.expect(profile.rows)
        committed = sum(batch.state == "committed" for batch in stored.values())
        step.advance(min(committed * file.batch_rows, profile.rows))
        # Read twice, so that a window is planned without its rows in memory.
        ahead = _batches_ahead(table, file, csv_file, stored)
        numbered = csv_file.batches(file.batch_rows, skip=committed)
        while window := list(islice(ahead, table.window)):
            for batch in self.sender.plan(table, file.columns, window):
                _, rows = next(numbered)
                self.sender.send(table, file.columns, batch, rows)
                step.advance(len(rows))
        log.info("%s: %d rows are in %s", file.file_id, profile.rows, file.place)
        return self._imported(file)

    def _imported(self, file: BillingFile) -> BillingFile:
        imported = replace(file, state="imported", code="", reason="")
        self.sender.store.put_file(imported)
        return imported

    def _still_valid(
        self, file: BillingFile, profile: FileProfile, batches: Sequence[BillingBatch]
    ) -> Sequence[BillingBatch]:
        """None, and they are deleted, where the settings changed before TechOne had any row.

        Raises BillingFileError where it has some, and the file reads otherwise now.
        """
        is_read_alike = (file.columns, file.row_count) == (profile.columns, profile.rows)
        size = batch_size(file, batches, self.sender.settings)
        if not batches or (is_read_alike and size == file.batch_rows):
            return batches
        if not _are_missing(batches):
            reason = "it reads otherwise than when its first rows were sent"
            hint = "Set delimiter and encoding in [sf_to_t1] back"
            raise BillingFileError(file.file_id, "settings", reason, hint=hint)
        self.sender.store.delete_batches(file)
        return []

    def _described(
        self,
        file: BillingFile,
        content: StoredContent,
        profile: FileProfile,
        batches: Iterable[BillingBatch],
    ) -> BillingFile:
        """Stored before anything is sent."""
        described = replace(
            file,
            content_hash=content.content_hash,
            size=content.size,
            row_count=profile.rows,
            batch_rows=batch_size(file, batches, self.sender.settings),
            columns=profile.columns,
            note=self._note(file, content.content_hash),
            run_id=self.sender.run_id,
        )
        self.sender.store.put_file(described)
        return described

    def _note(self, file: BillingFile, content_hash: str) -> str:
        """Another file may rightly have the same content: it is imported, and said."""
        same = self.sender.store.files_with(content_hash, file.place)
        others = [other for other in same if other.file_id != file.file_id]
        if not others:
            return ""
        note = f"{file.file_id} has the same content as {others[0].file_id}"
        log.warning("%s: both are imported", note)
        return note

    def _refuse_doubt(self, batches: Iterable[BillingBatch]) -> None:
        for batch in batches:
            if batch.state == "in_doubt":
                raise BatchInDoubtError(batch.file_id, batch.number, batch.reason)

    def _fail(self, file: BillingFile, error: SeilError) -> BillingFile:
        stored = self.sender.store.file(file.file_id, file.place) or file
        is_doubt = isinstance(error, BatchInDoubtError)
        failed = replace(
            stored,
            state="in_doubt" if is_doubt else "failed",
            code=_code(error),
            reason=_about(file, error),
            run_id=self.sender.run_id,
        )
        self.sender.store.put_file(failed)
        log.error("%s", error)
        return failed


def doubtful_batches(
    sender: BatchSender, table: TargetTable, file: BillingFile, csv_file: CsvFile
) -> Iterator[BillingBatch]:
    """Those that a person has to decide on: of a file as it would be imported; nothing is stored.

    Reads TechOne's table where the state was restored. Raises BillingFileError, RetryError,
    LoginError.
    """
    stored = {batch.number: batch for batch in sender.store.batches(file.file_id, file.place)}
    if sender.store.restored_at is None:
        yield from (batch for batch in stored.values() if batch.state == "in_doubt")
        return
    if _are_missing(stored.values()):
        stored = {}
    ahead = _batches_ahead(table, file, csv_file, stored)
    while window := list(islice(ahead, table.window)):
        for batch in sender.compare(table, file.columns, window):
            if batch.state == "in_doubt":
                yield batch


def batch_size(file: BillingFile, batches: Iterable[BillingBatch], settings: SfToT1Settings) -> int:
    """That of its first attempt, once TechOne may have rows of it."""
    return settings.batch_rows if _are_missing(batches) else file.batch_rows


def _are_missing(batches: Iterable[BillingBatch]) -> bool:
    return all(batch.is_missing for batch in batches)


def _code(error: SeilError) -> str:
    return error.check if isinstance(error, BillingFileError) else error_type(error)


def _about(file: BillingFile, error: SeilError) -> str:
    text = error.message
    return text if text.startswith(file.file_id) else f"{file.file_id}: {text}"


def _batches_ahead(
    table: TargetTable, file: BillingFile, csv_file: CsvFile, stored: Mapping[int, BillingBatch]
) -> Iterator[BillingBatch]:
    """Those after the committed ones, which are the first of a file."""
    committed = sum(batch.state == "committed" for batch in stored.values())
    for number, rows in csv_file.batches(file.batch_rows, skip=committed):
        yield _upcoming(table, file, stored.get(number), rows)


def _upcoming(
    table: TargetTable, file: BillingFile, stored: BillingBatch | None, rows: Sequence[CsvRow]
) -> BillingBatch:
    """A batch as it is sent next: of one that was sent in part, the rest."""
    first = rows[0].number
    number = (first - 1) // file.batch_rows + 1
    batch = stored or BillingBatch(file.file_id, file.place, number, first, len(rows))
    hashes = batch.hashes or hash_counts(row.values for row in rows)
    criteria = table.criteria(batch, file.columns, rows)
    if criteria != batch.criteria:
        batch = replace(batch, criteria=criteria, before={}, total_before=0)
    return replace(batch, hashes=hashes)
