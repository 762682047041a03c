"""A rewritten file holds the same in less space, whenever the rewriting is killed."""

from __future__ import annotations

import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.duckdb_file import database
from tests.holder import Holder
from tests.warehouse.test_fencing import commit_under

from seil.errors import LeaseLostError, WarehouseError
from seil.lake import RunFence
from seil.settings import WarehouseSettings
from seil.warehouse import (
    TableName,
    UpkeepMark,
    open_reading,
    open_warehouse,
    publish,
    upkeep,
    upkeep_due,
)
from seil.warehouse.duckdb import growth, rewriting
from seil.warehouse.duckdb.location import local_file
from seil.warehouse.equality import KeyedTable, compare_tables

TOKEN = 10
ROWS = 16_000
TABLES = [KeyedTable(TableName(schema, "t"), ("id",)) for schema in ("salesforce", "")]
SETUP = f"""
    CREATE SCHEMA salesforce;
    CREATE TABLE salesforce.t AS
    SELECT range AS id, md5(CAST(range AS VARCHAR)) AS text, CAST(NULL AS DECIMAL(18, 2)) AS amount,
           TIMESTAMP '2026-01-01' + range * INTERVAL 1 SECOND AS at FROM range({ROWS});
    CREATE TABLE t (id BIGINT PRIMARY KEY, text VARCHAR);
    INSERT INTO t SELECT range, 'x' || range FROM range(10);
    COMMENT ON COLUMN t.text IS 'for people';
    CREATE INDEX text_of_t ON t (text);
    CREATE VIEW v AS SELECT text FROM salesforce.t;
    CREATE MACRO twice(a) AS 2 * a"""
REPLACED = f"""
    UPDATE salesforce.t SET text = md5(text || '{{n}}'), amount = {{n}} WHERE id % 4 <> {{n}};
    DELETE FROM salesforce.t WHERE id >= {ROWS // 2}"""


@pytest.fixture
def original(settings: WarehouseSettings) -> WarehouseSettings:
    """A copy of `settings`' warehouse, which has been changed three times."""
    for sql in (SETUP, *(REPLACED.format(n=n) for n in range(3))):
        with open_warehouse(settings) as warehouse:
            database(warehouse).execute(sql)
    publish(settings)
    file = local_file(settings)
    return settings.model_copy(
        update={"url": f"duckdb:{shutil.copy(file, file.with_name('original.duckdb'))}"}
    )


@pytest.fixture
def fence() -> Iterator[RunFence]:
    fence = RunFence()
    with fence.guard(Holder(TOKEN)):
        yield fence


