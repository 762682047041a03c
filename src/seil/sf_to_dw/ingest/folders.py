"""What the folders around a Parquet file say: values of partition columns, or that it belongs to a
table of another format.

Hive's layout keeps a column of few values in the names of folders, `Type=Customer%20-%20Direct/`:
https://spark.apache.org/docs/latest/sql-data-sources-parquet.html#partition-discovery
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from seil.lake.keys import LANDING_PREFIX

if TYPE_CHECKING:
    from seil.lake import Lake

Partitions = Mapping[str, str | None]

# What the flow run ids of imported files begin with.
IMPORT_RUN = "import-"
_NULL = "__HIVE_DEFAULT_PARTITION__"
# These name the object, and are no column of it.
_NAMING = frozenset({"object", "sobject", "table"})
_CURE = "write its current rows to Parquet files first, with the engine that made it"
_SCANS = {"Delta Lake": "delta_scan", "Iceberg": "iceberg_scan"}


def partition(folder: str) -> tuple[str, str | None] | None:
    """The column and the value that a folder's name gives."""
    name, sign, value = folder.partition("=")
    if not sign or not name or name.lower() in _NAMING:
        return None
    return unquote(name), None if value in ("", _NULL) else unquote(value)


def real_path(path: Path) -> Path:
    """Unlike `Path.resolve`, it gives a link that leads to itself back as it is."""
    return Path(os.path.realpath(path))


def partitions(path: Path, folder: Path) -> dict[str, str | None]:
    """What the names of the folders from `folder` down to the file give, and of those right above.

    Raises ValueError when two of them give one column different values.
    """
    found: dict[str, tuple[str, str | None]] = {}
    top = real_path(folder)
    for parent in real_path(path).parents:
        part = partition(parent.name)
        if part is None and not (parent != top and parent.is_relative_to(top)):
            break
        if part is None:
            continue
        known = found.setdefault(part[0].lower(), part)
        if known[1] != part[1]:
            raise ValueError(f"its folders give {part[0]} both {known[1]!r} and {part[1]!r}")
    return dict(reversed(found.values()))


def table_format(folder: Path) -> str:
    """Why no file below is to be taken by itself; empty where the folder is no such table."""
    if (folder / "_delta_log").is_dir():
        kind = "Delta Lake"
    elif (folder / ".hoodie").is_dir():
        kind = "Hudi"
    elif any((folder / "metadata").glob("*.metadata.json")):
        kind = "Iceberg"
    else:
        return ""
    scan = _SCANS.get(kind)
    example = f", such as DuckDB's COPY (FROM {scan}('...')) TO '<object>.parquet'" if scan else ""
    return (
        f"is a {kind} table: its files also hold rows that were changed or removed since;"
        f" {_CURE}{example}"
    )


def remember_partitions(lake: Lake, key: str, values: Partitions) -> None:
    """For a landed file: it is copied as it is, and these are not in it."""
    lake.staging.put(_key(key), json.dumps(values, ensure_ascii=False).encode())


def partitions_of(lake: Lake, key: str) -> dict[str, str | None]:
    if f"/{IMPORT_RUN}" not in key:
        return {}
    stored = lake.staging.find(_key(key))
    return dict(json.loads(stored)) if stored else {}


def _key(landed_key: str) -> str:
    return f"partitions/{landed_key.removeprefix(LANDING_PREFIX)}.json"
