from __future__ import annotations

import pyarrow as pa

from seil.settings import WarehouseSettings
from seil.warehouse import TableName, open_reading, open_warehouse, publish

TABLE = TableName("salesforce", "thing")


def write(settings: WarehouseSettings, ids: list[str]) -> None:
    with open_warehouse(settings) as warehouse:
        warehouse.prepare()
        with warehouse.commit("ids") as commit:
            commit.tables.replace(TABLE, pa.table({"id": pa.array(ids)}), key="id")
    publish(settings)


def test_queries_within_one_moment_agree_beside_a_commit(engine: WarehouseSettings) -> None:
    count = "SELECT count(*) AS n FROM salesforce.thing"
    write(engine, ["a"])
    with open_reading(engine) as reading, reading.warehouse.one_moment():
        is_atomic = reading.warehouse.traits.atomic_across_tables
        before = reading.warehouse.query(count)["n"][0].as_py()
        write(engine, ["a", "b"])
        with reading.warehouse.stream("SELECT id FROM salesforce.thing") as rows:
            within = rows.read_all().num_rows
    with open_reading(engine) as reading:
        after = reading.warehouse.query(count)["n"][0].as_py()
    # Where each table commits alone, each query sees what is current.
    assert (before, within, after) == (1, 1 if is_atomic else 2, 2)
