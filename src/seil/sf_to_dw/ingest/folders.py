"""The folders around a Parquet file: Hive partition values, and tables of another format.

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

# Prefix of the flow run ids of imported files.
IMPORT_RUN = "import-"
_NULL = "__HIVE_DEFAULT_PARTITION__"
# These keys name the object, and are no columns of it.
_NAMING = frozenset({"object", "sobject", "table"})
_CURE = "export its current rows to Parquet files first, with the engine that wrote it"
_SCANS = {"Delta Lake": "delta_scan", "Iceberg": "iceberg_scan"}


def partition(folder: str) -> tuple[str, str | None] | None:
    """Column and value from a folder's name."""
    name, sign, value = folder.partition("=")
    if not sign or not name or name.lower() in _NAMING:
        return None
    return unquote(name), None if value in ("", _NULL) else unquote(value)


def real_path(path: Path) -> Path:
    """Like `Path.resolve`, but returns a link that leads to itself unchanged."""
    return Path(os.path.realpath(path))


def partitions(path: Path, folder: Path) -> dict[str, str | None]:
    """Partition values of the folders from `folder` down to the file, and of those right above.

    Raises ValueError where two folders contradict each other.
    """
    values: dict[str, tuple[str, str | None]] = {}
    top = real_path(folder)
    for parent in real_path(path).parents:
        part = partition(parent.name)
        if part is None and not (parent != top and parent.is_relative_to(top)):
            break
        if part is None:
            continue
        nearest = values.setdefault(part[0].lower(), part)
        if nearest[1] != part[1]:
            raise ValueError(f"its folders give {part[0]} both {nearest[1]!r} and {part[1]!r}")
    return dict(reversed(values.values()))


def table_format(folder: Path) -> str:
    """Why no file below may be imported on its own; empty where the folder is no such table."""
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


def store_partitions(lake: Lake, key: str, values: Partitions) -> None:
    """Beside a landed file, which is a plain copy without them."""
    lake.staging.put(_key(key), json.dumps(values, ensure_ascii=False).encode())


def partitions_of(lake: Lake, key: str) -> dict[str, str | None]:
    if f"/{IMPORT_RUN}" not in key:
        return {}
    stored = lake.staging.find(_key(key))
    return dict(json.loads(stored)) if stored else {}


def _key(landed_key: str) -> str:
    return f"partitions/{landed_key.removeprefix(LANDING_PREFIX)}.json"
