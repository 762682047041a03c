"""From which share of changed rows on a table on Spark is better replaced whole.

`.venv/bin/python -m benchmarks.crossover`: seconds of a build that changes that share of a table,
by DELETE and INSERT merge-on-read and by writing all rows, each on a table that was just written.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from uuid import uuid4

from seil.settings import WarehouseSettings
from seil.warehouse import TableName, Warehouse, open_warehouse
from seil.warehouse.spark import builds

_TABLE = TableName("", "crossover")
_COLUMNS = 40
_SHARES = (0.01, 0.1, 0.25, 0.5, 0.75, 1.0)
_WAYS = {"merge-on-read": 2.0, "whole": 0.0}
"""By the crossover that makes a build take it."""


def _rows(where: str, *, version: int, rows: int) -> str:
    values = ", ".join(
        f"concat('value ', cast((id * {n} + {version}) % 9973 AS STRING)) AS c{n}"
        for n in range(2, _COLUMNS)
    )
    return f"SELECT cast(id AS STRING) AS key, {values} FROM range({rows}) WHERE {where}"


def _seconds(warehouse: Warehouse, share: float, rows: int) -> float:
    name = uuid4().hex
    with warehouse.commit(f"all {name}") as commit:
        whole = commit.builder.stage_table(_TABLE, _rows("true", version=0, rows=rows))
        commit.builder.publish([whole])
    changed = f"id % 1000 < {share * 1000}"
    with warehouse.commit(f"change {name}") as commit:
        keys = f"SELECT cast(id AS STRING) AS scope FROM range({rows}) WHERE {changed}"
        commit.builder.hold_keys(_TABLE, keys)
        select = _rows(changed, version=1, rows=rows)
        staged = commit.builder.stage_change(_TABLE, select, scope="key")
        start = time.perf_counter()
        commit.builder.publish([staged])
    # With the commit's own part: tables that are replaced may be copied there.
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--jar", required=True, help="Iceberg's runtime for Spark 3.5.")
    args = parser.parse_args()
    print(f"| changed of {args.rows:,} | {' | '.join(_WAYS)} |\n|---|{'---|' * len(_WAYS)}")
    with tempfile.TemporaryDirectory(prefix="seil-crossover-") as folder:
        spark = {"location": Path(folder).as_uri(), "jars": [str(Path(args.jar).resolve())]}
        own = {"url": "spark://lakehouse", "memory": "2GB", "threads": 2, "spark": spark}
        with open_warehouse(WarehouseSettings.model_validate(own)) as warehouse:
            warehouse.prepare()
            for share in (_SHARES[0], *_SHARES):
                seconds = []
                for crossover in _WAYS.values():
                    builds.CROSSOVER = crossover
                    seconds.append(_seconds(warehouse, share, args.rows))
                # The first of a kind takes longer: the first line is to warm up.
                print(f"| {share:.0%} | {' | '.join(f'{s:.1f} s' for s in seconds)} |", flush=True)


if __name__ == "__main__":
    main()
