from __future__ import annotations

import errno
import fcntl
import io
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO, Any
from unittest.mock import patch
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seil.errors import LakeError
from seil.lake import Bucket, Lake

TABLE = pa.table({"a": [1, 2, 3]})


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket((tmp_path / "with space").as_uri())


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """The kernel refuses to let a file grow past `size`, as a full disk or a quota would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)


def test_put_get_head(bucket: Bucket) -> None:
    assert bucket.put("a/b.txt", b"one")
    assert bucket.get("a/b.txt") == b"one"
    entry = bucket.head("a/b.txt")
    assert entry is not None
    assert (entry.key, entry.size) == ("a/b.txt", 3)
    assert bucket.head("a/c.txt") is None


def test_put_create_keeps_the_first(bucket: Bucket) -> None:
    assert bucket.put("a", b"one", create=True)
    assert not bucket.put("a", b"two", create=True)
    assert bucket.get("a") == b"one"


def test_list_below_prefix_in_key_order(bucket: Bucket) -> None:
    for key in ("in/b", "in/a", "other/c", "in/sub/d"):
        bucket.put(key, b"x")
    assert [entry.key for entry in bucket.list("in/")] == ["in/a", "in/b", "in/sub/d"]
    assert len(list(bucket.list())) == 4


HOURS = [f"a/2026/{day:02}/{n:02}/f" for day in (1, 2, 10) for n in (0, 9, 23)]


@pytest.mark.parametrize(
    ("start", "first"),
    [
        ("a/2026/01/09", 1),
        ("a/2026/01/09/f", 2),
        ("a/2026/02", 3),
        ("a/2026/02/10", 5),
        ("a/2026/1", 6),
        ("a/0", 0),
        ("b", 9),
    ],
)
def test_list_from_a_key_on(bucket: Bucket, start: str, first: int) -> None:
    for key in [*HOURS, "b/2026/01/00/f"]:
        bucket.put(key, b"x")
    half = bucket.path("a/2026/10/23/g#12")
    assert half
    half.write_bytes(b"half")
    whole = list(bucket.list("a/"))
    assert [entry.key for entry in whole] == HOURS
    assert list(bucket.list("a/", start=start)) == whole[first:]


def test_list_from_a_key_on_opens_no_folder_before_it(bucket: Bucket) -> None:
    for key in HOURS:
        bucket.put(key, b"x")
    with opened_folders() as opened:
        assert len(list(bucket.list("a/", start="a/2026/10"))) == 3
    assert not [folder for folder in opened if "2026/01" in folder or "2026/02" in folder]


@contextmanager
def opened_folders() -> Iterator[list[str]]:
    opened: list[str] = []
    original = os.scandir

    def scan(folder: Any) -> Any:
        opened.append(str(folder))
        return original(folder)

    with patch.object(os, "scandir", scan):
        yield opened


def test_move_and_delete(bucket: Bucket) -> None:
    bucket.put("in/a", b"x")
    bucket.move("in/a", "processed/2026/a")
    assert [entry.key for entry in bucket.list()] == ["processed/2026/a"]
    bucket.delete("processed/2026/a")
    bucket.delete("processed/2026/a")
    assert list(bucket.list()) == []


def test_writer_shows_the_key_at_the_end(bucket: Bucket) -> None:
    with bucket.writer("x/t.parquet") as file:
        pq.write_table(TABLE, file)
        assert list(bucket.list()) == []
    with bucket.reader("x/t.parquet") as file:
        assert pq.read_table(file).equals(TABLE)


def test_writer_leaves_nothing_behind_after_an_error(bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), bucket.writer("x/t") as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_full_disk_is_a_lake_error_and_leaves_nothing(bucket: Bucket, tmp_path: Path) -> None:
    with file_size_limit(1000), pytest.raises(LakeError) as caught, bucket.writer("big") as file:
        for _ in range(100):
            file.write(b"x" * 1000)
            file.flush()
    assert "big" in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.EFBIG
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_full_disk_at_the_end_of_a_file_leaves_nothing(bucket: Bucket, tmp_path: Path) -> None:
    with file_size_limit(1000), pytest.raises(LakeError), bucket.writer("big") as file:
        file.write(b"x" * 2000)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("create", [True, False])
def test_full_disk_leaves_what_was_put_before(bucket: Bucket, tmp_path: Path, create: bool) -> None:
    bucket.put("state", b"before")
    with file_size_limit(1000), pytest.raises(LakeError, match="Cannot write"):
        bucket.put("new" if create else "state", b"x" * 2000, create=create)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["state"]
    assert bucket.get("state") == b"before"


def test_touch_makes_a_file_new(bucket: Bucket) -> None:
    bucket.put("a", b"x")
    path = bucket.path("a")
    assert path is not None
    os.utime(path, (0, 0))
    bucket.touch("a")
    assert time.time() - path.stat().st_mtime < 60


def test_read_of_a_missing_key_names_it(bucket: Bucket) -> None:
    with pytest.raises(LakeError, match=r"Cannot read file:.*/nope: .*not found"):
        bucket.get("nope")
    with pytest.raises(LakeError, match="nope"), bucket.reader("nope"):
        pass


def test_bucket_below_a_file_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LakeError, match="Cannot create"):
        Bucket((tmp_path / "file" / "bucket").as_uri())


def test_unknown_scheme_names_the_url() -> None:
    with pytest.raises(LakeError, match="gopher://x"):
        Bucket("gopher://x")


def test_path_and_uri(bucket: Bucket, tmp_path: Path) -> None:
    assert bucket.path("a/b") == tmp_path / "with space" / "a/b"
    assert bucket.uri("a/b") == f"file://{quote(str(tmp_path))}/with%20space/a/b"
    assert (bucket.free_bytes() or 0) > 0


def test_memory_bucket_has_no_path() -> None:
    bucket = Bucket("memory:///")
    assert bucket.path("a") is None
    assert bucket.free_bytes() is None
    with bucket.writer("t.parquet") as file:
        pq.write_table(TABLE, file)
    with bucket.reader("t.parquet") as file:
        assert pq.read_table(file).equals(TABLE)
        end = file.seek(-4, io.SEEK_END)
        assert (file.tell(), file.read()) == (end, b"PAR1")


def test_lake_buckets_are_named_by_the_convention(tmp_path: Path) -> None:
    lake = Lake.at(tmp_path.as_uri(), env="sit", project="acme")
    lake.landing.put("a", b"")
    lake.curated.put("a", b"")
    lake.staging.put("a", b"")
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "acme-sit-sf-to-dw-curated",
        "acme-sit-sf-to-dw-landing",
        "acme-sit-sf-to-dw-staging",
    ]


KILLED = """
import os, signal, sys
from seil.lake import Bucket
with Bucket(sys.argv[1]).writer("in/a/b.parquet") as file:
    file.write(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_is_swept(bucket: Bucket) -> None:
    bucket.put("in/a/c.parquet", b"whole")
    subprocess.run([sys.executable, "-c", KILLED, bucket.url], check=False)
    folder = bucket.path("in/a")
    assert folder is not None
    [part] = [path for path in folder.iterdir() if path.name.startswith("b.parquet#")]
    assert bucket.sweep_partial() == [part]
    assert [path.name for path in folder.iterdir()] == ["c.parquet"]


PUTTING = """
import os, signal, sys, threading
from seil.lake import Bucket
threading.Timer(float(sys.argv[2]), os.kill, (os.getpid(), signal.SIGKILL)).start()
while True:
    for number in range(1_000_000):
        Bucket(sys.argv[1]).put(f"state/{number % 3}", b"x" * 3_000_000, create=number % 2 == 0)
"""


def test_what_killed_puts_left_is_never_listed_and_swept(bucket: Bucket) -> None:
    folder = bucket.path("state")
    assert folder is not None
    for attempt in count():
        delay = str(0.05 + attempt % 12 / 50)
        subprocess.run([sys.executable, "-c", PUTTING, bucket.url, delay], check=False)
        assert all(entry.size == 3_000_000 for entry in bucket.list())
        if bucket.sweep_partial():
            break
    assert {path.name for path in folder.iterdir()} <= {"0", "1", "2"}


def test_a_write_under_way_is_not_swept_however_old(bucket: Bucket) -> None:
    with bucket.writer("a") as file:
        file.write(b"half")
        root = bucket.path("")
        assert root is not None
        [part] = root.glob("a#*")
        os.utime(part, (0, 0))
        assert bucket.sweep_partial() == []
    assert bucket.get("a") == b"half"


@pytest.mark.parametrize("pid", [1, os.getpid()], ids=["init", "this one"])
def test_a_pid_in_a_name_proves_no_writer(bucket: Bucket, pid: int) -> None:
    """Releases before 2026-12 named partial files by the writer's pid and thread."""
    part = bucket.path(f"a#{pid:010d}{1:020d}")
    assert part is not None
    part.touch()
    assert bucket.sweep_partial() == [part]


def test_a_sweep_between_opening_and_locking_loses_no_write(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[Path] = []
    lock = fcntl.flock

    def late(file: IO[bytes], operation: int) -> None:
        if operation == fcntl.LOCK_EX and not swept:
            swept.extend(bucket.sweep_partial())
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    assert bucket.put("a", b"whole")
    assert len(swept) == 1
    assert bucket.get("a") == b"whole"


@pytest.mark.parametrize("name", ["orders #2", "orders#20261123120000", f"x#{'1' * 30}"])
def test_names_of_others_are_never_swept(bucket: Bucket, name: str) -> None:
    path = bucket.path(name)
    assert path is not None
    path.write_bytes(b"mine")
    os.utime(path, (0, 0))
    assert bucket.sweep_partial() == []
    assert path.read_bytes() == b"mine"


def test_a_remote_bucket_has_nothing_to_sweep() -> None:
    assert Bucket("memory:///").sweep_partial() == []


def test_a_lake_sweeps_all_its_buckets(tmp_path: Path) -> None:
    lake = Lake.at(tmp_path.as_uri(), env="dev", project="seil")
    parts = []
    for bucket in (lake.landing, lake.curated, lake.staging):
        path = bucket.path(f"a#{2**22:010d}{1:020d}")
        assert path is not None
        path.touch()
        parts.append(path)
    lake.sweep_partial()
    assert not any(path.exists() for path in parts)


def test_find_gives_the_content_or_none(bucket: Bucket) -> None:
    bucket.put("a/b", b"content")
    assert (bucket.find("a/b"), bucket.find("a/c"), bucket.find("d/b")) == (b"content", None, None)


def test_a_folder_is_dropped_once_nothing_is_left_in_it(bucket: Bucket) -> None:
    for key in ("a/b/1", "a/b/2"):
        bucket.put(key, b"x")
    folder = bucket.path("a/b")
    assert folder is not None
    for key, is_left in (("a/b/1", True), ("a/b/2", False)):
        bucket.delete(key)
        bucket.delete_empty_folder(key)
        assert folder.exists() is is_left
    assert folder.parent.exists()


def test_a_folder_dropped_while_files_come_loses_none(bucket: Bucket) -> None:
    done = threading.Event()

    def drop() -> None:
        while not done.is_set():
            bucket.delete_empty_folder("a/b/1")

    dropping = threading.Thread(target=drop)
    dropping.start()
    try:
        for number in range(300):
            bucket.put("a/b/1", str(number).encode())
            assert bucket.get("a/b/1") == str(number).encode()
            bucket.move("a/b/1", "c")
    finally:
        done.set()
        dropping.join()


def test_a_lake_opens_the_url_of_a_file_in_any_of_its_buckets(tmp_path: Path) -> None:
    lake = Lake.at(tmp_path.as_uri(), env="dev", project="p")
    lake.curated.put("a b/x", b"1")
    with lake.open_url(lake.curated.uri("a b/x")) as file:
        assert file.read() == b"1"
    with pytest.raises(LakeError, match="outside this lake's buckets"):
        lake.open_url("s3://elsewhere/x")
