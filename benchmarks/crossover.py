"""From which share of changed rows on a table on Spark is better replaced whole.

`.venv/bin/python -m benchmarks.crossover`: seconds of a build that changes that share of a table,
by DELETE and INSERT merge-on-read and by writing all rows, each on a table that was just written.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from seil.settings import WarehouseSettings
from seil.warehouse import TableName, open_warehouse
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


def _seconds(settings: WarehouseSettings, share: float, rows: int) -> float:
    with open_warehouse(settings) as warehouse:
        warehouse.prepare()
        with warehouse.commit("all") as commit:
            whole = commit.builder.stage_table(_TABLE, _rows("true", version=0, rows=rows))
            commit.builder.publish([whole])
        changed = f"id % 1000 < {share * 1000}"
        with warehouse.commit("change") as commit:
            keys = f"SELECT cast(id AS STRING) AS scope FROM range({rows}) WHERE {changed}"
            commit.builder.hold_keys(_TABLE, keys)
            select = _rows(changed, version=1, rows=rows)
            staged = commit.builder.stage_change(_TABLE, select, scope="key")
            start = time.perf_counter()
            commit.builder.publish([staged])
        # With the commit's own part: a table that is replaced is emptied, or copied, there.
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--jar", required=True, help="Iceberg's runtime for Spark 3.5.")
    args = parser.parse_args()
    print(f"| changed of {args.rows:,} | {' | '.join(_WAYS)} |\n|---|{'---|' * len(_WAYS)}")
    for share in _SHARES:
        seconds = []
        for name, crossover in _WAYS.items():
            builds.CROSSOVER = crossover
            with tempfile.TemporaryDirectory(prefix=f"seil-{name}-") as folder:
                spark = {"location": Path(folder).as_uri(), "jars": [args.jar]}
                own = {"url": "spark://lakehouse", "memory": "2GB", "threads": 2, "spark": spark}
                settings = WarehouseSettings.model_validate(own)
                seconds.append(_seconds(settings, share, args.rows))
        print(f"| {share:.0%} | {' | '.join(f'{s:.1f} s' for s in seconds)} |", flush=True)


if __name__ == "__main__":
    main()
