"""`seil init`: a file that says everything, and that SEIL itself reads."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from seil.cli.init import LoginMethod, config_text
from seil.settings import Settings, load_settings

Seil = Callable[..., Any]


def test_the_file_changes_nothing(seil: Seil, home: Path) -> None:
    before = load_settings()
    assert seil("init").code == 0
    assert load_settings() == before
    assert tomllib.loads((home / "seil.toml").read_text()) == {
        **{name: {} for name in _sections(Settings())},
        "warehouse": {"spark": {}},
    }


def test_every_line_of_it_is_a_setting(seil: Seil, home: Path) -> None:
    """Uncommented, it is still valid, so that whoever edits it starts from something right."""
    seil("init")
    lines = (home / "seil.toml").read_text().splitlines()
    live = [line.removeprefix("# ") if " = " in line else line for line in lines]
    (home / "seil.toml").write_text("\n".join(live))
    assert load_settings().extract == Settings().extract


@pytest.mark.parametrize(
    ("org", "live"),
    [
        ("jwt", {"login_url", "auth", "client_id", "username", "private_key"}),
        ("client_credentials", {"login_url", "auth", "client_id", "client_secret"}),
        ("refresh_token", {"login_url", "auth", "client_id", "client_secret", "refresh_token"}),
    ],
)
def test_a_login_is_laid_out_to_fill_in(
    seil: Seil, home: Path, org: LoginMethod, live: set[str]
) -> None:
    ran = seil("init", "--org", org)
    assert "fill in [salesforce]" in ran.out
    written = tomllib.loads((home / "seil.toml").read_text())["salesforce"]
    assert set(written) == live
    assert load_settings().salesforce.auth == org


def test_a_folder_is_shown_as_a_folder(seil: Seil, home: Path) -> None:
    assert seil("init").code == 0
    lines = (home / "seil.toml").read_text().splitlines()
    folders = [line for line in lines if line.startswith("# folder = ")]
    assert folders == ['# folder = "models"', '# folder = "pushes"']


def test_nothing_is_overwritten_unless_forced(seil: Seil, home: Path) -> None:
    (home / "seil.toml").write_text('env = "prod"\n')
    refused = seil("init")
    assert (refused.code, "--force overwrites it" in refused.err) == (2, True)
    assert (home / "seil.toml").read_text() == 'env = "prod"\n'
    assert seil("init", "--force").code == 0
    assert (home / "seil.toml").read_text() == config_text("sandbox")


def test_it_writes_into_the_given_folder(seil: Seil, home: Path) -> None:
    ran = seil("init", "--config", "other.toml", "--json")
    assert ran.json["file"] == "other.toml"
    assert (home / "other.toml").exists()


def test_a_folder_that_is_not_there_is_named(seil: Seil) -> None:
    ran = seil("init", "--config", "no/seil.toml")
    assert ran.code == 2
    assert "no/seil.toml: No such file or directory (choose another with --config)" in ran.err


def _sections(settings: Settings) -> list[str]:
    return [name for name, value in settings if isinstance(value, BaseModel)]
