"""Sites as earlier versions left them.

`layout_1.tar.xz` is a site of the version before layouts had numbers: two runs, schema decisions, a
rule that set a contact aside, a rejected file, deletions and formulas, an object with history, a
listener that was terminated, and a flow that failed behind its second page; beside it the stand-in
org that it was read from. `mtimes.json` in it has the files' times in nanoseconds, which tar cuts.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from contextlib import chdir, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.shared import build_once
from typer.testing import CliRunner, Result

from seil.cli.app import app
from seil.sandbox.salesforce.server import OrgServer
from seil.sandbox.salesforce.store import OrgStore
from seil.settings import StateSettings
from seil.state import State, open_state

ARCHIVE = Path(__file__).with_name("layout_1.tar.xz")
# What the sites hold is older every day, and none of it is to be forgotten for that.
KEPT = dict.fromkeys(
    ("SEIL_EVENTS__KEEP", "SEIL_STATE__KEEP", "SEIL_STATE__KEEP_OUTCOMES"), "36500d"
)


@dataclass(frozen=True)
class OldSite:
    """The site of a folder, and the org in it."""

    folder: Path

    @property
    def staging(self) -> Path:
        return self.folder / "seil-data/lake/seil-dev-sf-to-dw-staging"

    def documents(self, kind: str) -> dict[str, Any]:
        return {path.name: json.loads(path.read_text()) for path in self.staging.glob(f"{kind}/*")}

    def state(self) -> State:
        return open_state(StateSettings(url=f"sqlite:{self.folder / 'seil-data/state.sqlite'}"))

    def rows(self, sql: str) -> list[Any]:
        """Read as any DuckDB client does."""
        with duckdb.connect(str(self.folder / "seil-data/warehouse.duckdb"), read_only=True) as db:
            return db.execute(sql).fetchall()

    def org_ids(self, name: str) -> set[str]:
        with closing(OrgStore.open(self.folder / "org")) as store:
            live = f'SELECT "Id" FROM main."{name}" WHERE NOT "IsDeleted"'
            return {row[0] for row in store.cursor().execute(live).fetchall()}

    def seil(self, *arguments: str, **variables: str) -> Result:
        """In this process; errors that nobody expects are raised."""
        unset = {name: None for name in os.environ if name.startswith("SEIL_")}
        with chdir(self.folder):
            runner = CliRunner(env={**unset, **KEPT, **variables})
            result = runner.invoke(app, arguments, prog_name="seil")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def run(self) -> None:
        """Against the org that the site was read from. 1: some record is set aside."""
        with OrgServer(self.folder / "org") as server:
            ran = self.seil("run", SEIL_SALESFORCE__LOGIN_URL=server.url)
        assert ran.exit_code in (0, 1), ran.stderr


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_once(tmp_path_factory, "layout_1", _unpack)


@pytest.fixture(scope="session")
def upgraded(tmp_path_factory: pytest.TempPathFactory, unpacked: Path) -> OldSite:
    """After its first run with this version; only to be read."""

    def make(folder: Path) -> None:
        shutil.copytree(unpacked, folder, dirs_exist_ok=True)
        OldSite(folder).run()

    return OldSite(build_once(tmp_path_factory, "layout_1_upgraded", make))


@pytest.fixture(scope="session")
def as_it_was(unpacked: Path) -> OldSite:
    """Only to be read."""
    return OldSite(unpacked)


@pytest.fixture
def old_site(tmp_path: Path, unpacked: Path) -> OldSite:
    return OldSite(shutil.copytree(unpacked, tmp_path, dirs_exist_ok=True))


def _unpack(folder: Path) -> None:
    with tarfile.open(ARCHIVE) as packed:
        packed.extractall(folder, filter="data")
    times = folder / "mtimes.json"
    for name, nanoseconds in json.loads(times.read_text()).items():
        os.utime(folder / name, ns=(nanoseconds, nanoseconds))
    times.unlink()
