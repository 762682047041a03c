"""Billing: the org's files into TechOne, and the status of Integration_Job__c.

Who asks only stores the request; whoever holds the lease then works on all that is stored. So an
event may come twice, from two sources, and while another process is at work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from seil.errors import (
    AbortError,
    AlreadyRunningError,
    ConfigurationError,
    LakeError,
    LeaseLostError,
    Problem,
    RejectError,
    RetryError,
    SeilError,
)
from seil.observe.progress import SILENT, Progress

if TYPE_CHECKING:
    from seil.app.runs import Run
    from seil.app.site import Site
    from seil.sf_to_t1.content import OpenContent
    from seil.sf_to_t1.csv_file import CsvFile
    from seil.sf_to_t1.event import BillingReady
    from seil.sf_to_t1.importing import Importer
    from seil.sf_to_t1.sending import BatchDecision
    from seil.sf_to_t1.target import TargetTable
    from seil.state.billing import BillingBatch, BillingFile, BillingJob, BillingStore
    from seil.techone.warehouse import TechOneWarehouse

COMMAND = "sync sf-to-t1"
FLOW = "sf_to_t1"
_CHUNK = 1 << 18


@dataclass(frozen=True)
class BatchDoubt:
    number: int
    reason: str


@dataclass(frozen=True)
class FilePlan:
    """What an import of a file would do; nothing was sent. `sums` are of columns of numbers;
    `doubts` are batches that are not sent before a person decides on them.
    """

    file_id: str
    place: str
    columns: tuple[str, ...]
    rows: int
    batches: int
    batches_left: int
    sums: dict[str, Decimal]
    doubts: tuple[BatchDoubt, ...] = ()


@dataclass
class BillingReport:
    """`files` and `jobs` are those that this run worked on; `held_by` names the process that works
    on what was asked for, where it is not this one.
    """

    run_id: str = ""
    held_by: str = ""
    files: list[BillingFile] = field(default_factory=list)
    jobs: list[BillingJob] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems


def handle_billing_ready(
    site: Site, event: BillingReady, *, progress: Progress = SILENT
) -> BillingReport:
    """Imports an event's files and writes its job's status. Idempotent, whatever the source.

    Raises RetryError and AbortError where it cannot go on: the same event again, or any later
    run, goes on where it was.
    """
    return import_files(site, event.file_ids, job_id=event.job_id, progress=progress)


def sync_billing(
    site: Site,
    *,
    decisions: Mapping[str, BatchDecision] | None = None,
    progress: Progress = SILENT,
) -> BillingReport:
    """Finishes what is pending, and takes up the jobs that wait in the org.

    `decisions`, by file id, are on batches that a restored state may have forgotten.
    """
    with site.runs.run(COMMAND) as run:
        try:
            _request_waiting(site)
        except (RejectError, RetryError) as error:
            run.add_problem(f"waiting jobs were not looked for: {error.message}")
        return _work(site, run, progress, decisions=decisions)


def take_up_waiting_jobs(site: Site, *, progress: Progress = SILENT) -> BillingReport:
    """In place of events that are lost. Raises where the org cannot be asked, and as
    `handle_billing_ready` does.
    """
    with site.runs.run(COMMAND) as run:
        _request_waiting(site)
        return _work(site, run, progress)


def import_files(
    site: Site,
    files: Sequence[str],
    *,
    job_id: str = "",
    table: str = "",
    decisions: Mapping[str, BatchDecision] | None = None,
    progress: Progress = SILENT,
) -> BillingReport:
    """`files` are ids of the org's files, paths or URLs; `table` a name in [sf_to_t1.tables];
    `decisions` as of `sync_billing`.

    Raises BillingEventError for a job that is no record id, ConfigurationError.
    """
    from seil.sf_to_t1.event import parse_job
    from seil.sf_to_t1.target import target_table

    target = target_table(site.settings.sf_to_t1, table)
    job_id = parse_job(job_id) if job_id else ""
    ids = [file_name(text) for text in files]
    with site.runs.run(COMMAND, files=ids, job=job_id, table=target.place) as run:
        _request(site, job_id, ids, target.place)
        requested = {(file_id, target.place) for file_id in ids}
        return _work(site, run, progress, requested=requested, decisions=decisions)


def plan_files(
    site: Site, files: Sequence[str], *, table: str = "", progress: Progress = SILENT
) -> list[FilePlan]:
    """Downloads and checks them; nothing is stored or sent.

    Reads TechOne's table where the state was restored. Raises BillingFileError, and RetryError and
    LoginError then.
    """
    from seil.sf_to_t1.content import refuse_changed, stored_content
    from seil.sf_to_t1.csv_file import CsvFile
    from seil.sf_to_t1.target import target_table

    target = target_table(site.settings.sf_to_t1, table)
    store = site.state_to_read.billing
    plans = []
    for file_id in map(file_name, files):
        with (
            progress.step(f"check {file_id}"),
            stored_content(file_id, _opener(site)) as content,
        ):
            if stored := store.file(file_id, target.place):
                refuse_changed(stored, content, store)
            csv_file = CsvFile(file_id, content.path, target.settings)
            plans.append(_plan(site, target, csv_file))
    return plans


def pending_files(site: Site) -> list[tuple[str, str]]:
    """(file id, name of its table) of what the next run would work on."""
    tables = site.settings.sf_to_t1.tables
    names = {f"{t.warehouse}/{t.table}": name for name, t in tables.items()}
    files = site.state_to_read.billing.files(state="open")
    return [(file.file_id, names.get(file.place, "")) for file in files]


def decide_file(
    site: Site, file_id: str, decision: BatchDecision, *, requested: Collection[str] = ()
) -> None:
    """As `decide_batch`, all batches of a file that are in doubt now.

    What the file's next import finds in doubt needs the `decisions` of `import_files`. Raises
    ConfigurationError for a file that is neither pending nor `requested`.
    """
    from seil.state.leases import acquire_lease

    lease = acquire_lease(site.state.database, FLOW)
    with lease.renewal():
        store = site.state.billing.under(lease)
        files = [f for f in store.files() if f.file_id == file_id and f.state != "imported"]
        if not files and file_id not in requested:
            problem = Problem(f"--decide {file_id}:all", "is no file that is in doubt or pending")
            raise ConfigurationError([problem])
        for file in files:
            batches = store.batches(file_id, file.place)
            _decide(store, file, [b for b in batches if b.state == "in_doubt"], decision)


def decide_batch(site: Site, file_id: str, number: int, decision: BatchDecision) -> None:
    """Settles a batch in doubt by what a person saw in TechOne; the next run goes on with it.

    Raises ConfigurationError for a batch that is not in doubt.
    """
    from seil.state.leases import acquire_lease

    lease = acquire_lease(site.state.database, FLOW)
    with lease.renewal():
        store = site.state.billing.under(lease)
        doubtful = [
            (file, batch)
            for file in store.files()
            if file.file_id == file_id
            for batch in store.batches(file_id, file.place)
            if batch.number == number and batch.state == "in_doubt"
        ]
        if not doubtful:
            problem = Problem(f"--decide {file_id}:{number}", "is no batch in doubt")
            raise ConfigurationError([problem])
        for file, batch in doubtful:
            _decide(store, file, [batch], decision)


def _decide(
    store: BillingStore, file: BillingFile, batches: Sequence[BillingBatch], decision: BatchDecision
) -> None:
    if batches:
        store.put_batches(_settled(batch, decision) for batch in batches)
        store.put_file(replace(file, state="open", code="", reason=""))


def _settled(batch: BillingBatch, decision: BatchDecision) -> BillingBatch:
    if decision == "missing":
        return replace(batch, state="planned", reason="")
    return replace(batch, state="committed", hashes=Counter(), before={}, reason="")


def file_name(text: str) -> str:
    """A file's id in the org as it is, a path as a URL. Raises ConfigurationError."""
    from seil.salesforce.ids import full_id

    if "://" in text:
        return text
    if (path := Path(text)).exists():
        return path.resolve().as_uri()
    if record_id := full_id(text):
        return record_id
    raise ConfigurationError([Problem(text, "is no file here, and no id of a file in the org")])


