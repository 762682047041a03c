"""Opening a warehouse that cannot be opened: what is wrong, with which file, what to do."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from tests.duckdb_file import database
from tests.limits import HANGS

from seil.errors import ConfigurationError, LostReasonError, StatementError, WarehouseError
from seil.settings import WarehouseSettings
from seil.warehouse import Warehouse, open_warehouse
from seil.warehouse.duckdb.errors import translate

NO_WAIT = timedelta(0)


@contextmanager
def held_by_another_process(file: Path, seconds: float = 60) -> Iterator[int]:
    script = (
        "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); "
        "print('open', flush=True); time.sleep(float(sys.argv[2]))"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(file), str(seconds)], stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout
        assert holder.stdout.readline() == b"open\n"
        yield holder.pid
    finally:
        holder.kill()
        holder.communicate()


def test_tables_survive_closing(settings: WarehouseSettings) -> None:
    with open_warehouse(settings) as warehouse:
        database(warehouse).execute("CREATE TABLE t AS SELECT 1 AS a")
    with open_warehouse(settings, read_only=True) as warehouse:
        assert warehouse.query("FROM t").to_pylist() == [{"a": 1}]


def test_folders_are_made(tmp_path: Path) -> None:
    settings = WarehouseSettings(url=f"duckdb:{tmp_path / 'a' / 'b' / 'w.duckdb'}")
    with open_warehouse(settings) as warehouse:
        assert warehouse.tables() == []
    assert (tmp_path / "a" / "b" / "w.duckdb").exists()


@pytest.mark.parametrize("read_only", [True, False])
def test_a_file_locked_by_another_process_names_it(
    settings: WarehouseSettings, read_only: bool
) -> None:
    file = Path(settings.url.removeprefix("duckdb:"))
    with (
        held_by_another_process(file) as pid,
        pytest.raises(WarehouseError, match=f"PID {pid}") as caught,
    ):
        open_warehouse(settings, read_only=read_only, wait=NO_WAIT)
    assert caught.value.hint.startswith("Close that program, or wait until it ends")
    assert caught.value.exit_code == 3


def test_a_short_lock_is_waited_for(settings: WarehouseSettings) -> None:
    file = Path(settings.url.removeprefix("duckdb:"))
    with (
        held_by_another_process(file, seconds=0.5),
        open_warehouse(settings, wait=timedelta(seconds=HANGS)) as warehouse,
    ):
        assert warehouse.tables() == []


def test_a_connection_of_the_same_process_is_waited_for(settings: WarehouseSettings) -> None:
    writer = open_warehouse(settings)
    database(writer).execute("CREATE TABLE t AS SELECT 1 AS a")
    closing = threading.Timer(0.3, writer.close)
    closing.start()
    with open_warehouse(settings, read_only=True, wait=timedelta(seconds=HANGS)) as warehouse:
        assert warehouse.tables() == ["t"]
    closing.join()


def test_a_new_file_has_small_blocks(settings: WarehouseSettings) -> None:
    """So that a few rows in each of many columns take little memory, and little to write."""
    with open_warehouse(settings) as warehouse:
        sizes = warehouse.query("SELECT block_size FROM pragma_database_size()")
    assert sizes["block_size"].to_pylist() == [65_536]


def test_a_second_connection_with_other_settings_is_refused(
    settings: WarehouseSettings, warehouse: Warehouse
) -> None:
    with pytest.raises(WarehouseError, match="different configuration") as caught:
        open_warehouse(settings, read_only=True, wait=NO_WAIT)
    assert caught.value.hint == "Close the other connection to this file first"


def test_reading_before_anything_is_loaded_says_what_to_run(settings: WarehouseSettings) -> None:
    with pytest.raises(WarehouseError, match="does not exist") as caught:
        open_warehouse(settings, read_only=True)
    assert "seil run" in caught.value.hint


@pytest.mark.parametrize("content", [b"not a database" * 1000, b"\0" * 5], ids=["text", "short"])
def test_a_file_that_is_no_database_is_not_overwritten(
    settings: WarehouseSettings, content: bytes
) -> None:
    file = Path(settings.url.removeprefix("duckdb:"))
    file.write_bytes(content)
    with pytest.raises(WarehouseError) as caught:
        open_warehouse(settings)
    assert "Run `seil rebuild`" in caught.value.hint
    assert file.read_bytes() == content


def test_a_damaged_file_says_how_to_rebuild(settings: WarehouseSettings) -> None:
    with open_warehouse(settings) as warehouse:
        database(warehouse).execute("CREATE TABLE t AS SELECT range AS a FROM range(100000)")
    file = Path(settings.url.removeprefix("duckdb:"))
    whole = bytearray(file.read_bytes())
    whole[13_000:20_000] = bytes(7_000)
    file.write_bytes(whole)
    with pytest.raises(WarehouseError) as caught, open_warehouse(settings) as warehouse:
        warehouse.query("SELECT sum(a) FROM t")
    assert "Run `seil rebuild`" in caught.value.hint


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WarehouseError, match="cannot make its folder") as caught:
        open_warehouse(WarehouseSettings(url=f"duckdb:{tmp_path / 'file' / 'w.duckdb'}"))
    assert "[warehouse] url" in caught.value.hint


@pytest.mark.parametrize("url", ["postgres://x", "duckdb:", "warehouse.duckdb"])
def test_an_unknown_url_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="write duckdb:<file>"):
        open_warehouse(WarehouseSettings(url=url))


_FILL_THE_DISK = """
import resource, signal, sys
from seil.errors import WarehouseError
from seil.settings import WarehouseSettings
from seil.warehouse import open_warehouse

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open_warehouse(WarehouseSettings(url=sys.argv[1])) as warehouse:
    database = warehouse.database
    database.execute("CREATE TABLE t AS SELECT 1 AS a")
    database.execute("CHECKPOINT")
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, resource.RLIM_INFINITY))
    try:
        with database.transaction():
            database.execute("INSERT INTO t SELECT range FROM range(10)")
            database.execute("CREATE TABLE u AS SELECT hash(range) AS h FROM range(3_000_000)")
    except WarehouseError as error:
        print(error.hint)
