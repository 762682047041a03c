from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest
from tests.iceberg.rest_catalog import Fault, RestServer, rest_server
from tests.iceberg.tables import MemorySource, ordered, publish, read_by_pyiceberg

from seil.iceberg.catalog import IcebergCatalog, open_catalog
from seil.iceberg.snapshot import COMMIT
from seil.settings import PublishSettings


def rows(count: int) -> pa.Table:
    return pa.table({"id": pa.array([str(n) for n in range(count)])})


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, RestServer]]:
    folder = tmp_path_factory.mktemp("rest")
    with (
        rest_server(folder / "one", moves_together=False) as one,
        rest_server(folder / "all") as together,
    ):
        yield {False: one, True: together}


def opened(server: RestServer) -> IcebergCatalog:
    return open_catalog(PublishSettings(), server.url)


def commits(catalog: IcebergCatalog, name: str) -> list[str]:
    table = catalog.find(("seil", name))
    assert table is not None
    return [str(s.summary and s.summary.get(COMMIT)) for s in table.metadata.snapshots]


@pytest.mark.parametrize(
    ("fault", "lands", "together"),
    [
        pytest.param(
            fault,
            lands,
            together,
            id=f"{fault}, {'landed' if lands else 'lost'}, {'together' if together else 'alone'}",
            # The others are combinations of these.
            marks=() if lands and (fault == "close" or not together) else pytest.mark.matrix,
        )
        for fault in ("409", "500", "503", "504", "close")
        for lands in (True, False)
        for together in (False, True)
    ],
)
def test_a_commit_whose_answer_is_lost_is_published_once(
    servers: dict[bool, RestServer], fault: Fault, lands: bool, together: bool
) -> None:
    server, name = servers[together], f"t_{fault}_{lands}".lower()
    catalog = opened(server)
    assert catalog.moves_together is together
    publish(catalog, MemorySource(rows(5), "1", name=name))
    server.fault, server.lands = fault, lands
    (outcome,) = publish(catalog, MemorySource(rows(7), "2", name=name))
    assert (outcome.state, outcome.message) == ("published", "")
    assert read_by_pyiceberg(catalog, name) == ordered(rows(7))
    assert len(commits(catalog, name)) == len(set(commits(catalog, name))) == 2


def test_tables_that_move_together_are_one_commit(servers: dict[bool, RestServer]) -> None:
    server = servers[True]
    catalog, before = opened(server), server.commits
    sources = [MemorySource(rows(3), name=f"set_{n}") for n in range(3)]
    publish(catalog, *sources)
    assert server.commits - before == 1
    assert all(read_by_pyiceberg(catalog, s.name) == ordered(rows(3)) for s in sources)


def test_a_catalog_that_is_down_fails_the_table_and_keeps_the_old_one(
    servers: dict[bool, RestServer],
) -> None:
    catalog = opened(servers[False])
    publish(catalog, MemorySource(rows(3), name="kept"))
    servers[False].is_down = True
    (outcome,) = publish(catalog, MemorySource(rows(4), "2", name="kept"))
    servers[False].is_down = False
    assert outcome.state == "failed"
    assert "kept" in outcome.message
    assert read_by_pyiceberg(catalog, "kept") == ordered(rows(3))


def test_another_writers_rows_are_replaced_by_ours(servers: dict[bool, RestServer]) -> None:
    catalog = opened(servers[False])
    publish(catalog, MemorySource(rows(5), name="shared"))
    other = catalog.find(("seil", "shared"))
    assert other is not None
    other.append(pa.table({"id": ["from elsewhere"]}))
    (outcome,) = publish(catalog, MemorySource(rows(5), name="shared"))
    assert (outcome.how, outcome.reason) == ("compared", "another writer changed it")
    assert (outcome.inserted, outcome.deleted) == (0, 1)
    assert read_by_pyiceberg(catalog, "shared") == ordered(rows(5))
