"""A state belongs to one site: a missing one and another site's are refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.mortal import Died

from seil.app import backup
from seil.app.doctor import examine
from seil.app.site import Site, open_site
from seil.app.status import site_status
from seil.errors import MissingStateError, OtherStateError, StateError
from seil.state.database import Database
from seil.state.decisions import Decision
from seil.state.ownership import claim

DECISION = Decision("size", "text", "me", "2026-01-01T00:00:00+00:00", "int64", "string")


@pytest.fixture(autouse=True)
def _settings_of_the_test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEIL_CONFIG", raising=False)


def new_site(folder: Path, name: str) -> Path:
    """Its settings file; with a decision in its state."""
    (folder / name).mkdir()
    config = folder / name / "seil.toml"
    config.write_text('[lake]\nurl = "lake"\n[salesforce]\nlogin_url = "http://127.0.0.1:1"\n')
    with open_site(config) as site:
        site.state.decisions.add("Account", [DECISION])
        backup.back_up(site, folder / name / "backup")
    return config


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return new_site(tmp_path, "one")


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return new_site(tmp_path, "two")


def state_file(config: Path) -> Path:
    return config.with_name("seil-data") / "state.sqlite"


def mistype(config: Path, place: Path) -> None:
    config.write_text(f'{config.read_text()}[state]\nurl = "sqlite:{place}"\n')


def decisions(config: Path) -> list[Decision]:
    with open_site(config) as site:
        return site.state.decisions.get("Account")


def write(site: Site) -> object:
    return site.state


def read(site: Site) -> object:
    return site.state_to_read


@pytest.mark.parametrize("use", [write, read])
def test_a_missing_state_is_refused_and_not_made(
    config: Path, tmp_path: Path, use: Callable[[Site], object]
) -> None:
    mistype(config, tmp_path / "mistyped.sqlite")
    words = r"Correct \[state\] url.*`seil state restore FILE`.*`seil state new`"
    with open_site(config) as site, pytest.raises(MissingStateError, match=words):
        use(site)
    assert not (tmp_path / "mistyped.sqlite").exists()


@pytest.mark.parametrize("use", [write, read])
def test_another_sites_state_is_refused(
    config: Path, other: Path, use: Callable[[Site], object]
) -> None:
    mistype(config, state_file(other))
    with open_site(config) as site, pytest.raises(OtherStateError, match="another site"):
        use(site)


def test_status_and_doctor_report_a_missing_state(config: Path) -> None:
    state_file(config).unlink()
    with open_site(config) as site:
        assert "this site has a state" in site_status(site).verdict.sentence
    checks = {check.name: check for check in examine(config)}
    assert (checks["state"].state, "seil state new" in checks["state"].cure) == ("fail", True)


def test_a_backup_takes_the_place_of_a_missing_state(config: Path) -> None:
    state_file(config).unlink()
    with open_site(config) as site:
        backup.restore(site, config.with_name("backup"))
    assert decisions(config) == [DECISION]


def test_a_new_state_is_empty_and_made_only_where_one_is_missing(config: Path) -> None:
    with open_site(config) as site, pytest.raises(StateError, match="it exists"):
        backup.start_anew(site)
    state_file(config).unlink()
    with open_site(config) as site:
        backup.start_anew(site)
    assert decisions(config) == []


def test_a_new_state_killed_while_it_is_made_knows_that_it_forgot(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def claim_and_die(database: Database, site_id: str) -> None:
        claim(database, site_id)
        raise Died

    monkeypatch.setattr("seil.state.ownership.claim", claim_and_die)
    state_file(config).unlink()
    with open_site(config) as site, pytest.raises(Died):
        backup.start_anew(site)
    with open_site(config) as site:
        assert site.state.billing.restored_at


def test_another_sites_backup_is_restored_only_on_demand(config: Path, other: Path) -> None:
    with open_site(config) as site:
        file = other.with_name("backup")
        with pytest.raises(OtherStateError, match="--other-site"):
            backup.restore(site, file, replace=True)
        backup.restore(site, file, replace=True, other_site=True)
    assert decisions(config) == [DECISION]


def test_a_state_is_taken_over_and_its_former_site_refused(config: Path, other: Path) -> None:
    mistype(config, state_file(other))
    with open_site(config) as site:
        assert backup.take_over(site).former
    assert decisions(config) == [DECISION]
    with pytest.raises(OtherStateError):
        decisions(other)


def test_a_state_of_an_earlier_version_becomes_the_sites(config: Path) -> None:
    with closing(sqlite3.connect(state_file(config))) as file, file:
        file.execute("DELETE FROM meta WHERE name = 'site_id'")
    (site_json,) = config.parent.rglob("site.json")
    site_json.write_text('{"layout": 4, "written_by": "0.1.0"}')
    assert decisions(config) == [DECISION]
    assert '"has_state": true' in site_json.read_text()
