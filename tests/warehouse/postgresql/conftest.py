"""Databases of a server, one for the tests that leave nothing in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from tests.holder import Holder
from tests.postgresql import Server
from tests.warehouse.records import Accounts

from seil.lake import RunFence
from seil.settings import WarehouseSettings
from seil.warehouse import TableName, Warehouse, open_replacement, open_warehouse
from seil.warehouse.replacement import UserObject

SIZES = TableName("", "sizes")
SELECT = "SELECT id, size FROM salesforce.account"


@pytest.fixture
def url(server: Server) -> str:
    return server.url(server.new_database(), options="-c%20lock_timeout%3D100ms")


@pytest.fixture
def warehouse(url: str) -> Iterator[Warehouse]:
    with open_warehouse(WarehouseSettings(url=url)) as opened:
        opened.prepare()
        yield opened


@pytest.fixture
def accounts(warehouse: Warehouse, tmp_path: Path) -> Accounts:
    accounts = Accounts(warehouse, tmp_path)
    accounts.merge(accounts.file(1, [{"id": "A", "size": 1, "stamp": 1}]))
    build(warehouse)
    return accounts


def build(warehouse: Warehouse, select: str = SELECT) -> None:
    with warehouse.commit("build") as commit:
        commit.builder.publish([commit.builder.stage_table(SIZES, select)])


@contextmanager
def reader(url: str) -> Iterator[psycopg.Connection]:
    """In a transaction that has read both tables, and stays open."""
    with psycopg.connect(url) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT * FROM analytics.sizes, salesforce.account").fetchall()
        yield connection


def rebuild(
    accounts: Accounts,
    url: str,
    select: str = SELECT,
    meanwhile: Callable[[], object] = lambda: None,
) -> None:
    """Under token 2, without rows."""
    fence = RunFence()
    with fence.guard(Holder(2)):
        replacement = open_replacement(WarehouseSettings(url=url), fence=fence)

        def mine(_warehouse: Warehouse) -> list[UserObject]:
            return replacement.user_objects(own_schemas=re.compile("x"), own_tables=[SIZES])

        _, objects = replacement.read_old(mine)
        assert objects is not None
        try:
            with replacement.new() as new:
                new.prepare()
                Accounts(new, accounts.folder)
                build(new, select)
                replacement.copy_user_objects(objects)
                meanwhile()
            replacement.replace()
        finally:
            replacement.discard()


@pytest.fixture(scope="module")
def reading(server: Server) -> Iterator[Warehouse]:
    url = server.url(server.new_database())
    with open_warehouse(WarehouseSettings(url=url), read_only=True) as opened:
        yield opened
