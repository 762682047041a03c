"""The kinds of published events, with the fields of their details: the reference of events.

A test compares published events with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["EVENT_KINDS", "EventKind"]


@dataclass(frozen=True)
class EventKind:
    """`detail` describes each field; an event has those that apply to it."""

    source: str
    detail_type: str
    when: str
    detail: Mapping[str, str]


_SOURCE = "seil.sf-to-dw"
_OBJECT = {"object": "API name of the object"}
_FILE = {
    "key": "the file in the landing bucket",
    "archived_key": "where it was moved: processed/ or error/",
    "flow_run_id": "flow run that landed it",
    "message": "what went wrong, at most 2,000 characters",
}

EVENT_KINDS = (
    EventKind(
        _SOURCE,
        "run",
        "A command that takes the run lock starts and ends.",
        {
            "state": "`started`, `success`, `incomplete`, `error`, `interrupted`, `refused`",
            "run_id": "id of the run",
            "command": "`run`, `extract`, `load`, ...",
            "rows": "rows landed",
            "files": "files taken in",
            "failed_files": "files rejected",
            "set_aside": "records set aside by rules",
            "loaded_rows": "rows merged",
            "failed": "steps that failed, as `<step> <object or table>`",
            "message": "the error that ended it",
            "hint": "the next command",
            "error": "type of the error (errors.md)",
            "exit_code": "exit code of the command",
        },
    ),
    EventKind(
        _SOURCE,
        "flow-run",
        "A flow starts, resumes after a kill, succeeds or fails.",
        {
            "state": "`started`, `resumed`, `halved`, `success`, `error`",
            **_OBJECT,
            "flow_run_id": "id of the flow run",
            "job_id": "Bulk API 2.0 query job",
            "mode": "`full`, `delta`, `deletions`, `formulas`, `fields`, `reread`",
            "cursor": "field of the window",
            "window_start": "start of the window, UTC, inclusive; null reads everything",
            "window_end": "end of the window, UTC, exclusive",
            "reported": "records that Salesforce reported",
            "landed": "records in landed files",
            "files": "landed files",
            "left_out": "fields that were not read, with the reason",
            "part": "part of the window that one job reads",
            "message": "the error",
        },
    ),
    EventKind(
        "aws.s3",
        "Object Created",
        "A page is complete in the landing zone; the shape is Amazon S3's own.",
        {
            "version": "0",
            "bucket": "`name`",
            "object": "`key`, `size`, `etag`",
            "reason": "`PutObject`",
        },
    ),
    EventKind(
        _SOURCE,
        "file-ingestion",
        "A landed file was taken in, or rejected.",
        {
            "state": "`success` or `error`",
            **_OBJECT,
            **_FILE,
            "bytes": "size of the file",
            "mode": "mode of the flow run",
            "curated_key": "the clean copy",
            "exceptions_key": "records that broke a rule",
            "landed_rows": "rows of the file",
            "curated_rows": "rows of the clean copy",
            "rejected_rows": "rows set aside",
            "rules": "rules that were applied",
            "set_aside": "rows set aside per rule",
            "missing": "fields of the object that the file lacks",
            "left_out": "columns that were not taken over, with the reason",
            "cut": "columns whose values were shortened",
            "processing_id": "id of this pass, as in the lineage columns",
            "function_name": "as in the lineage columns",
            "function_version": "as in the lineage columns",
            "digest": "SHA-256 of the file",
            "check": "the sanity check that failed",
            "hint": "the next command",
        },
    ),
    EventKind(
        _SOURCE,
        "file-retry",
        "A rejected file was moved back to `in/`.",
        {"state": "`retry`", **_OBJECT, **_FILE},
    ),
    EventKind(
        _SOURCE,
        "schema-drift",
        "Fields of an object, columns of a file or of a table differ from before.",
        {
            **_OBJECT,
            "added": "new fields with their type",
            "removed": "fields that are gone, with their type",
            "widened": "fields whose type now holds more, old and new",
            "incompatible": "fields whose type no longer fits, old and new",
            "key": "the landed file, where a file differs",
            "table": "the table, where a load changed one",
            "column": "its column",
            "change": "`added`, `widened`, `to-text`",
            "old_type": "type before",
            "new_type": "type now",
            "provisional": "whether a later file may narrow it",
            "curated_key": "the file that caused it",
            "message": "the change as a sentence",
        },
    ),
    EventKind(
        _SOURCE,
        "schema-accepted",
        "A person decided on changed fields: `seil schema accept`.",
        {**_OBJECT, "decisions": "column, policy, who and when"},
    ),
    EventKind(
        _SOURCE,
        "load",
        "Curated files were merged into a table of current records.",
        {
            "state": "`success` or `error`",
            **_OBJECT,
            "table": "the table",
            "files": "files merged",
            "rows": "rows of the files",
            "inserted": "records that were new",
            "updated": "records with a newer version",
            "deleted": "records marked as deleted",
            "unchanged": "versions that the table had already",
            "superseded": "versions older than the table's",
            "without_key": "rows without an Id, not merged",
            "errors": "files that could not be merged",
        },
    ),
    EventKind(
        _SOURCE,
        "build",
        "Tables were built and tested.",
        {
            "state": "`success` or `error`",
            "build_id": "id of the build",
            "loads": "files that the tables hold",
            "tables": "per table: state, mode, rows, deleted, inserted, message",
            "warnings": "broken tests of level warning",
        },
    ),
    EventKind(
        _SOURCE,
        "rebuild",
        "The warehouse was built anew from curated: `seil rebuild`.",
        {
            "state": "`success` or `error`",
            "warehouse": "URL",
            "was": "`present`, `missing` or `broken`",
            "replaced": "whether the new one took its place",
            "files": "files loaded",
            "rows": "rows loaded",
            "refused": "what the old one has and the new one lacks",
        },
    ),
    EventKind(
        _SOURCE,
        "move",
        "Another warehouse was filled from curated and compared with the site's: `seil move`.",
        {
            "state": "`success` or `error`",
            "from": "URL of the site's warehouse",
            "to": "URL of the new one",
            "equal": "whether they hold the same",
            "switched": "whether the settings name the new one now",
            "files": "curated files that the new one has",
            "rows": "rows that were compared and equal",
            "differing": "tables that differ",
        },
    ),
    EventKind(
        "seil.salesforce",
        "platform-event",
        "`seil subscribe` received a platform event; the same event is published once.",
        {
            "name": "API name of the platform event",
            "event_id": "its id in Salesforce",
            "fields": "its fields",
        },
    ),
)
