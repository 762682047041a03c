"""The scheme of `[warehouse] url` chooses the engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from seil.errors import ConfigurationError, MissingExtraError
from seil.settings import WarehouseSettings
from seil.warehouse import local_file, open_reading, open_warehouse, publish
from seil.warehouse.duckdb import engine as duckdb_engine
from seil.warehouse.engines import ENGINES, Engine, EngineEntry, engine_of
from seil.warehouse.postgresql import engine as postgres_engine


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://someone:secret@host/db", "no engine has the scheme 'mysql'"),
        ("warehouse.duckdb", "'warehouse.duckdb' has no scheme"),
    ],
)
def test_an_unknown_scheme_names_those_that_exist(url: str, reason: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_warehouse(WarehouseSettings(url=url))
    (problem,) = caught.value.problems
    assert problem.reason == f"{reason}; those that exist: {', '.join(sorted(ENGINES))}"
    assert "duckdb:<file> or postgresql://<user>@<host>:5432/<database> or " in problem.cure
    assert "secret" not in str(caught.value)


def test_an_engine_without_its_packages_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "planted_engine.py").write_text("import driver_that_is_not_installed")
    monkeypatch.syspath_prepend(tmp_path)
    entry = EngineEntry("planted_engine", "postgresql://<host>/<database>", extra="postgres")
    monkeypatch.setitem(ENGINES, "postgresql", entry)
    with pytest.raises(MissingExtraError, match="driver_that_is_not_installed") as caught:
        open_warehouse(WarehouseSettings(url="postgresql://host/db"))
    assert "pip install 'seil[postgres]'" in caught.value.hint
    with pytest.raises(ConfigurationError, match="those that exist: duckdb, "):
        engine_of("x:y")


def test_every_engine_is_one() -> None:
    engine: Engine = postgres_engine
    engine = duckdb_engine
    assert engine_of("duckdb:w.duckdb") is engine
    for entry in ENGINES.values():
        engine = engine_of(entry.url)
        names = [name for name in vars(Engine) if not name.startswith("_")]
        assert [name for name in names if not hasattr(engine, name)] == []


def test_an_engine_is_imported_on_first_use() -> None:
    script = "import seil.warehouse, sys; print('duckdb' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_each_function_calls_the_engine_of_the_scheme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def answer(name: str) -> object:
        return lambda settings, **options: calls.append(name)

    names = ("open_warehouse", "open_reading", "publish", "local_file", "open_replacement")
    planted = SimpleNamespace(**{name: answer(name) for name in names})
    monkeypatch.setitem(sys.modules, "planted_engine", planted)
    monkeypatch.setitem(ENGINES, "planted", EngineEntry("planted_engine", "planted:<x>"))
    settings = WarehouseSettings(url="planted:x")
    for call in (open_warehouse, open_reading, publish, local_file):
        call(settings)
    assert calls == ["open_warehouse", "open_reading", "publish", "local_file"]
