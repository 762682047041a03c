from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.upgrade.conftest import OldSite

from seil.errors import NewerSiteError
from seil.lake import Lake
from seil.lake.site_layout import KEY, LAYOUT, Migration, migrate, refuse_newer, site_layout
from seil.sf_to_dw.lock import run_lock


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.at((tmp_path / "lake").as_uri(), env="dev", project="seil")


def used(lake: Lake) -> Lake:
    lake.staging.put("flows/Salesforce-Account.json", b"{}")
    return lake


def newer(lake: Lake) -> None:
    lake.staging.put(KEY, json.dumps({"layout": LAYOUT + 1, "written_by": "9.9"}).encode())


def test_a_new_site_has_the_last_layout_from_its_first_run_on(lake: Lake) -> None:
    assert site_layout(lake) is None
    with run_lock(lake):
        assert site_layout(lake) == LAYOUT


def test_a_site_without_a_number_has_the_first_layout(lake: Lake) -> None:
    assert site_layout(used(lake)) == 1


def test_steps_are_taken_once_and_in_order(lake: Lake) -> None:
    steps_taken: list[int] = []
    steps = [
        Migration(2, "", lambda _: steps_taken.append(2)),
        Migration(3, "", lambda _: steps_taken.append(3)),
    ]
    migrate(used(lake), steps)
    migrate(lake, steps)
    assert steps_taken == [2, 3]


def test_a_step_that_was_killed_is_taken_again(lake: Lake) -> None:
    steps_taken: list[str] = []

    def killed(_: Lake) -> None:
        steps_taken.append("again")
        if len(steps_taken) == 1:
            raise KeyboardInterrupt

    steps = [Migration(2, "", lambda _: steps_taken.clear()), Migration(3, "", killed)]
    with pytest.raises(KeyboardInterrupt):
        migrate(used(lake), steps)
    assert site_layout(lake) == 2
    migrate(lake, steps)
    assert (site_layout(lake), steps_taken) == (3, ["again", "again"])


def test_a_newer_site_is_refused_before_anything_is_written(lake: Lake) -> None:
    newer(lake)
    with pytest.raises(NewerSiteError, match=r"SEIL 9\.9"):
        refuse_newer(lake)
    with pytest.raises(NewerSiteError), run_lock(lake):
        raise AssertionError


@pytest.mark.parametrize("command", ["status", "run", "files list", "load"])
def test_commands_refuse_a_newer_site(old_site: OldSite, command: str) -> None:
    place = old_site.staging / KEY
    place.write_text(json.dumps({"layout": LAYOUT + 1, "written_by": "9.9"}))
    ran = old_site.seil(*command.split())
    assert ran.exit_code == 2
    assert "SEIL 9.9" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_older_site_gets_its_number(upgraded: OldSite) -> None:
    assert json.loads((upgraded.staging / KEY).read_text())["layout"] == LAYOUT
