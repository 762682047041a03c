from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
from tests.sf_to_dw.narrow_model import narrow_models
from tests.shared import build_once
from tests.sites import Site

import seil.app.site
from seil.modeling.model import Models
from seil.settings import load_settings


class _OpenSite(seil.app.site.Site):
    @cached_property
    def models(self) -> Models:
        return narrow_models(self.catalog)


@dataclass
class AccountSite(Site):
    """A site of accounts and contacts that builds one table."""

    objects: tuple[str, ...] = ("Account", "Contact")

    def open(self) -> seil.app.site.Site:
        return _OpenSite(load_settings(self.folder / "seil.toml"))


@pytest.fixture
def new_site(generated: Path, tmp_path: Path) -> Callable[..., Site]:
    def new(*objects: str) -> Site:
        shutil.copytree(generated, tmp_path / "org")
        return Site(tmp_path, objects)

    return new


@pytest.fixture(scope="session")
def loaded(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose accounts and contacts have been through everything."""

    def make(folder: Path) -> None:
        shutil.copytree(generated, folder / "org")
        site = AccountSite(folder)
        with site.serve():
            assert site.run().ok
        assert site.query("SELECT 1 FROM contacts_of_accounts WHERE account_name IS NOT NULL")

    return build_once(tmp_path_factory, "loaded", make)


@pytest.fixture
def site(loaded: Path, tmp_path: Path) -> Site:
    shutil.copytree(loaded, tmp_path, dirs_exist_ok=True)
    return AccountSite(tmp_path)
