from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seil.errors import LakeError
from seil.lake import Bucket, Lake


def records(count: int, start: int = 0) -> dict[str, Any]:
    return {"Id": [f"id-{n}" for n in range(start, start + count)], "Size": list(range(count))}


def whole(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


class Hooked(Bucket):
    """Calls `before` with the name and key of each effect."""

    before: Callable[[str, str], None] = staticmethod(lambda name, key: None)

    def put(self, key: str, data: bytes, *, create: bool = False) -> bool:
        self.before("put", key)
        return super().put(key, data, create=create)

    def put_if(self, key: str, data: bytes, tag: str | None) -> str:
        self.before("put", key)
        return super().put_if(key, data, tag)

    def move(self, source: str, target: str) -> None:
        self.before("move", source)
        super().move(source, target)

    @contextmanager
    def writer(self, key: str) -> Iterator[IO[bytes]]:
        self.before("writer", key)
        with super().writer(key) as file:
            yield file


def hooked(intake: Any, before: Callable[[str, str], None]) -> None:
    lake = intake.lake
    buckets = [Hooked(bucket.url) for bucket in (lake.landing, lake.curated, lake.staging)]
    for bucket in buckets:
        bucket.before = before
    landing, curated, staging = buckets
    intake.lake = Lake(lake.env, landing, curated, staging)


def test_full_disk_stops_and_leaves_the_file_for_later(
    intake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        """A file on a disk that takes 100 bytes more."""

        def __init__(self, file: Any) -> None:
            self._file = file
            self._left = 100

        def write(self, data: bytes) -> int:
            self._left -= len(data)
            if self._left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return int(self._file.write(data))

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

    disk = {"full": True}
    original: Any = Path.open

    def opened(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        file = original(path, mode, *args, **options)
        return Full(file) if disk["full"] and mode == "wb" else file

    key = intake.land(records(5000))
    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(LakeError, match="free some space"):
        intake.ingestor.sweep()
    assert intake.keys() == [key]
    assert intake.curated_keys() == []
    assert intake.events() == []
    disk["full"] = False
    assert intake.ingestor.sweep().ok


def test_lake_that_cannot_be_written_stops_the_sweep(intake: Any) -> None:
    def refuse(name: str, key: str) -> None:
        if name == "move":
            raise LakeError(key, "move", "read-only file system")

    intake.land(records(1))
    hooked(intake, refuse)
    with pytest.raises(LakeError, match="read-only"):
        intake.ingestor.sweep()
    assert len(intake.keys("in/")) == 1


def reading(intake: Any, before: Callable[[Path], object]) -> None:
    """Calls `before` with the landed file's path each time it is about to be read."""
    bucket = intake.lake.landing
    original = bucket.reader

    @contextmanager
    def reader(key: str) -> Iterator[IO[bytes]]:
        before(bucket.path(key))
        with original(key) as file:
            yield file

    bucket.reader = reader


def test_file_still_being_written_waits(intake: Any) -> None:
    key = intake.land(whole(pa.table(records(99)))[:-50])
    reading(intake, lambda path: path.write_bytes(path.read_bytes() + b"x"))
    result = intake.ingestor.ingest(key)
    assert (result.state, result.ok) == ("waiting", True)
    assert intake.keys() == [key]


def test_file_replaced_while_it_is_read_waits(intake: Any) -> None:
    key = intake.land(records(3))
    other = whole(pa.table(records(4)))

    def replace(name: str, touched: str) -> None:
        if name == "writer":
            hooked(intake, lambda name, touched: None)
            path = intake.lake.landing.path(key)
            path.unlink()
            path.write_bytes(other)

    hooked(intake, replace)
    assert intake.ingestor.ingest(key).state == "waiting"
    assert intake.curated_keys() == []
    assert intake.ingestor.ingest(key).state == "success"


def test_file_taken_away_while_it_is_read_is_gone(intake: Any) -> None:
    key = intake.land(records(3))
    reading(intake, Path.unlink)
    assert intake.ingestor.ingest(key).state == "gone"


def test_interrupted_sweep_starts_no_more_files(intake: Any) -> None:
    intake.workers = 1
    for n in range(20):
        intake.land(records(1), file=f"{n}.parquet")

    def stop(file: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        intake.ingestor.sweep(on_file=stop)
    assert len(intake.keys("in/")) > 10
    assert threading.active_count() < 20
    intake.ingestor.sweep()
    assert len(intake.curated_keys()) == 20


# Kills

_KILLED = """
import json, os, sys
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq

from seil.catalog import Catalog, CatalogColumn, SyncedObject, Validation
from seil.events.journal import Journal
from seil.lake import Bucket, Lake
from seil.settings import IngestSettings
from seil.sf_to_dw.ingest.ingestor import Ingestor
from seil.sf_to_dw.schema.registry import SchemaRegistry

KEYS = ["in/dev-Salesforce-Thing/run-1/page.parquet", "in/dev-Salesforce-Thing/run-1/bad.parquet"]
left = -1

def effect():
    global left
    left -= 1
    if left == 0:
        os._exit(9)

class Dying(Bucket):
    def put(self, *a, **k):
        done = super().put(*a, **k)
        effect()
        return done
    def put_if(self, *a):
        done = super().put_if(*a)
        effect()
        return done
    def move(self, *a):
        super().move(*a)
        effect()
    def delete(self, *a):
        super().delete(*a)
        effect()
    @contextmanager
    def writer(self, key):
        with super().writer(key) as file:
            yield file
            effect()
        effect()

class DyingJournal(Journal):
    def publish(self, events):
        super().publish(events)
        effect()

def ingest(root):
    parts = [Dying((root / name).as_uri()) for name in ("landing", "curated", "staging")]
    lake = Lake("dev", *parts)
    rule = Validation(type="sql", rule="Size <> 1", message="one")
    column = CatalogColumn(name="Size", validations=(rule,))
    catalog = Catalog([SyncedObject(api_name="Thing__c", columns=(column,))])
    with DyingJournal(root / "journal.sqlite") as journal:
        ingestor = Ingestor(lake, catalog, settings=IngestSettings(workers=1), bus=journal,
                            registry=SchemaRegistry(lake))
        for key in KEYS:
            ingestor.ingest(key)
        ingestor.sweep()
        events = [e for _, e in journal.read() if e.detail_type == "file-ingestion"]
    found = {
        "events": sorted(e.detail["state"] for e in events),
        "landing": [e.key for e in lake.landing.list()],
        "curated": {e.key: [r["Id"] for r in pq.read_table(lake.curated.path(e.key)).to_pylist()]
                    for e in lake.curated.list()},
        "pending": [e.key for e in lake.staging.list("pending/")],
    }
    return found

def attempt(root, dies_at):
    global left
    pid = os.fork()
    if pid == 0:
        left = dies_at
        try:
            (root / "found.json").write_text(json.dumps(ingest(root)))
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

base, good = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes()
outcomes = []
for dies_at in range(1, 200):
    root = base / str(dies_at)
    for key, data in zip(KEYS, (good, b"garbage" * 9)):
        path = root / "landing" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (1_000_000_000, 1_000_000_000))
    died = attempt(root, dies_at)
    assert died in (0, 9), died
    assert attempt(root, -1) == 0
    outcomes.append(json.loads((root / "found.json").read_text()))
    if died == 0:
        break
print(json.dumps(outcomes))
"""


def test_kill_at_every_effect_then_a_repeat_leaves_the_same(tmp_path: Path) -> None:
    good = tmp_path / "good"
    good.write_bytes(whole(pa.table(records(3))))
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path), str(good)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    hour = "Salesforce-Thing/2001/09/09/01"
    assert len(outcomes) > 15
    for outcome in outcomes:
        assert outcome == {
            "events": ["error", "success"],
            "landing": [
                f"error/{hour}/run-1/bad.parquet",
                f"error/{hour}/run-1/bad.parquet.reason.json",
                f"processed/{hour}/run-1/page.parquet",
            ],
            "curated": {
                f"{hour}/curated_page.parquet": ["id-0", "id-2"],
                f"exceptions/{hour}/exceptions_page.parquet": ["id-1"],
            },
            "pending": [],
        }


# Memory

_PEAK = """
import resource, sys
from pathlib import Path
import duckdb
from seil.catalog import Catalog, CatalogColumn, SyncedObject, Validation
from seil.lake import Lake
from seil.settings import IngestSettings
from seil.sf_to_dw.ingest.ingestor import Ingestor
from seil.sf_to_dw.schema.registry import SchemaRegistry

class Nobody:
    def publish(self, events): ...

lake = Lake.at(Path(sys.argv[1]).as_uri(), env="dev", project="seil")
rule = Validation(type="sql", rule="length(Text) > 10")
catalog = Catalog([SyncedObject(api_name="Thing__c",
                                columns=(CatalogColumn(name="Text", validations=(rule,)),))])
ingestor = Ingestor(lake, catalog, settings=IngestSettings(workers=1), bus=Nobody(),
                    registry=SchemaRegistry(lake))
ingestor.ingest("in/dev-Salesforce-Thing/run-1/small.parquet")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result = ingestor.ingest("in/dev-Salesforce-Thing/run-1/page.parquet")
assert result.state == "success", result
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_memory_does_not_grow_with_the_file(intake: Any, tmp_path: Path) -> None:
    rows = 100_000
    intake.land(pa.table({"Id": ["a"], "Text": ["x" * 20]}), file="small.parquet")
    noise = os.urandom(rows * 500).hex()
    texts = [noise[n * 1000 : (n + 1) * 1000] for n in range(rows)]
    table = pa.table({"Id": [str(n) for n in range(rows)], "Text": texts})
    key = intake.land(table, compression="none", use_dictionary=False, row_group_size=rows)
    assert intake.lake.landing.head(key).size > 100_000_000
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, str(tmp_path / "lake")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 80, f"{done.stdout} MB more than for a small file"
