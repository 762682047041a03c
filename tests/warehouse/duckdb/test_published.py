"""The readers' copy: whole or not there, and in nobody's way."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.duckdb_file import database

from seil.settings import WarehouseSettings
from seil.warehouse import open_reading, open_warehouse, publish
from seil.warehouse.duckdb.published import PublishedCopy, published_copy

NO_WAIT = timedelta(0)


@pytest.fixture
def copy(settings: WarehouseSettings) -> PublishedCopy:
    return published_copy(settings)


def write(settings: WarehouseSettings, value: int) -> None:
    with open_warehouse(settings) as warehouse:
        database(warehouse).execute(f"CREATE OR REPLACE TABLE t AS SELECT {value} AS a")


def read(settings: WarehouseSettings) -> list[int]:
    with open_reading(settings, wait=NO_WAIT) as reading:
        return [row["a"] for row in reading.warehouse.query("FROM t").to_pylist()]


@contextmanager
def opened_elsewhere(file: Path, *, read_only: bool) -> Iterator[subprocess.Popen[str]]:
    """Answers each line it is sent with what it finds in `t`."""
    script = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=bool(int(sys.argv[2])));"
        "print(c.execute('FROM t').fetchall(), flush=True);"
        "[print(c.execute('FROM t').fetchall(), flush=True) for _ in sys.stdin]"
    )
    command = [sys.executable, "-c", script, str(file), str(int(read_only))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        yield holder
        holder.communicate()


def test_the_copy_is_named_in_the_docs(copy: PublishedCopy) -> None:
    assert copy.path.name == f"{copy.file.stem}.read.duckdb"


def test_readers_see_what_was_published_last(settings: WarehouseSettings) -> None:
    write(settings, 1)
    assert read(settings) == [1]
    assert publish(settings).how in ("copy", "reflink")
    write(settings, 2)
    assert read(settings) == [1]
    publish(settings)
    assert read(settings) == [2]


def test_a_reader_reads_on_while_a_run_writes(settings: WarehouseSettings) -> None:
    write(settings, 1)
    publish(settings)
    with open_warehouse(settings) as writing:
        database(writing).execute("INSERT INTO t VALUES (2)")
        assert read(settings) == [1]


def test_its_age_is_that_of_its_publication(
    settings: WarehouseSettings, copy: PublishedCopy
) -> None:
    write(settings, 1)
    with open_reading(settings) as reading:
        assert reading.as_of is None
    publish(settings)
    old = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    os.utime(copy.path, (old, old))
    with open_reading(settings) as reading:
        assert reading.as_of == datetime(2026, 1, 1, tzinfo=UTC)
    begun = datetime.now(UTC) - timedelta(seconds=1)
    inode = copy.path.stat().st_ino
    assert publish(settings).how == "unchanged"
    assert copy.path.stat().st_ino == inode
    assert copy.as_of
    assert copy.as_of > begun


@pytest.mark.parametrize("read_only", [True, False], ids=["read-only", "for writing"])
def test_who_has_the_copy_open_holds_up_nobody(
    settings: WarehouseSettings, copy: PublishedCopy, read_only: bool
) -> None:
    write(settings, 1)
    publish(settings)
    if not read_only:
        # Only those whom no mode stops can do that.
        copy.path.chmod(0o644)
    with opened_elsewhere(copy.path, read_only=read_only) as holder:
        assert holder.stdin
        assert holder.stdout
        assert holder.stdout.readline() == "[(1,)]\n"
        write(settings, 2)
        assert publish(settings).ok
        assert read(settings) == [2]
        holder.stdin.write("again\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "[(1,)]\n"


def test_a_copy_that_somebody_locks_is_passed_by(
    settings: WarehouseSettings, copy: PublishedCopy
) -> None:
    write(settings, 1)
    publish(settings)
    copy.path.chmod(0o644)
    with opened_elsewhere(copy.path, read_only=False) as holder:
        assert holder.stdout
        holder.stdout.readline()
        assert read(settings) == [1]


def test_the_log_of_somebody_who_wrote_into_the_copy_is_none_of_the_next(
    settings: WarehouseSettings, copy: PublishedCopy
) -> None:
    write(settings, 1)
    publish(settings)
    write(settings, 2)
    wal = copy.path.with_name(f"{copy.path.name}.wal")
    wal.write_bytes(b"of another file")
    publish(settings)
    assert not wal.exists()
    assert read(settings) == [2]


def test_it_can_be_read_by_whom_the_file_can_and_written_by_nobody(
    settings: WarehouseSettings, copy: PublishedCopy
) -> None:
    write(settings, 1)
    copy.file.chmod(0o640)
    publish(settings)
    assert stat.S_IMODE(copy.path.stat().st_mode) == 0o440


def test_what_stands_in_the_log_of_a_killed_writer_is_published(
    settings: WarehouseSettings, copy: PublishedCopy
) -> None:
    write(settings, 1)
    wal = copy.file.with_name(f"{copy.file.name}.wal")
    with open_warehouse(settings) as warehouse:
        database(warehouse).execute("INSERT INTO t VALUES (2)")
        files = {path: path.read_bytes() for path in (copy.file, wal)}
    for path, content in files.items():
        path.write_bytes(content)
    assert publish(settings).ok
    assert read(settings) == [1, 2]


def test_half_a_copy_of_a_killed_run_is_replaced(
    settings: WarehouseSettings, copy: PublishedCopy
) -> None:
    write(settings, 1)
    half = copy.path.with_name(f"{copy.path.name}.new")
    half.write_bytes(b"half")
    half.chmod(0)
    assert publish(settings).ok
    assert not half.exists()
    assert read(settings) == [1]


def test_no_copy_is_wanted(settings: WarehouseSettings, copy: PublishedCopy) -> None:
    write(settings, 1)
    publish(settings)
    without = settings.model_copy(update={"publish": False})
    write(settings, 2)
    assert read(without) == [2]
    assert publish(without).how == "off"
    assert not copy.path.exists()


def test_a_rebuilt_file_is_published_even_if_its_headers_are_those_of_the_old(
    settings: WarehouseSettings, copy: PublishedCopy
) -> None:
    write(settings, 1)
    publish(settings)
    whole = bytearray(copy.file.read_bytes())
    whole[-1] ^= 1
    copy.file.write_bytes(whole)
    assert publish(settings).how == "unchanged"
    publish(settings, is_replaced=True)
    assert copy.path.read_bytes() == bytes(whole)


def test_a_file_that_somebody_writes_to_is_not_copied(
    settings: WarehouseSettings, copy: PublishedCopy
) -> None:
    write(settings, 1)
    publish(settings)
    with opened_elsewhere(copy.file, read_only=False) as holder:
        assert holder.stdout
        holder.stdout.readline()
        problem = publish(settings).problem
    assert problem.endswith(
        "is not up to date: another program has it open for writing."
        " Close that program; the next run publishes"
    )
    assert read(settings) == [1]


_FULL = """
import resource, signal, sys
from seil.settings import WarehouseSettings
from seil.warehouse import publish

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
print(publish(WarehouseSettings(url=sys.argv[1])).problem)
"""


def test_a_full_disk_leaves_the_old_copy(settings: WarehouseSettings, copy: PublishedCopy) -> None:
    # A limit on file sizes is what a test can set; a file system that shares blocks has room.
    write(settings, 1)
    how = publish(settings).how
    write(settings, 2)
    command = [sys.executable, "-c", _FULL, settings.url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    if how == "copy":
        assert "is not up to date: the disk is full. Free some space" in done.stdout
        assert read(settings) == [1]
    assert not copy.path.with_name(f"{copy.path.name}.new").exists()


_READERS = """
import os, sys
from datetime import timedelta
from pathlib import Path
import duckdb
from seil.settings import WarehouseSettings
from seil.warehouse import open_reading, open_warehouse, publish