"""


def test_a_full_disk_commits_nothing(settings: WarehouseSettings) -> None:
    # A limit on file sizes is what a test can set; the kernel's answer is as final as ENOSPC.
    done = subprocess.run(
        [sys.executable, "-c", _FILL_THE_DISK, settings.url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "The disk is full" in done.stdout, done.stderr
    with open_warehouse(settings, read_only=True) as warehouse:
        assert warehouse.query("FROM t").to_pylist() == [{"a": 1}]
        assert warehouse.tables() == ["t"]


@pytest.mark.parametrize(
    ("error", "kind", "hint"),
    [
        (duckdb.IOException("Cannot open: Permission denied"), WarehouseError, "right to write"),
        (duckdb.IOException("write: Read-only file system"), WarehouseError, "right to write"),
        (duckdb.IOException("write: No space left on device"), WarehouseError, "disk is full"),
        (duckdb.OutOfMemoryException("Out of Memory Error: 1"), WarehouseError, "memory"),
        (
            duckdb.FatalException("database has been invalidated"),
            WarehouseError,
            "Run `seil rebuild`",
        ),
        (
            duckdb.InternalException(
                "INTERNAL Error: Attempted to access index 0 within vector of size 0\n\n"
                "Stack Trace:\n\n/lib/x.so"
            ),
            LostReasonError,
            "nothing was changed: wait a moment, then run the same command again",
        ),
        (duckdb.IOException("something else"), WarehouseError, ""),
        (duckdb.BinderException("Binder Error: no x\n\nLINE 1: x"), StatementError, ""),
        (duckdb.ConstraintException("twice"), StatementError, ""),
    ],
)
def test_errors_are_translated(error: duckdb.Error, kind: type[WarehouseError], hint: str) -> None:
    translated = translate("duckdb:w", error)
    assert type(translated) is kind
    assert hint in translated.hint
    assert "LINE 1" not in translated.reason
    assert "Stack Trace" not in translated.reason


def test_too_little_memory_names_a_value_to_try(tmp_path: Path) -> None:
    settings = WarehouseSettings(url=f"duckdb:{tmp_path / 'w.duckdb'}", memory="32MB", threads=1)
    with (
        open_warehouse(settings) as warehouse,
        pytest.raises(WarehouseError, match="Out of Memory") as caught,
    ):
        warehouse.query("SELECT list(range) FROM range(10_000_000)")
    assert caught.value.hint == "Raise [warehouse] memory in seil.toml: it is 32MB; try 64MB"
    assert "SET " not in caught.value.reason


def test_advice_for_another_program_is_left_out() -> None:
    message = (
        'IO Error: Could not set lock on file "w": Conflicting lock is held in /usr/bin/x (PID 7). '
        "However, you would be able to open this database in read-only mode, e.g. by using the "
        "-readonly parameter in the CLI. See also https://duckdb.org/docs/connect/concurrency"
    )
    translated = translate("duckdb:w", duckdb.IOException(message))
    assert translated.reason == (
        'Could not set lock on file "w": Conflicting lock is held in /usr/bin/x (PID 7)'
    )
    assert translated.hint.startswith("Close that program")


_INTERRUPTED = """
import sys
from seil.settings import WarehouseSettings
from seil.warehouse import open_warehouse

