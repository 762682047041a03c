"""The state's tables, as ordered migrations: `MIGRATIONS[n]` leads from version n to n + 1.

A migration that was released is never edited. `meta` holds the version, and who wrote it.
"""

from __future__ import annotations

from collections.abc import Callable

from seil import __version__
from seil.errors import NewerSiteError
from seil.state.database import Database, Row, Transaction

MIGRATIONS = (
    """
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY,
    command TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT NOT NULL,
    outcome TEXT NOT NULL,
    message TEXT NOT NULL,
    hint TEXT NOT NULL,
    error TEXT NOT NULL,
    exit_code BIGINT NOT NULL,
    host TEXT NOT NULL,
    pid BIGINT NOT NULL,
    process_start TEXT NOT NULL,
    plan TEXT NOT NULL,
    counts TEXT NOT NULL
);
CREATE INDEX runs_started ON runs (started_at, run_id);
CREATE TABLE run_attempts (
    run_id TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
    step TEXT NOT NULL,
    about TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    number BIGINT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT NOT NULL,
    outcome TEXT NOT NULL,
    done BIGINT NOT NULL,
    error TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (run_id, number)
);
CREATE TABLE run_lines (
    run_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    line BIGINT NOT NULL,
    logged_at TEXT NOT NULL,
    level TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (run_id, number, line)
);
CREATE TABLE troubles (
    step TEXT NOT NULL,
    about TEXT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    hint TEXT NOT NULL,
    since TEXT NOT NULL,
    run_id TEXT NOT NULL,
    command TEXT NOT NULL,
    PRIMARY KEY (step, about)
);
CREATE TABLE decisions (
    object TEXT NOT NULL,
    number BIGINT NOT NULL,
    column_name TEXT NOT NULL,
    policy TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    decided_at TEXT NOT NULL,
    old_type TEXT NOT NULL,
    new_type TEXT NOT NULL,
    target TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    PRIMARY KEY (object, number)
)
""",
    """
CREATE TABLE outcomes (
    flow TEXT NOT NULL,
    object TEXT NOT NULL,
    key TEXT NOT NULL,
    run_id TEXT NOT NULL,
    operation TEXT NOT NULL,
    fields TEXT NOT NULL,
    image_before TEXT NOT NULL,
    state TEXT NOT NULL,
    record_id TEXT NOT NULL,
    created BIGINT NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    batch_id TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    PRIMARY KEY (flow, object, key, run_id, operation)
);
CREATE INDEX outcomes_batch ON outcomes (batch_id, key);
CREATE INDEX outcomes_run ON outcomes (run_id);
CREATE INDEX outcomes_changed ON outcomes (changed_at);
CREATE TABLE write_batches (
    batch_id TEXT PRIMARY KEY,
    flow TEXT NOT NULL,
    run_id TEXT NOT NULL,
    object TEXT NOT NULL,
    operation TEXT NOT NULL,
    key_field TEXT NOT NULL,
    by_job BIGINT NOT NULL,
    job_id TEXT NOT NULL,
    sent_at TEXT NOT NULL
)
""",
    """
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    token BIGINT NOT NULL,
    holder TEXT NOT NULL,
    machine TEXT NOT NULL,
    pid BIGINT NOT NULL,
    process_start TEXT NOT NULL,
    renewed_at TEXT NOT NULL,
    seconds BIGINT NOT NULL
);
CREATE TABLE billing_files (
    file_id TEXT NOT NULL,
    place TEXT NOT NULL,
    state TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    size BIGINT NOT NULL,
    row_count BIGINT NOT NULL,
    batch_rows BIGINT NOT NULL,
    column_names TEXT NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    note TEXT NOT NULL,
    run_id TEXT NOT NULL,
    requested_at TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    PRIMARY KEY (file_id, place)
);
CREATE INDEX billing_files_state ON billing_files (state, requested_at);
CREATE INDEX billing_files_content ON billing_files (content_hash, place);
CREATE TABLE billing_batches (
    file_id TEXT NOT NULL,
    place TEXT NOT NULL,
    number BIGINT NOT NULL,
    first_row BIGINT NOT NULL,
    row_count BIGINT NOT NULL,
    state TEXT NOT NULL,
    row_hashes TEXT NOT NULL,
    criteria TEXT NOT NULL,
    rows_before TEXT NOT NULL,
    total_before BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    reason TEXT NOT NULL,
    run_id TEXT NOT NULL,
    sent_at TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    PRIMARY KEY (file_id, place, number)
);
CREATE INDEX billing_batches_state ON billing_batches (place, state);
CREATE TABLE billing_jobs (
    job_id TEXT PRIMARY KEY,
    written_status TEXT NOT NULL,
    written_message TEXT NOT NULL,
    refusal TEXT NOT NULL,
    requested_at TEXT NOT NULL,
    changed_at TEXT NOT NULL
);
CREATE TABLE billing_job_files (
    job_id TEXT NOT NULL,
    file_id TEXT NOT NULL,
    place TEXT NOT NULL,
    PRIMARY KEY (job_id, file_id, place)
)
""",
    """
CREATE TABLE stream_positions (
    topic TEXT PRIMARY KEY,
    replay_id TEXT NOT NULL,
    gap TEXT NOT NULL,
    gap_until TEXT NOT NULL,
    changed_at TEXT NOT NULL
)
""",
    """
CREATE TABLE events (
    number BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    occurred_at TEXT NOT NULL,
    source TEXT NOT NULL,
    detail_type TEXT NOT NULL,
    object TEXT NOT NULL,
    state TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX events_occurred ON events (occurred_at);
CREATE INDEX events_type ON events (detail_type, number);
CREATE INDEX events_object ON events (object, number);
CREATE TABLE event_files (
    key TEXT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (key, number)
);
CREATE INDEX event_files_number ON event_files (number)
""",
)
VERSION = len(MIGRATIONS)
# In an order in which each may refer to those before it.
META_OF_ITS_OWN = ("version", "written_by", "site_id")
TABLES = (
    "runs",
    "run_attempts",
    "run_lines",
    "troubles",
    "decisions",
    "outcomes",
    "write_batches",
    "billing_files",
    "billing_batches",
    "billing_jobs",
    "billing_job_files",
    "stream_positions",
    "events",
    "event_files",
)