settings = WarehouseSettings(url=sys.argv[1], threads=1)
done = Path(sys.argv[2])
readers, runs = int(sys.argv[3]), int(sys.argv[4])
SUM = "SELECT max(a) AS a FROM (FROM loaded UNION ALL FROM built) HAVING min(a) = max(a)"

def run(value):
    with open_warehouse(settings, wait=timedelta(0)) as warehouse:
        for table in ("loaded", "built"):
            warehouse.database.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT {value} AS a")
    assert publish(settings).ok

def read_on():
    seen = 0
    while True:
        last = done.exists()
        with open_reading(settings, wait=timedelta(0)) as reading:
            assert reading.as_of
            [value] = reading.warehouse.query(SUM)["a"].to_pylist()
        assert value >= seen
        seen = value
        if last:
            return seen

run(0)
processes = []
for _ in range(readers):
    reader = os.fork()
    if reader == 0:
        try:
            os._exit(0 if read_on() == runs else 1)
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(2)
    processes.append(reader)
for value in range(1, runs + 1):
    run(value)
done.touch()
print([os.waitstatus_to_exitcode(os.waitpid(reader, 0)[1]) for reader in processes])
"""


@pytest.mark.parametrize(
    ("readers", "runs"), [(3, 6), pytest.param(10, 20, marks=pytest.mark.matrix)]
)
def test_readers_beside_runs(
    settings: WarehouseSettings, tmp_path: Path, readers: int, runs: int
) -> None:
    """None fails or waits, and each sees what was loaded and what was built of it together."""
    files = [settings.url, str(tmp_path / "done")]
    command = [sys.executable, "-c", _READERS, *files, str(readers), str(runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == f"{[0] * readers}\n", done.stderr


def test_a_folder_of_a_killed_reader_goes(settings: WarehouseSettings, copy: PublishedCopy) -> None:
    write(settings, 1)
    publish(settings)
    with open_reading(settings, wait=NO_WAIT) as reading:
        spill = "SELECT current_setting('temp_directory') AS folder"
        own = Path(reading.warehouse.query(spill)["folder"][0].as_py())
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    prefix = own.name.partition(".tmp-")[0]
    names = {
        ended.pid: False,
        f"{ended.pid}-1": False,
        f"{os.getpid()}-1": False,
        os.getpid(): True,
    }
    folders = {own.with_name(f"{prefix}.tmp-{name}"): stays for name, stays in names.items()}
    folders[own] = True
    for folder in folders:
        folder.mkdir()
    write(settings, 2)
    publish(settings)
    assert {folder: folder.exists() for folder in folders} == folders
