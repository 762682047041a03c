"""A site moves to another warehouse, and is proved to have all of it there."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest
from tests.limits import HANGS
from tests.sites import Site
from typer.testing import CliRunner

from seil.app.move import MoveResult, move, plan_move
from seil.cli.app import app
from seil.errors import ConfigurationError
from seil.observe.progress import SILENT, Step
from seil.sf_to_dw.lock import run_lock

NEW = "duckdb:new.duckdb"


class At:
    """Calls something at the first step of a name, once."""

    def __init__(self, name: str, act: Callable[[], object]) -> None:
        self._name, self._act, self.is_done = name, act, False

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Step]:
        if name.startswith(self._name) and not self.is_done:
            self.is_done = True
            self._act()
        with SILENT.step(name, total) as step:
            yield step


def move_to(site: Site, url: str = NEW, *, at: At | None = None, switch: bool = True) -> MoveResult:
    with site.open() as context:
        config = site.folder / "seil.toml"
        return move(context, url, config=config, switch=switch, progress=at or SILENT)


def settings_of(site: Site) -> str:
    return (site.folder / "seil.toml").read_text()


def change(site: Site, contact: str) -> None:
    site.write("PATCH", f"Contact/{contact}", {"LastName": "Changed"})
    site.pass_a_second()


def test_a_running_site_moves_with_what_lands_meanwhile(site: Site) -> None:
    with duckdb.connect(str(site.warehouse_file)) as people:
        people.execute("CREATE VIEW names AS SELECT name FROM contacts_of_accounts")
        people.execute("CREATE TABLE notes AS SELECT 1 AS note")
    with site.serve():
        # A run in the midst of it is not hindered, and is moved along.
        first, second, *_ = site.records("contact")
        change(site, first)
        run = At("load Account", site.run)
        result = move_to(site, at=run)
        assert run.is_done
        assert result.ok, result.report.refused
        assert result.report.plan.left_behind == ("table notes", "view names")
        assert NEW in settings_of(site)
        new, old = site.contents(), site.folder / "warehouse.duckdb"
        change(site, second)
        assert site.run().ok
        assert site.contents() != new
    with duckdb.connect(str(old), read_only=True) as people:
        # Nothing has written to it since.
        count = "SELECT count(*) FROM seil.loads"
        assert people.execute(count).fetchone() == (result.report.files,)
    assert (site.folder / "new.read.duckdb").exists()
    assert {table.rows > 0 for table in result.report.compared} == {True, False}


def test_a_move_that_is_interrupted_goes_on_where_it_was(site: Site) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    before = settings_of(site)
    for step in ("load Contact", "publish tables", "compare seil.ledger"):
        with pytest.raises(KeyboardInterrupt):
            move_to(site, at=At(step, stop))
        assert settings_of(site) == before
    with site.open() as context:
        config = site.folder / "seil.toml"
        plan = plan_move(context, NEW, config=config, switch=True)
    assert plan.is_begun
    result = move_to(site)
    assert result.ok, result.report.refused
    switched = settings_of(site)
    again = move_to(site)
    assert (again.ok, again.report.plan.is_current, again.is_switched) == (True, True, False)
    assert settings_of(site) == switched


KILLED_MOVE = """
import os, signal, sys
from pathlib import Path
from tests.sf_to_dw.whole.conftest import AccountSite
from tests.sf_to_dw.whole.test_move import At, move_to
move_to(AccountSite(Path(sys.argv[1])), at=At(sys.argv[2], lambda: os.kill(os.getpid(), 9)))
"""


@pytest.mark.matrix
def test_a_move_killed_again_and_again_comes_to_an_equal_warehouse(site: Site) -> None:
    settings, contents = settings_of(site), site.contents()
    for step in ("load Contact", "stage", "publish tables", "compare salesforce.contact"):
        command = [sys.executable, "-c", KILLED_MOVE, str(site.folder), step]
        done = subprocess.run(command, cwd=Path.cwd(), check=False, timeout=HANGS)
        assert done.returncode == -signal.SIGKILL, step
        assert settings_of(site) == settings
        assert site.contents() == contents
    assert move_to(site).ok
    assert NEW in settings_of(site)
    assert site.contents() == contents


def test_a_difference_stops_the_switch_and_is_named(site: Site) -> None:
    with duckdb.connect(str(site.warehouse_file)) as people:
        (id_,) = people.execute("SELECT id FROM salesforce.contact").fetchall()[3]
        people.execute("UPDATE salesforce.contact SET email = 'planted' WHERE id = ?", [id_])
        people.execute("DELETE FROM contacts_of_accounts WHERE id = ?", [id_])
    before = settings_of(site)
    result = move_to(site)
    record, row = result.report.refused
    place = f"where id = '{id_}'"
    assert record.startswith(f"salesforce.contact {place}, column email: the current one has ")
    assert "the current one has 'planted', the new one has '" in record
    assert row == (
        f"contacts_of_accounts {place}: the current one has no row, the new one has a row"
    )
    assert not result.is_switched
    assert settings_of(site) == before
    assert site.rebuild().ok
    assert move_to(site).ok


def test_without_a_switch_the_line_to_change_is_named(site: Site) -> None:
    result = move_to(site, switch=False)
    assert result.ok
    assert (result.line, result.is_switched) == (f'url = "{NEW}"', False)
    assert result.setting == f"warehouse.url ({site.folder / 'seil.toml'}, line 9)"
    text = settings_of(site)
    (site.folder / "seil.toml").write_text(text.replace("duckdb:warehouse.duckdb", NEW))
    with site.open() as context, context.warehouse() as warehouse:
        assert warehouse.bookkeeping.load_totals().files == result.report.files


@pytest.mark.parametrize("options", [(), ("--switch",), ("--dry-run",)], ids=str)
def test_a_site_that_is_there_already_has_nothing_to_do(
    site: Site, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    before = settings_of(site)
    monkeypatch.chdir(site.folder)
    moved = CliRunner().invoke(app, ["move", "duckdb:./warehouse.duckdb", *options])
    assert (moved.exit_code, moved.stdout.split(" is ")[1:]) == (
        0,
        ["the site's warehouse already: nothing to do.\n"],
    )
    assert settings_of(site) == before


def not_empty(site: Site) -> str:
    with duckdb.connect(str(site.folder / "full.duckdb")) as people:
        people.execute("CREATE TABLE theirs AS SELECT 1 AS number")
    return "duckdb:full.duckdb"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (not_empty, "is not empty: it has theirs"),
        (lambda _: "mysql://host/db", "no engine has the scheme 'mysql'"),
        (lambda _: "postgresql://me:secret@host/db", "holds a password"),
        (lambda _: "duckdb:journal.sqlite", "is the file of warehouse.url, too"),
    ],
    ids=["not-empty", "unknown", "password", "journal"],
)
def test_a_target_that_cannot_be_the_warehouse_is_refused(
    site: Site, url: Callable[[Site], str], reason: str
) -> None:
    before = settings_of(site), sorted(path.name for path in Path(site.folder).iterdir())
    target = url(site)
    with pytest.raises(ConfigurationError, match=reason) as caught:
        move_to(site, target)
    assert "secret" not in str(caught.value)
    assert settings_of(site) == before[0]
    with site.open() as context, run_lock(context.lake):
        pass
