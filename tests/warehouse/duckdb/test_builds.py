"""Full builds in little memory."""

from __future__ import annotations

from pathlib import Path

from seil.settings import WarehouseSettings
from seil.warehouse import TableName, open_warehouse
from seil.warehouse.sql import Sql

ROWS = 100_000
# The left side is the smallest: DuckDB would make RIGHT JOINs of these, and need them all at once.
JOINED = """
    SELECT l.id, b.x AS b, c.x AS c, d.x AS d
    FROM (SELECT * FROM a WHERE id NOT LIKE '%9') AS l
    LEFT JOIN b ON b.id = l.other LEFT JOIN c ON c.id = b.other LEFT JOIN d ON d.id = c.other"""


def wide_rows() -> Sql:
    ids = "'id' || lpad({n}::VARCHAR, 30, '0')"
    id_, other = ids.format(n="range"), ids.format(n=f"((range * 7919) % {ROWS})")
    text = "repeat(md5(range::VARCHAR), 4)"
    return Sql(f"SELECT {id_} AS id, {other} AS other, {text} AS x FROM range({ROWS})")


def test_left_joins_of_tables_beyond_the_memory_limit_spill(tmp_path: Path) -> None:
    settings = WarehouseSettings(url=f"duckdb:{tmp_path / 'w.duckdb'}", threads=1)
    with open_warehouse(settings) as warehouse, warehouse.commit("tables") as commit:
        tables = [commit.builder.stage_table(TableName("", n), wide_rows()) for n in "abcd"]
        commit.builder.publish(tables)
    little = settings.model_copy(update={"memory": "56MB"})
    with open_warehouse(little) as warehouse, warehouse.commit("build") as commit:
        joined = commit.builder.stage_table(TableName("", "joined"), JOINED)
        commit.builder.publish([joined])
    assert joined.rows == ROWS * 9 // 10
