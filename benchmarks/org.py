"""A stand-in org to measure on, and its records as curated files."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
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


def curated_org(work: Path, folder: Path, *, copies: int, share: float) -> CuratedOrg:
    """`copies` of the base org side by side, and a tick of `share` in each.

    Ids and references differ from copy to copy, everything else is the same.
    """
    org = folder / "org"
    shutil.copytree(base_org(work), org)
    full, delta = folder / "full", folder / "delta"
    with OrgStore.open(org) as store:
        numbers = list(range(copies))
        rows = _write(store, full, numbers, mode="full")
        shutil.copytree(full, delta)
        ticked = tick(store, share=share)
        changed = _write(store, delta, numbers, mode="delta", since=ticked.at)
        query = 'SELECT count(*) FROM main."OrderItem"'
        ((order_products,),) = store.cursor().execute(query).fetchall()
    return CuratedOrg(full, delta, order_products * copies, rows, changed)


def _write(
    store: OrgStore,
    folder: Path,
    copies: Sequence[int],
    *,
    mode: str,
    since: datetime | None = None,
) -> int:
    rows = 0
    lake = Lake.at(folder.as_uri(), env="dev", project="seil")
    where = f"WHERE SystemModstamp >= TIMESTAMP '{since:%Y-%m-%d %H:%M:%S.%f}'" if since else ""
    for obj in load_catalog().values():
        for first in range(0, len(copies), _COPIES_IN_A_FILE):
            some = copies[first : first + _COPIES_IN_A_FILE]
            rows += _write_file(store, lake, obj, copies=some, mode=mode, where=where)
    return rows


def _write_file(
    store: OrgStore,
    lake: Lake,
    obj: SyncedObject,
    *,
    copies: Sequence[int],
    mode: str,
    where: str,
) -> int:
    """Makes what ingest would."""
    entry = store.object(obj.api_name)
    stored = {field.name for field in entry.stored_fields}
    described = {"name": entry.name, "fields": [field.raw for field in entry.fields]}
    schema = parse_describe(described)
    fields = [field for field in schema.fields if field.name in stored]
    run = f"bench-{mode}"
    name = f"curated_{run}-{copies[0]:05d}.parquet"
    file = lake.curated.path(f"Salesforce-{obj.landing_name}/{hour(_EXTRACTED)}/{name}")
    if file is None:
        raise SystemExit("the lake is not local")
    file.parent.mkdir(parents=True, exist_ok=True)
    columns = ", ".join(f"{_value(field)} AS {ident(field.name)}" for field in fields)
    end = _EXTRACTED + (timedelta(hours=1) if mode == "delta" else timedelta())
    metadata = {
        "seil.object": obj.api_name,
        "seil.flow_run_id": run,
        "seil.mode": mode,
        "seil.window_start": "",
        "seil.window_end": end.isoformat(),
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
                       '0' AS function_version, '{run}' AS aws_request_id,
                       '{run}' AS appflow_id, TIMESTAMPTZ '{end.isoformat()}' AS processed_ts
                FROM main.{ident(obj.api_name)}, unnest({list(copies)}) AS copies(copy) {where}
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
