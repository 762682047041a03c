"""The subjects of the benchmarks still start, at their smallest size and in this process.

SEIL's load and build are started by the whole run.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from benchmarks import api_server, delivery_subjects, iceberg
from benchmarks.delivery import make_org
from benchmarks.delivery_network import network
from benchmarks.history import make_history
from benchmarks.measure import Clock, process
from benchmarks.org import curated_org, landed_file
from benchmarks.pages import narrow_pages
from tests.postgresql import running

from seil.observe import logs
from seil.salesforce.schema import parse_describe
from seil.sandbox.salesforce.server import OrgServer


@pytest.fixture(scope="module")
def work(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where benchmarks look for an org; this one has 30 orders."""
    folder = tmp_path_factory.mktemp("benchmarks")
    shutil.copytree(generated, folder / "org")
    return folder


def measured(function: str, **arguments: Any) -> Any:
    """The rows of one turn; notes beside them are left out."""
    module, _, name = function.partition(":")
    clock = Clock()
    answer = getattr(import_module(f"benchmarks.{module}"), name)(clock, **arguments)
    assert clock.seconds > 0
    return answer["rows"] if isinstance(answer, dict) else answer


def test_models_by_hand(work: Path, tmp_path: Path) -> None:
    org = curated_org(work, tmp_path / "lakes", copies=1, share=0.5)
    at = {"lake": str(org.full), "warehouse": str(tmp_path / "views.duckdb")}
    assert measured("models_subjects:duckdb", **at, kept=False) == org.rows


@pytest.mark.matrix
def test_models_by_seil(work: Path, tmp_path: Path) -> None:
    org = curated_org(work, tmp_path / "lakes", copies=2, share=0.5)
    at = {"url": f"duckdb:{tmp_path / 'warehouse.duckdb'}", "threads": 1, "memory": "512MB"}
    full = measured("models_subjects:seil", lake=str(org.full), full=True, **at)
    delta = measured("models_subjects:seil", lake=str(org.delta), full=False, **at)
    assert (full, delta) == (org.rows, org.changed)


@pytest.mark.matrix
def test_loads_into_postgresql(work: Path, tmp_path: Path) -> None:
    org = curated_org(work, tmp_path / "lakes", copies=1, share=0.5)
    with running(18) as server:
        at = {"lake": str(org.full), "url": server.url(server.new_database())}
        assert measured("warehouses_subjects:copied", **at) == org.rows
        with psycopg.connect(at["url"]) as connection:
            count = connection.execute("SELECT count(*) FROM order_product").fetchone()
        assert count is not None
        assert 0 < count[0] <= org.order_products
        if importlib.util.find_spec("dlt"):
            assert measured("warehouses_subjects:dlt", **at, file_format="csv") == org.rows


def test_ingest(work: Path, tmp_path: Path) -> None:
    at = {"file": str(landed_file(work, tmp_path / "in", megabytes=1)), "folder": str(tmp_path)}
    assert measured("ingest_subjects:seil", **at) == measured("ingest_subjects:copied", **at) > 0


def test_extract(tmp_path: Path) -> None:
    manifest = narrow_pages(tmp_path / "pages", rows=20, page_rows=10)
    described = json.loads(manifest.read_text())["describe"]
    schema = tmp_path / "schema"
    schema.write_bytes(parse_describe(described).arrow.serialize())
    with process("benchmarks.page_server", str(manifest)) as url:
        at = {"url": url, "work": str(tmp_path)}
        assert measured("extract_subjects:seil", **at, name="Account", pages=2) == 20
        assert measured("extract_subjects:pyarrow", **at, schema=str(schema)) == 20
        assert measured("extract_subjects:simple_salesforce", **at, name="Account") == 20
        if importlib.util.find_spec("dlt"):
            assert measured("extract_subjects:dlt", **at, pages=1) == 10


def test_publishing(tmp_path: Path) -> None:
    module: Any = import_module("benchmarks.publishing")
    file = tmp_path / "warehouse.duckdb"
    module._make(file, 1)
    assert measured("publishing:seil_publish", file=str(file)) > 0
    assert measured("publishing:copy", file=str(file)) == file.stat().st_size


def test_runs_of_a_site_with_a_past(work: Path, tmp_path: Path) -> None:
    shutil.copytree(work / "org", tmp_path / "org")
    with OrgServer(tmp_path / "org") as server:
        at = {"url": server.url, "folder": str(tmp_path)}
        assert measured("end_to_end:seil", **at, full=True, lookback="0s") > 0
        assert make_history(tmp_path, hours=2) == 66
        assert measured("idle:seil_run", **at) == 0
        assert measured("idle:seil_load_all", **at) == 0
        assert measured("idle:seil_status", **at) > 0


@pytest.fixture
def quiet() -> Iterator[None]:
    yield
    logs.unconfigure()


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("name", ["bare", "edge"])
def test_servers_of_the_api(name: str) -> None:
    app, token = getattr(api_server, name)()

    async def status() -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            return (await client.get(api_server.PATH, headers=headers)).status_code

    assert asyncio.run(status()) == 200


def test_delivery_writes_each_record_once(tmp_path: Path) -> None:
    make_org(tmp_path / "org", 100)
    folder = str(tmp_path)
    with OrgServer(tmp_path / "org") as org, network(tmp_path / "network", 100) as settings:
        turns = [
            delivery_subjects.sync(Clock(), org=org.url, network=settings, folder=folder)
            for _ in range(2)
        ]
    assert [turn["written"] for turn in turns] == [301, 0]


@pytest.mark.parametrize(
    ("function", "share", "options"),
    [
        ("delta", 100, {"memory": "1GB"}),
        ("whole", 1, {"memory": "1GB"}),
        ("upsert", 100, {}),
    ],
)
def test_published_tables(
    tmp_path: Path, function: str, share: int, options: dict[str, str]
) -> None:
    iceberg.make(tmp_path / "tables", rows=1_000)
    folder = str(tmp_path / "tables")
    assert measured(f"iceberg:{function}", folder=folder, **options) == 1_000 // share
