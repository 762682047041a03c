"""A publisher that dies or stalls around its commit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pytest
from tests.iceberg.tables import (
    MemorySource,
    folder_catalog,
    ordered,
    publish,
    read_by_duckdb,
    read_by_pyiceberg,
)
from tests.limits import HANGS
from tests.mortal import Died

from seil.errors import LeaseLostError
from seil.iceberg.catalog import IcebergCatalog
from seil.iceberg.engine import embedded_engine
from seil.iceberg.publisher import TablePublisher
from seil.iceberg.snapshot import StagedCommit

When = Literal["before", "after"]


def rows(count: int) -> pa.Table:
    return pa.table({"id": pa.array([f"{n:03}" for n in range(count)])})


def around_commit(catalog: IcebergCatalog, when: When, act: Callable[[], object]) -> IcebergCatalog:
    """A catalog that calls `act` before or after it commits."""
    commit = catalog.commit

    def commit_and_act(staged: StagedCommit) -> None:
        if when == "before":
            act()
        commit(staged)
        if when == "after":
            act()

    catalog.commit = commit_and_act  # type: ignore[method-assign]
    return catalog


def die() -> None:
    raise Died


def check_repeat(folder: Path, when: When) -> None:
    catalog = folder_catalog(folder)
    assert read_by_pyiceberg(catalog) == ordered(rows(20 if when == "before" else 21))
    (outcome,) = publish(catalog, MemorySource(rows(21), "2"))
    assert outcome.state == ("published" if when == "before" else "unchanged")
    table = catalog.find(("seil", "orders"))
    assert table is not None
    assert len(table.metadata.snapshots) == 2
    assert read_by_pyiceberg(catalog) == read_by_duckdb(folder) == ordered(rows(21))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_publisher_that_dies_around_its_commit_is_repeated_once(
    tmp_path: Path, when: When
) -> None:
    publish(folder_catalog(tmp_path), MemorySource(rows(20), "1"))
    with pytest.raises(Died):
        publish(around_commit(folder_catalog(tmp_path), when, die), MemorySource(rows(21), "2"))
    check_repeat(tmp_path, when)


@pytest.mark.matrix
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_killed_process_is_repeated_once(tmp_path: Path, when: When) -> None:
    publish(folder_catalog(tmp_path), MemorySource(rows(20), "1"))
    command = [sys.executable, "-m", "tests.iceberg.test_killed", str(tmp_path), when]
    ended = subprocess.run(command, timeout=HANGS, check=False)
    assert ended.returncode == -signal.SIGKILL
    check_repeat(tmp_path, when)


def test_a_publisher_that_stalled_past_its_lease_changes_nothing(tmp_path: Path) -> None:
    lost = LeaseLostError("publish.lock", "another publisher holds it")
    is_lost: list[bool] = []

    def another_publisher() -> None:
        is_lost.append(True)
        publish(folder_catalog(tmp_path), MemorySource(rows(30), "3"))

    def check() -> None:
        if is_lost:
            raise lost

    publish(folder_catalog(tmp_path), MemorySource(rows(20), "1"))
    catalog = around_commit(folder_catalog(tmp_path), "before", another_publisher)
    with embedded_engine(memory="256MB", threads=1) as engine:
        publisher = TablePublisher(catalog, engine, check=check, pause=lambda _: None)
        (outcome,) = publisher.publish([MemorySource(rows(21), "2")])
    assert (outcome.state, "publish.lock" in outcome.message) == ("failed", True)
    assert read_by_pyiceberg(folder_catalog(tmp_path)) == ordered(rows(30))


if __name__ == "__main__":
    place, moment = Path(sys.argv[1]), sys.argv[2]
    mortal = around_commit(
        folder_catalog(place),
        "before" if moment == "before" else "after",
        lambda: os.kill(os.getpid(), signal.SIGKILL),
    )
    publish(mortal, MemorySource(rows(21), "2"))
