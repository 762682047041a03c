"""A run that was paused past its lease, and woken after its successor committed."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.limits import HANGS, until

from seil.catalog import SyncedObject
from seil.errors import AlreadyRunningError
from seil.lake import Lake
from seil.salesforce.schema import ObjectSchema
from seil.settings import WarehouseSettings
from seil.sf_to_dw.extract.flows import FlowStates, Manifest
from seil.sf_to_dw.lock import run_lock
from seil.sf_to_dw.schema.registry import SchemaRegistry
from seil.warehouse import open_warehouse
from seil.warehouse.duckdb.warehouse import EmbeddedWarehouse

THING = SyncedObject(api_name="Thing__c", columns=())
NOW = datetime(2026, 11, 29, 10, tzinfo=UTC)
LEASE = timedelta(seconds=2)


def manifest(number: int) -> Manifest:
    return Manifest("Thing__c", "run", "delta", None, NOW, "job", number, number, NOW, NOW)


def writes(lake: Lake, database: Path, number: int) -> Iterator[tuple[str, Any]]:
    """Every kind of change that a run makes, by name."""
    states, registry = FlowStates(lake), SchemaRegistry(lake)
    yield "state", lambda: states.change(THING, last_run_id=f"run {number}")
    yield "manifest", lambda: manifest(number).write(lake, THING)
    yield "schema", lambda: registry.store(THING, ObjectSchema(f"Thing {number}", ()))
    yield "landed", lambda: lake.landing.put("in/page", b"%d" % number)
    yield "moved", lambda: lake.landing.move("in/file", "processed/file")
    yield "curated", lambda: write_curated(lake, number)
    yield "warehouse", lambda: commit(lake, database, number)


def write_curated(lake: Lake, number: int) -> None:
    with lake.curated.writer("curated") as file:
        file.write(b"%d" % number)


def commit(lake: Lake, database: Path, number: int) -> None:
    settings = WarehouseSettings(url=f"duckdb:{database}", memory="256MB")
    with open_warehouse(settings, fence=lake.fence) as warehouse, warehouse.commit("number"):
        assert isinstance(warehouse, EmbeddedWarehouse)
        replace = f"CREATE OR REPLACE TABLE committed AS SELECT {number} AS number"
        warehouse.database.execute(replace)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def hold(url: str, database: str) -> None:
    """What the paused process does: it says which of its writes were refused, and why."""
    from seil.errors import SeilError

    lake = Lake.at(url, env="dev", project="seil")
    refused = {}
    try:
        with run_lock(lake, lease=LEASE):
            say("held")
            sys.stdin.readline()
            for name, write in writes(lake, Path(database), 1):
                try:
                    write()
                except SeilError as error:
                    refused[name] = f"{type(error).__name__}: {error}"
    except SeilError as error:
        refused["run"] = f"{type(error).__name__}: {error}"
    say(json.dumps(refused))


@contextmanager
def succeeded(url: str) -> Iterator[Lake]:
    """The lake in the hands of the next run, as soon as it gets it."""
    lake = Lake.at(url, env="dev", project="seil")

    with ExitStack() as stack:

        def acquires_lock() -> bool:
            with suppress(AlreadyRunningError):
                stack.enter_context(run_lock(lake, lease=LEASE))
                return True
            return False

        until(acquires_lock)
        yield lake


def content(lake: Lake) -> dict[str, str]:
    buckets = (lake.landing, lake.curated, lake.staging)
    return {
        bucket.uri(entry.key): hashlib.sha256(bucket.get(entry.key)).hexdigest()
        for bucket in buckets
        for entry in bucket.list()
    }


def committed(database: Path) -> list[dict[str, Any]]:
    settings = WarehouseSettings(url=f"duckdb:{database}", memory="256MB")
    with open_warehouse(settings) as warehouse:
        rows = warehouse.query("SELECT number, token FROM committed, seil.fence")
        return [dict(row) for row in rows.to_pylist()]


@pytest.fixture(params=["s3", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        return str(request.getfixturevalue("s3_url"))
    return (tmp_path / "lake").as_uri()


def test_a_run_paused_past_its_lease_changes_nothing(url: str, tmp_path: Path) -> None:
    database = tmp_path / "w.duckdb"
    command = [sys.executable, "-m", "tests.sf_to_dw.test_fence", url, str(database)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as paused:
        assert paused.stdout is not None
        assert paused.stdout.readline() == "held\n"
        paused.send_signal(signal.SIGSTOP)
        if url.startswith("file"):
            # The kernel keeps this lock for a process that is stopped: somebody removes the file.
            Path(url.removeprefix("file://"), "seil-dev-sf-to-dw-staging/run.lock").unlink()
        with succeeded(url) as lake:
            lake.landing.put("in/file", b"2")
            for _, write in writes(lake, database, 2):
                write()
            lake.landing.put("in/file", b"delivered again")
        before, rows = content(lake), committed(database)
        paused.send_signal(signal.SIGCONT)
        output, _ = paused.communicate("go on\n", timeout=HANGS)
    refused = json.loads(output)
    assert refused.keys() == {*dict(writes(lake, database, 1)), "run"}
    assert {text.partition(":")[0] for text in refused.values()} == {"LeaseLostError"}
    assert content(lake) == before
    assert committed(database) == rows
    assert rows[0]["number"] == 2


if __name__ == "__main__":
    hold(*sys.argv[1:3])
