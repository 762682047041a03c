"""The sixteen models have the same rows on Spark as on DuckDB, over a generated org's records."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.engines import FACTS_QUERY
from tests.sf_to_dw.models import on_spark
from tests.sites import Site
from tests.spark import require_spark

from seil.catalog import load_catalog
from seil.modeling.business_date import BusinessZone
from seil.modeling.select import runnable_select
from seil.sf_to_dw.site_models import site_models
from seil.warehouse import open_warehouse

pytestmark = [pytest.mark.matrix, pytest.mark.spark]

MODELS = site_models(load_catalog())
ZONE = BusinessZone("Australia/Sydney")
SPARK_4 = Path(__file__).parents[3] / ".venv-spark4/bin/python"


@pytest.fixture(scope="module")
def folder(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw tables, what DuckDB makes of them, and the models in Spark's dialect."""
    require_spark()
    place = tmp_path_factory.mktemp("models")
    shutil.copytree(generated, place / "site/org")
    site = Site(place / "site")
    with site.serve():
        assert site.run().ok
    for name in ("raw", "models", "expected"):
        (place / name).mkdir()
    selects = {dialect: _selects(site, dialect) for dialect in ("duckdb", "spark")}
    for name, select in selects["spark"].items():
        (place / f"models/{name}.sql").write_text(select, "utf-8")
    with duckdb.connect(str(site.warehouse_file), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        _write_raw(connection, place / "raw")
        for name, select in selects["duckdb"].items():
            connection.execute(f"COPY ({select}) TO '{place}/expected/{name}.parquet'")
        # Of orders of any age: the generated ones may be older than a week.
        query = FACTS_QUERY.replace("7 days", "20000 days")
        connection.execute(f"COPY ({query}) TO '{place}/expected/query.parquet'")
        (place / "query.sql").write_text(query, "utf-8")
    return place


def _write_raw(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Spark has no time of day: it is text there."""
    tables = connection.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'salesforce' "
        "AND table_type = 'BASE TABLE'"
    ).fetchall()
    assert len(tables) > 25
    for (table,) in tables:
        read = connection.table(f'salesforce."{table}"')
        kinds = zip(read.columns, map(str, read.types), strict=True)
        columns = (f'"{n}"::VARCHAR AS "{n}"' if kind == "TIME" else f'"{n}"' for n, kind in kinds)
        select = f'SELECT {", ".join(columns)} FROM salesforce."{table}"'
        connection.execute(f"COPY ({select}) TO '{folder}/{table}.parquet'")


def _selects(site: Site, dialect: str) -> dict[str, str]:
    with site.open() as opened, open_warehouse(opened.settings.warehouse, read_only=True) as tables:
        return {
            name: runnable_select(
                model,
                dialect,
                sources=MODELS.sources,
                columns=tables.columns,
                relations={},
                zone=ZONE,
            ).sql
            for name, model in MODELS.items()
        }


def differences(folder: Path) -> dict[str, list[Any]]:
    """By model: the number of rows on DuckDB and on Spark, then some that only one of them has."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        wrong = {}
        for file in sorted(folder.glob("expected/*.parquet")):
            one, other = f"'{file}'", f"'{folder}/results/{file.stem}/*.parquet'"
            columns = ", ".join(f'"{n}"' for n in connection.sql(f"FROM {one}").columns)
            first, second = f"SELECT {columns} FROM {one}", f"SELECT {columns} FROM {other}"
            counts = [connection.sql(f"SELECT count(*) FROM {t}").fetchall() for t in (one, other)]
            rows = connection.sql(
                f"(({first}) EXCEPT ALL ({second})) UNION ALL (({second}) EXCEPT ALL ({first}))"
            ).fetchmany(2)
            if rows or counts[0] != counts[1]:
                wrong[file.stem] = [*counts, *rows]
        return wrong


def run_on(python: Path, folder: Path) -> None:
    program = str(Path(on_spark.__file__))
    command = [str(python), program, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.parametrize("version", ["3.5", "4.1"])
def test_the_models_have_the_same_rows(folder: Path, tmp_path: Path, version: str) -> None:
    python = Path(sys.executable) if version == "3.5" else SPARK_4
    if not python.exists():
        pytest.skip("`make spark` installs Spark 4.1 where it can")
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    run_on(python, tmp_path)
    assert differences(tmp_path) == {}
