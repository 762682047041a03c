"""DuckDB's errors, translated: what happened, to which file, what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from seil.errors import LostReasonError, StatementError, WarehouseError
from seil.sizes import doubled

# DuckDB has one exception class for all errors of the file system, so the message decides.
_LOCKED = r"set lock on file.*held in"
_IN_USE = r"set lock on file|different configuration|already attached"
_FULL = r"No space left|failed to offload|max_temp_directory_size|File too large|[Qq]uota exceeded"
_MISSING = r"database does not exist"
# A race in windows over few rows, which damages no file, only the open connections to it:
# https://github.com/duckdb/duckdb/issues/25713 (DuckDB 1.5.5). It rarely happens twice.
_RACE = r"access index 0 within vector of size 0"
_BROKEN = (
    r"not a valid DuckDB|read enough bytes|[Cc]orrupt|database has been invalidated|INTERNAL Error"
    r"|[Ss]erializ|newer version|Is a directory"
)
_FORBIDDEN = r"Permission denied|Read-only file system|Operation not permitted"
_NO_FOLDER = r"No such file or directory|Not a directory"
_MEMORY = r"Out of Memory|could not allocate"
# When one of its threads fails, DuckDB stops the others, and sometimes reports that as the error:
# https://github.com/duckdb/duckdb/pull/25902. Ctrl-C has another message.
_STOPPED = r"INTERRUPT Error"

_REBUILD = (
    "Run `seil rebuild`: it recreates everything from curated files, and keeps this one as .broken"
)
# Advice for DuckDB's own command line.
_CLI_ADVICE = re.compile(r"\.? However, you would be able to open this database.*", re.DOTALL)
_HINTS = {
    _LOCKED: "Close that program, or wait until it ends",
    _IN_USE: "Close the other connection to this file first",
    _FULL: "The disk is full: free some space, then run the same command again; nothing is lost",
    _MISSING: "Load something first: `seil run`, or `seil load` where files are waiting",
    _RACE: "DuckDB failed, nothing was changed: wait a moment, then run the same command again",
    _BROKEN: _REBUILD,
    _FORBIDDEN: "Give this user the right to write there, or change [warehouse] url in seil.toml",
    _NO_FOLDER: "Check [warehouse] url in seil.toml",
    _MEMORY: "Raise [warehouse] memory in seil.toml",
    _STOPPED: "Nothing was changed. Run the same command again: it names the reason",
}

_STATEMENT_ERRORS = (
    duckdb.ProgrammingError,
    duckdb.DataError,
    duckdb.IntegrityError,
    duckdb.NotSupportedError,
    duckdb.PermissionException,
)


@contextmanager
def translated_errors(url: str, *, memory: str = "") -> Iterator[None]:
    """`memory` is the limit as it is set."""
    try:
        yield
    except duckdb.Error as error:
        raise translate(url, error, memory=memory) from error


def translated_batches(
    url: str, batches: Iterable[pa.RecordBatch], *, memory: str = ""
) -> Iterator[pa.RecordBatch]:
    """Like `translated_errors` while a result is read: Arrow passes on only the message."""
    try:
        yield from batches
    except (OSError, pa.ArrowException) as error:
        raise _describe(url, str(error), StatementError, memory) from error


def translate(url: str, error: duckdb.Error, *, memory: str = "") -> WarehouseError:
    kind = StatementError if isinstance(error, _STATEMENT_ERRORS) else WarehouseError
    return _describe(url, str(error), kind, memory)


def is_broken(error: WarehouseError) -> bool:
    """Whether the file itself is damaged."""
    return error.hint == _REBUILD


def _describe(url: str, text: str, kind: type[WarehouseError], memory: str) -> WarehouseError:
    message = _CLI_ADVICE.sub("", re.sub(r"\.? See also https?://\S+", "", text)).strip()
    # Below the first line DuckDB repeats the statement with a caret, lists its own calls, or names
    # settings of its own.
    reason = (
        re.split(r"\s+(?:LINE \d+:|Stack Trace:|Possible solutions:)", message, maxsplit=1)[0]
        .replace("\n", " ")
        .removeprefix("IO Error: ")
    )
    for pattern, hint in _HINTS.items():
        if re.search(pattern, message, re.DOTALL):
            if pattern == _STOPPED:
                reason = "a statement failed and DuckDB lost the reason"
            if pattern in (_STOPPED, _RACE):
                return LostReasonError(url, reason, hint=hint)
            more = (
                f": it is {memory}; try {doubled(memory)}" if pattern == _MEMORY and memory else ""
            )
            return WarehouseError(url, reason, hint=f"{hint}{more}")
    return kind(url, reason)
