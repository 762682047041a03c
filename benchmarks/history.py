"""A site with a past: so many hourly runs, each of which brought a file of every object."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from seil.catalog import SyncedObject, load_catalog
from seil.events.envelope import Event
from seil.events.journal import Journal
from seil.lake import Bucket, Lake
from seil.lake.keys import LandedFile, hour
from seil.sf_to_dw.extract.flows import manifest_key

# The inode of a file system has room for so many names at least.
_NAMES_OF_A_FILE = 30_000
_EVENTS_KEPT = timedelta(days=14)
_MODIFIED = datetime(2026, 1, 1, tzinfo=UTC)


class _Linked:
    """One content under many keys: hard links, as files would take minutes to make."""

    def __init__(self, bucket: Bucket, content: bytes) -> None:
        self._bucket = bucket
        self._content = content
        self._count = 0
        self._source = Path()

    def put(self, key: str) -> None:
        path = self._bucket.path(key)
        if path is None:
            raise SystemExit("the lake is not local")
        path.parent.mkdir(parents=True, exist_ok=True)
        if self._count % _NAMES_OF_A_FILE == 0:
            path.write_bytes(self._content)
            os.utime(path, (_MODIFIED.timestamp(), _MODIFIED.timestamp()))
            self._source = path
        else:
            os.link(self._source, path)
        self._count += 1


def make_history(folder: Path, hours: int) -> int:
    """Puts the hours before the last one into the lake, the warehouse and the journal of a site
    that has run. Returns how many files were curated in them.
    """
    lake = Lake.at((folder / "lake").as_uri(), env="dev", project="seil")
    objects = list(load_catalog().values())
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    times = [now - timedelta(hours=n) for n in range(1, hours + 1)]
    _put_files(lake, objects, times)
    _record(folder / "warehouse.duckdb", objects, hours, now)
    with Journal(folder / "journal.sqlite") as journal:
        journal.publish(list(_events(objects, [t for t in times if now - t < _EVENTS_KEPT])))
    return len(objects) * hours


def _run_id(at: datetime) -> str:
    return f"{at:%Y%m%dT%H%M%SZ}-00000000"


def _put_files(lake: Lake, objects: list[SyncedObject], times: list[datetime]) -> None:
    curated, processed = _Linked(lake.curated, b"PAR1"), _Linked(lake.landing, b"PAR1")
    manifests = _Linked(lake.staging, b"{}")
    for obj in objects:
        for at in times:
            run = _run_id(at)
            landed = LandedFile(lake.env, obj.landing_name, run, f"{run}-00000.parquet")
            curated.put(landed.curated_key(at))
            processed.put(landed.archive_key("processed", at))
            manifests.put(manifest_key(obj.landing_name, run))


def _record(file: Path, objects: list[SyncedObject], hours: int, now: datetime) -> None:
    names = ", ".join(f"('{o.api_name}', '{o.landing_name}', '{o.table}')" for o in objects)
    each = f"""
        FROM (VALUES {names}) AS o(object, landing_name, table_name),
             (SELECT TIMESTAMPTZ '{now}' - n * INTERVAL 1 HOUR AS begun
              FROM range({hours}, 0, -1) AS t(n)) AS h
        ORDER BY begun"""
    run = "strftime(begun AT TIME ZONE 'UTC', '%Y%m%dT%H%M%SZ-00000000')"
    folder = "strftime(begun AT TIME ZONE 'UTC', '%Y/%m/%d/%H')"
    with duckdb.connect(str(file)) as warehouse:
        warehouse.execute("SET TimeZone = 'UTC'")
        warehouse.execute(f"""
            INSERT INTO seil.loads BY NAME
            SELECT 'Salesforce-' || landing_name || '/' || {folder} || '/curated_' || {run}
                       || '-00000.parquet' AS curated_key,
                   TIMESTAMPTZ '{_MODIFIED}' AS curated_at, object,
                   'salesforce.' || table_name AS table_name, {run} AS flow_run_id,
                   'delta' AS mode, begun AS window_start, begun + INTERVAL 1 HOUR AS window_end,
                   10 AS landed_rows, 10 AS curated_rows, 0 AS rejected_rows, 10 AS merged_rows,
                   10 AS inserted, 0 AS updated, 0 AS deleted, 0 AS unchanged, 0 AS superseded,
                   0 AS without_key, begun AS loaded_at {each}""")
        warehouse.execute(f"""
            INSERT INTO seil.runs BY NAME
            SELECT object, {run} AS flow_run_id, 'delta' AS mode, begun AS window_start,
                   begun + INTERVAL 1 HOUR AS window_end, '750' AS job_id, 10 AS reported,
                   10 AS landed, 1 AS pages, begun AS started_at, begun AS finished_at {each}""")
        warehouse.execute(f"""
            INSERT INTO seil.builds BY NAME
            SELECT {run} AS build_id, 'table_' || t AS table_name, 'built' AS state,
                   1000 AS row_count, '' AS message, 1 AS loads, begun AS last_loaded_at,
                   begun AS started_at, begun AS finished_at
            FROM range(16) AS tables(t),
                 (SELECT TIMESTAMPTZ '{now}' - n * INTERVAL 1 HOUR AS begun
                  FROM range({hours}, 0, -1) AS hours(n)) AS h
            ORDER BY begun""")


def _events(objects: list[SyncedObject], times: list[datetime]) -> Iterator[Event]:
    for at in reversed(times):
        for obj in objects:
            for kind in ("flow-run", "file-ingestion"):
                detail = {"object": obj.api_name, "state": "success", "hour": hour(at)}
                yield Event("seil.sf-to-dw", kind, detail, time=at)
