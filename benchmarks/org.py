"""A stand-in org to measure on, and its records as curated files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import say
from seil.catalog import SyncedObject, load_catalog
from seil.lake import Lake
from seil.lake.keys import hour
from seil.salesforce.schema import Field, parse_describe
from seil.sandbox.salesforce.generator import generate
from seil.sandbox.salesforce.store import OrgStore, ident
from seil.sandbox.salesforce.tick import tick

ORDERS = 2000
# Where an Id of the stand-in's has a zero; a copy of the org writes its number there.
_BEFORE, _DIGITS = 5, 3
_COPIES_IN_A_FILE = 3
_RUN = "bench"
# About 16 MB in memory.
_ROW_GROUP = 12_000
_EXTRACTED = datetime.now(UTC).replace(microsecond=0)


def base_org(work: Path) -> Path:
    """The folder of an org with 2,000 orders, about 30,000 order products."""
    folder = work / "org"
    if not (folder / "org.duckdb").exists():
        say(f"making an org of {ORDERS:,} orders")
        generate(folder, orders=ORDERS).close()
    return folder


@dataclass(frozen=True)
class CuratedOrg:
    """Two lakes: `full` holds the first load's files, `delta` those and the changes'."""

    full: Path
    delta: Path
    order_products: int
    rows: int
    changed: int


@dataclass
class GrowingOrg:
    """`copies` of an org side by side, as curated files in the lake at `folder`.

    Ids and references differ from copy to copy, everything else is the same.
    """

    store: OrgStore
    folder: Path
    copies: int
    deltas: int = 0

    def write_all(self) -> int:
        return self._write(f"{_RUN}-full")

    def write_changes(self, share: float) -> int:
        """Those of a tick of `share` in each copy; returns the number of records."""
        ticked = tick(self.store, share=share)
        self.deltas += 1
        return self._write(f"{_RUN}-delta-{self.deltas}", since=ticked.at)

    @property
    def order_products(self) -> int:
        query = 'SELECT count(*) FROM main."OrderItem"'
        ((count,),) = self.store.cursor().execute(query).fetchall()
        return int(count) * self.copies

    def _write(self, run: str, *, since: datetime | None = None) -> int:
        lake = Lake.at(self.folder.as_uri(), env="dev", project="seil")
        # A run lands one file for an object's changes.
        in_a_file = self.copies if since else _COPIES_IN_A_FILE
        where = f"WHERE SystemModstamp >= TIMESTAMP '{since:%Y-%m-%d %H:%M:%S.%f}'" if since else ""
        end = _EXTRACTED + timedelta(hours=self.deltas)
        numbers = list(range(self.copies))
        parts = [numbers[first : first + in_a_file] for first in numbers[::in_a_file]]
        return sum(
            _CuratedFile(lake, obj, run, end, part).write(self.store, where)
            for obj in load_catalog().values()
            for part in parts
        )


@contextmanager
def growing_org(work: Path, folder: Path, *, copies: int) -> Iterator[GrowingOrg]:
    shutil.copytree(base_org(work), folder / "org")
    with OrgStore.open(folder / "org") as store:
        yield GrowingOrg(store, folder / "lake", copies)


def curated_org(work: Path, folder: Path, *, copies: int, share: float) -> CuratedOrg:
    """Those copies before and after a tick of `share` in each."""
    full, delta = folder / "full", folder / "delta"
    with growing_org(work, folder, copies=copies) as org:
        org.folder = full
        rows = org.write_all()
        shutil.copytree(full, delta, copy_function=os.link)
        org.folder = delta
        changed = org.write_changes(share)
        return CuratedOrg(full, delta, org.order_products, rows, changed)


@dataclass(frozen=True)
class _CuratedFile:
    """What ingest would make of these copies of an object's records."""

    lake: Lake
    obj: SyncedObject
    run: str
    end: datetime
    copies: Sequence[int]

    def write(self, store: OrgStore, where: str) -> int:
        entry = store.object(self.obj.api_name)
        stored = {field.name for field in entry.stored_fields}
        described = {"name": entry.name, "fields": [field.raw for field in entry.fields]}
        schema = parse_describe(described)
        fields = [field for field in schema.fields if field.name in stored]
        name = f"curated_{self.run}-{self.copies[0]:05d}.parquet"
        folder = f"Salesforce-{self.obj.landing_name}/{hour(_EXTRACTED)}"
        file = self.lake.curated.path(f"{folder}/{name}")
        if file is None:
            raise SystemExit("the lake is not local")
        file.parent.mkdir(parents=True, exist_ok=True)
        columns = ", ".join(f"{_value(field)} AS {ident(field.name)}" for field in fields)
        end = self.end.isoformat()
        metadata = {
            "seil.object": self.obj.api_name,
            "seil.flow_run_id": self.run,
            "seil.mode": "delta" if where else "full",
            "seil.window_start": "",
            "seil.window_end": end,
            "seil.schema_fingerprint": schema.fingerprint,
            "seil.rejected_rows": "0",
        }
        kept = ", ".join(f"'{key}': '{value}'" for key, value in metadata.items())
        ((written,),) = (
            store.cursor()
            .execute(
                f"""
                COPY (
                    SELECT {columns}, 'in/{name}' AS filename, 'bench' AS function_name,
                           '0' AS function_version, '{self.run}' AS aws_request_id,
                           '{self.run}' AS appflow_id, TIMESTAMPTZ '{end}' AS processed_ts
                    FROM main.{ident(self.obj.api_name)},
                         unnest({list(self.copies)}) AS copies(copy) {where}
                ) TO '{file}' (
                    FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 65536, KV_METADATA {{{kept}}}
                )"""
            )
            .fetchall()
        )
        if not written:
            file.unlink()
        return int(written)


def _value(field: Field) -> str:
    name = ident(field.name)
    if field.type in ("id", "reference"):
        after = _BEFORE + _DIGITS + 1
        code = f"lpad(CAST(copy AS VARCHAR), {_DIGITS}, '0')"
        return f"substr({name}, 1, {_BEFORE}) || {code} || substr({name}, {after})"
    if field.type == "datetime":
        return f"{name} AT TIME ZONE 'UTC'"
    return name


def landed_file(work: Path, folder: Path, *, megabytes: int) -> Path:
    """Order products as extract lands them, the same ones over and over."""
    folder.mkdir(parents=True)
    file = folder / "landed.parquet"
    with OrgStore.open(base_org(work)) as store:
        entry = store.object("OrderItem")
        described = {"name": entry.name, "fields": [field.raw for field in entry.fields]}
        names = {field.name for field in entry.stored_fields}
        fields = [field for field in parse_describe(described).fields if field.name in names]
        columns = ", ".join(ident(field.name) for field in fields)
        select = f"SELECT {columns} FROM main.{ident(entry.name)}"
        wanted = pa.schema([(field.name, field.arrow) for field in fields])
        records = store.cursor().execute(select).to_arrow_table().cast(wanted)
    groups = [records.slice(first, _ROW_GROUP) for first in range(0, records.num_rows, _ROW_GROUP)]
    with pq.ParquetWriter(
        file,
        wanted,
        compression="zstd",
        compression_level=1,
        write_page_checksum=True,
        use_dictionary=False,
        write_statistics=False,
    ) as writer:
        while file.stat().st_size < megabytes << 20:
            for group in groups:
                writer.write_table(group)
        rows = sum(group.num_rows for group in groups)
        writer.add_key_value_metadata({"seil.object": entry.name, "seil.mode": "full"})
    say(f"  from {rows:,} records")
    return file
