from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.shared import build_once
from tests.sites import Site

# Of those that read accounts and contacts.
TABLES = ("sales_orders", "sales_order_contacts")


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
        site = Site(folder, ("Account", "Contact"), TABLES)
        with site.serve():
            assert site.run().ok

    return build_once(tmp_path_factory, "loaded", make)


@pytest.fixture
def site(loaded: Path, tmp_path: Path) -> Site:
    shutil.copytree(loaded, tmp_path, dirs_exist_ok=True)
    return Site(tmp_path, ("Account", "Contact"), TABLES)