with open_warehouse(WarehouseSettings(url=sys.argv[1])) as warehouse:
    database = warehouse.database
    database.execute("CREATE TABLE kept AS SELECT 1 AS a")
    try:
        with database.transaction():
            database.execute("CREATE TABLE gone AS SELECT 1 AS a")
            print("begun", flush=True)
            database.execute("SELECT count(*) FROM range(1000000000000) AS t(a) WHERE hash(a) = 1")
    except KeyboardInterrupt:
        print(*warehouse.tables())
"""


def test_ctrl_c_ends_a_long_statement_and_leaves_nothing(settings: WarehouseSettings) -> None:
    command = [sys.executable, "-c", _INTERRUPTED, settings.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        assert running.stdout
        assert running.stdout.readline() == b"begun\n"
        time.sleep(0.3)
        running.send_signal(signal.SIGINT)
        answer, _ = running.communicate(timeout=HANGS)
    assert answer == b"kept\n"


@pytest.fixture
def reading(settings: WarehouseSettings) -> Iterator[Warehouse]:
    with open_warehouse(settings) as warehouse:
        database(warehouse).execute("CREATE TABLE t AS SELECT 1 AS a")
    with open_warehouse(settings, read_only=True) as warehouse:
        yield warehouse


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t VALUES (1)",
        "DROP TABLE t",
        "CREATE TABLE u AS SELECT 1",
        "SELECT 1; DROP TABLE t",
        "COPY t TO '{folder}/stolen.csv'",
        "ATTACH '{folder}/other.duckdb'",
        "SELECT * FROM read_csv('/etc/hosts')",
        "SET enable_external_access = true",
    ],
)
def test_read_only_neither_writes_nor_reaches_out(
    reading: Warehouse, tmp_path: Path, sql: str
) -> None:
    with pytest.raises(StatementError), reading.stream(sql.format(folder=tmp_path)) as batches:
        list(batches)
    assert reading.query("FROM t").to_pylist() == [{"a": 1}]
    assert not (tmp_path / "stolen.csv").exists()


def test_a_checkpoint_leaves_row_groups_as_they_are(settings: WarehouseSettings) -> None:
    """Merging them would write a delta's tables anew."""
    for first in (0, 100, 200):
        with open_warehouse(settings) as warehouse:
            opened = database(warehouse)
            opened.execute("CREATE TABLE IF NOT EXISTS t (a BIGINT)")
            opened.execute(f"DELETE FROM t WHERE a = {first - 1}")
            opened.execute(f"INSERT INTO t SELECT {first} + range FROM range(100)")
    with open_warehouse(settings, read_only=True) as warehouse:
        groups = warehouse.query("SELECT DISTINCT row_group_id FROM pragma_storage_info('t')")
    assert groups.num_rows == 3