def _plan(site: Site, target: TargetTable, csv_file: CsvFile) -> FilePlan:
    from seil.sf_to_t1.importing import batch_size
    from seil.state.billing import BillingFile

    profile = csv_file.check(with_sums=True)
    store = site.state_to_read.billing
    file_id = csv_file.file_id
    file = store.file(file_id, target.place) or BillingFile(file_id, target.place)
    stored = store.batches(file_id, target.place)
    size = batch_size(file, stored, site.settings.sf_to_t1)
    batches = -(-profile.rows // size)
    done = sum(batch.state == "committed" for batch in stored)
    described = replace(file, batch_rows=size, columns=profile.columns)
    return FilePlan(
        file_id,
        target.place,
        profile.columns,
        profile.rows,
        batches=batches,
        batches_left=batches - done,
        sums=profile.sums,
        doubts=_doubts(site, target, described, csv_file),
    )


def _doubts(
    site: Site, target: TargetTable, file: BillingFile, csv_file: CsvFile
) -> tuple[BatchDoubt, ...]:
    from seil.sf_to_t1.importing import doubtful_batches
    from seil.sf_to_t1.sending import BatchSender
    from seil.techone.warehouse import TechOneWarehouse

    settings = site.settings
    with TechOneWarehouse(settings.techone) as techone:
        sender = BatchSender(site.state_to_read.billing, techone, settings.sf_to_t1, run_id="")
        doubtful = doubtful_batches(sender, target, file, csv_file)
        return tuple(BatchDoubt(batch.number, batch.reason) for batch in doubtful)


def _request(site: Site, job_id: str, ids: Sequence[str], place: str) -> None:
    from seil.sf_to_t1.content import is_fixed

    recheck = [file_id for file_id in ids if not is_fixed(file_id)]
    site.state.billing.request(job_id, ids, place, recheck=recheck)


def _request_waiting(site: Site) -> None:
    from seil.sf_to_t1.jobs import waiting_jobs
    from seil.sf_to_t1.target import target_table

    settings = site.settings.sf_to_t1
    place = target_table(settings).place
    store = site.state.billing
    for job in waiting_jobs(site.org, settings.waiting, settings.files_field):
        _request(site, job.job_id, job.file_ids, place)
        # It waits again, whatever was written before.
        store.put_job(job.job_id, "", "")


def _work(
    site: Site,
    run: Run,
    progress: Progress,
    *,
    requested: set[tuple[str, str]] | None = None,
    decisions: Mapping[str, BatchDecision] | None = None,
) -> BillingReport:
    from seil.state.leases import acquire_lease

    report = BillingReport(run.run_id)
    try:
        lease = acquire_lease(site.state.database, FLOW)
    except AlreadyRunningError as error:
        # Its holder looks for new requests before it releases the lease.
        report.held_by = error.holder
        return report
    store = site.state.billing.under(lease)
    work = _Work(site, run, store, run.progress(progress), decisions or {})
    with lease.renewal():
        while True:
            requests = work.store.requests(site.state.database)
            work.once()
            if lease.release(unless=lambda t: work.store.requests(t) != requests):  # noqa: B023
                break
    work.report(report, requested or set())
    return report


@dataclass
class _Work:
    """One process's turn, under the lease."""

    site: Site
    run: Run
    store: BillingStore
    progress: Progress
    decisions: Mapping[str, BatchDecision]
    done: set[tuple[str, str]] = field(default_factory=set)

    def once(self) -> None:
        """Imports what is open; then writes the jobs' statuses, whatever became of the files."""
        stop = self._import()
        if isinstance(stop, LeaseLostError):
            raise stop
        try:
            self._write_statuses()
        except SeilError as error:
            self.run.add_problem(f"Integration_Job__c was not written: {error.message}")
            if not stop and isinstance(error, AbortError | RetryError):
                raise
        if stop:
            raise stop

    def _import(self) -> SeilError | None:
        """The error that ended it early: TechOne or the org does not answer, or refuses us."""
        from seil.sf_to_t1.target import target_tables
        from seil.techone.warehouse import TechOneWarehouse

        settings = self.site.settings
        tables = target_tables(settings.sf_to_t1)
        with TechOneWarehouse(settings.techone) as techone:
            importer = self._importer(techone)
            try:
                for table in tables.values():
                    importer.recover(table)
                for file in self.store.files(state="open"):
                    self._import_one(importer, tables.get(file.place), file)
            except (RetryError, AbortError) as error:
                return error
        return None

    def _import_one(self, importer: Importer, table: TargetTable | None, file: BillingFile) -> None:
        if table is None:
            self.run.add_problem(f"{file.file_id}: no table of [sf_to_t1] is {file.place}")
            return
        with self.progress.step(f"import {file.file_id}") as step:
            outcome = importer.import_file(table, file, step)
            step.conclude(outcome.reason or outcome.note, ok=outcome.state == "imported")
        self.done.add((file.file_id, file.place))
        self.run.counts[f"billing_{outcome.state}"] += 1
        if outcome.state == "imported" and outcome.run_id == self.run.run_id:
            self.run.counts["billing_rows"] += outcome.row_count

    def _importer(self, techone: TechOneWarehouse) -> Importer:
        from seil.sf_to_t1.importing import Importer
        from seil.sf_to_t1.sending import BatchSender

        settings = self.site.settings.sf_to_t1
        sender = BatchSender(self.store, techone, settings, self.run.run_id, self.decisions)
        return Importer(sender, _opener(self.site))

    def _write_statuses(self) -> None:
        from seil.app.pushes import writer_options
        from seil.sf_to_t1.jobs import JobWriter

        log = self.site.state.outcomes.log(FLOW, self.run.run_id)
        options = writer_options(self.site)
        JobWriter(self.site.org, log, self.store, options).write()

    def report(self, report: BillingReport, requested: set[tuple[str, str]]) -> None:
        from seil.sf_to_t1.jobs import unwritten

        keys = self.done | requested
        report.files = [f for f in self.store.files() if (f.file_id, f.place) in keys]
        jobs = self.store.jobs()
        unwritten_jobs = {status.job_id for status in unwritten(jobs)}
        report.jobs = [
            job
            for job in jobs
            if job.job_id in unwritten_jobs or any((f.file_id, f.place) in keys for f in job.files)
        ]
        for file in report.files:
            if file.state != "imported":
                self.run.add_problem(f"{file.state}: {file.reason}")
        for job in report.jobs:
            if job.refusal:
                self.run.add_problem(f"{job.job_id} was not written: {job.refusal}")
        report.problems = self.run.problems


def _opener(site: Site) -> OpenContent:
    """Opens a file of the org by its id, any other by its URL."""

    def open_content(file_id: str) -> AbstractContextManager[Iterator[bytes]]:
        return _url_content(file_id) if "://" in file_id else site.org.file_content(file_id)

    return open_content


@contextmanager
def _url_content(url: str) -> Iterator[Iterator[bytes]]:
    """Of file:// or s3://. Raises BillingFileError for what cannot be read: others go on."""
    from seil.lake import Bucket
    from seil.sf_to_t1.refusals import BillingFileError

    parts = urlsplit(url)
    if parts.scheme == "file" and not Path(unquote(parts.path)).is_file():
        raise BillingFileError(url, "content", "there is no such file")
    if parts.scheme not in ("file", "s3"):
        raise BillingFileError(url, "content", "only file:// and s3:// can be read")
    folder, _, name = url.rpartition("/")
    try:
        with Bucket(folder).reader(unquote(name)) as file:
            yield iter(lambda: file.read(_CHUNK), b"")
    except LakeError as error:
        raise BillingFileError(url, "content", error.message) from error