def assert_same(settings: WarehouseSettings, original: WarehouseSettings) -> None:
    with open_warehouse(settings, read_only=True) as one, open_warehouse(original) as other:
        results = list(compare_tables(one, other, TABLES))
        assert [(r.rows, r.difference) for r in results] == [(ROWS // 2, None), (10, None)]
        assert one.query("SELECT count(*) AS n, twice(4) AS m FROM v").to_pylist() == [
            {"n": ROWS // 2, "m": 8}
        ]


def test_the_file_gets_smaller_and_holds_the_same(
    settings: WarehouseSettings, original: WarehouseSettings, fence: RunFence
) -> None:
    file = local_file(settings)
    (result,) = upkeep(settings, fence=fence)
    assert (result.place, result.act, result.bytes_after) == (
        "w.duckdb",
        "rewritten",
        file.stat().st_size,
    )
    assert result.bytes_after < 0.6 * result.bytes_before
    assert_same(settings, original)
    with open_warehouse(settings) as warehouse:
        commented = "SELECT comment FROM duckdb_columns() WHERE comment IS NOT NULL"
        assert warehouse.query(commented)["comment"].to_pylist() == ["for people"]
        indexed = warehouse.query("SELECT index_name AS n FROM duckdb_indexes()")
        assert indexed["n"].to_pylist() == ["text_of_t"]
        with pytest.raises(WarehouseError, match="Duplicate key"):
            database(warehouse).execute("INSERT INTO t VALUES (1, 'again')")


def test_readers_have_the_old_copy_until_the_next(
    settings: WarehouseSettings, original: WarehouseSettings, fence: RunFence
) -> None:
    with open_reading(settings) as reader:
        upkeep(settings, fence=fence)
        assert publish(settings, is_replaced=True).how in ("copy", "reflink")
        old = reader.warehouse.query("FROM salesforce.t ORDER BY id")
    with open_reading(settings) as reader:
        assert reader.as_of
        assert reader.warehouse.query("FROM salesforce.t ORDER BY id") == old


_KILLED = """
import os, pickle, signal, sys
from tests.holder import Holder
from tests.warehouse.duckdb.test_upkeep import TOKEN
from seil.lake import RunFence
from seil.warehouse import upkeep
from seil.warehouse.duckdb import rewriting
from seil.warehouse.duckdb.replacement import FileReplacement

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def killing(function):
    return lambda *given: (function(*given), kill())

if sys.argv[2] == "filling":
    rewriting._rows = kill
elif sys.argv[2] == "filled":
    FileReplacement.replace = kill
else:
    FileReplacement.replace = killing(FileReplacement.replace)
fence = RunFence()
with fence.guard(Holder(TOKEN)):
    upkeep(pickle.loads(bytes.fromhex(sys.argv[1])), fence=fence)
"""


@pytest.mark.parametrize(
    "moment", ["filling", pytest.param("filled", marks=pytest.mark.matrix), "replaced"]
)
def test_a_kill_leaves_the_old_file_or_the_new_one(
    settings: WarehouseSettings, original: WarehouseSettings, fence: RunFence, moment: str
) -> None:
    before = local_file(settings).stat().st_size
    command = [sys.executable, "-c", _KILLED, pickle.dumps(settings).hex(), moment]
    killed = subprocess.run(command, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    size = local_file(settings).stat().st_size
    assert (size < before) == (moment == "replaced")
    assert_same(settings, original)
    (result,) = upkeep(settings, fence=fence)
    assert result.bytes_after < 0.6 * before
    assert_same(settings, original)
    assert not list(local_file(settings).parent.glob("w.duckdb?*"))


def test_a_later_run_that_commits_meanwhile_keeps_the_old_file(
    settings: WarehouseSettings,
    original: WarehouseSettings,
    fence: RunFence,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def copy(*_: object) -> None:
        commit_under(settings, TOKEN + 1, "later")

    monkeypatch.setattr(rewriting, "_copy", copy)
    with pytest.raises(LeaseLostError):
        upkeep(settings, fence=fence)
    with open_warehouse(settings) as warehouse:
        assert "later" in warehouse.tables()


def test_without_room_for_another_file_nothing_is_done(
    settings: WarehouseSettings,
    original: WarehouseSettings,
    fence: RunFence,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(WarehouseError, match="to rewrite it takes"):
        upkeep(settings, fence=fence)
    assert_same(settings, original)


def test_a_missing_warehouse_needs_nothing(settings: WarehouseSettings, fence: RunFence) -> None:
    assert upkeep(settings, fence=fence) == []
    assert not local_file(settings).exists()


@pytest.mark.parametrize(
    ("size", "is_due"), [(1_700_000_000, False), (1_800_000_000, True)], ids=["less", "nearly 2 x"]
)
def test_a_file_that_has_nearly_doubled_is_due(tmp_path: Path, size: int, is_due: bool) -> None:
    file = tmp_path / "w.duckdb"
    with file.open("wb") as sparse:
        sparse.truncate(size)
    settings = WarehouseSettings(url=f"duckdb:{file}")
    mark = UpkeepMark(datetime(2026, 1, 2, tzinfo=UTC), 1_000_000_000)
    reason = "w.duckdb has grown from 1,000 to 1,800 MB since 2026-01-02"
    assert upkeep_due(settings, mark) == (reason if is_due else "")


def test_a_small_file_is_never_due(tmp_path: Path) -> None:
    settings = WarehouseSettings(url=f"duckdb:{tmp_path / 'w.duckdb'}")
    (tmp_path / "w.duckdb").write_bytes(b"x" * 100)
    assert growth.stored_bytes(settings) == 100
    assert upkeep_due(settings, UpkeepMark(datetime(2026, 1, 2, tzinfo=UTC), 1)) == ""
