"""A rebuild after the warehouse is gone: what the state holds is all there, byte for byte."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.upgrade.conftest import OldSite
from tests.upgrade.layout_3 import DECISIONS, RUNS, unpack

from seil.state.schema import TABLES


def rows_of(backup: Path) -> dict[str, set[tuple[object, ...]]]:
    with closing(sqlite3.connect(backup)) as file:
        return {name: set(file.execute(f"SELECT * FROM {name}")) for name in TABLES}


@pytest.mark.parametrize(
    "url", ["sqlite", pytest.param("postgres", marks=pytest.mark.matrix)], indirect=True
)
def test_a_rebuild_keeps_decisions_and_runs(url: str, tmp_path: Path) -> None:
    site = OldSite(unpack(tmp_path))
    for number, command in enumerate((["load"], ["rebuild"])):
        if number:
            (tmp_path / "warehouse.duckdb").unlink()
        ran = site.seil(*command, SEIL_STATE__URL=url)
        assert ran.exit_code == 0, ran.stderr
        ran = site.seil("state", "backup", f"backup{number}", SEIL_STATE__URL=url)
        assert ran.exit_code == 0, ran.stderr
    before, after = (rows_of(tmp_path / f"backup{number}") for number in (0, 1))
    assert all(before[name] <= after[name] for name in TABLES)
    assert (len(before["decisions"]), len(before["runs"])) == (len(DECISIONS), len(RUNS) + 1)
    assert after["decisions"] == before["decisions"]
    assert len(after["runs"]) == len(before["runs"]) + 1
    columns = site.seil("query", "SELECT size__c_text FROM salesforce.widget", SEIL_STATE__URL=url)
    assert "1 cm" in columns.stdout
