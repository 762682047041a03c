"""One database for the tests that leave nothing in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.postgresql import Server

from seil.settings import WarehouseSettings
from seil.warehouse import Warehouse, open_warehouse


@pytest.fixture(scope="module")
def reading(server: Server) -> Iterator[Warehouse]:
    url = server.url(server.new_database())
    with open_warehouse(WarehouseSettings(url=url), read_only=True) as opened:
        yield opened