META = "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
SET_META = (
    "INSERT INTO meta (name, value) VALUES (:name, :value) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_GET_META = "SELECT name, value FROM meta"


def is_current(place: str, meta: list[Row]) -> bool:
    """Raises NewerSiteError of a state that a later version has migrated."""
    stored = {str(name): str(value) for name, value in meta}
    version = int(stored.get("version", "0"))
    if version > VERSION:
        raise NewerSiteError(place, version, VERSION, stored.get("written_by", ""))
    return version == VERSION


def migrate(place: str, transaction: Transaction) -> None:
    """For whoever holds the one write lock of the database."""
    transaction.execute(META)
    rows = transaction.rows(_GET_META)
    if is_current(place, rows):
        return
    stored = {str(name): str(value) for name, value in rows}
    for migration in MIGRATIONS[int(stored.get("version", "0")) :]:
        for statement in migration.split(";\n"):
            transaction.execute(statement)
    for name, value in (("version", str(VERSION)), ("written_by", __version__)):
        transaction.execute(SET_META, name=name, value=value)


def read_meta(rows: Callable[[str], list[Row]]) -> list[Row]:
    return rows(_GET_META)


def meta_value(reader: Database | Transaction, name: str) -> str:
    """Empty where there is none."""
    rows = reader.rows("SELECT value FROM meta WHERE name = :name", name=name)
    return str(rows[0][0]) if rows else ""


def set_meta(transaction: Transaction, name: str, value: str) -> None:
    transaction.execute(SET_META, name=name, value=value)
