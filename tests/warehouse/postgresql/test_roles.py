"""Owner, loader and reader: who may do what in a PostgreSQL warehouse, also after a rebuild."""

from __future__ import annotations

from urllib.parse import urlsplit

import psycopg
import pytest
from tests.postgresql import Server
from tests.warehouse.postgresql.conftest import build, reader, rebuild
from tests.warehouse.records import Accounts

from seil.errors import WarehouseError
from seil.settings import WarehouseSettings
from seil.warehouse import open_warehouse

_READ = "SELECT s.id FROM analytics.sizes AS s, salesforce.account AS a, seil.loads"


def test_a_reader_reads_the_tables_of_before_and_after_a_rebuild(
    server: Server, url: str, accounts: Accounts
) -> None:
    """As docs/postgresql.md has it, but for the tables that were there before the rights."""
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("""
            ALTER DEFAULT PRIVILEGES FOR ROLE seil GRANT USAGE ON SCHEMAS TO reader;
            ALTER DEFAULT PRIVILEGES FOR ROLE seil GRANT SELECT ON TABLES TO reader""")
    rebuild(accounts, url)
    with psycopg.connect(url.replace("//seil@", "//reader@"), autocommit=True) as connection:
        assert connection.execute(_READ).fetchall() == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM analytics.sizes")


def test_a_loader_takes_on_the_role_of_the_owner(
    server: Server, url: str, accounts: Accounts
) -> None:
    loader = f"loader_{urlsplit(url).path[-8:]}"
    server.admin(f"CREATE ROLE {loader} LOGIN", f"GRANT seil TO {loader}")
    options = {"user": loader, "options": "-c%20role%3Dseil"}
    settings = WarehouseSettings(url=server.url(urlsplit(url).path[1:], **options))
    with open_warehouse(settings) as warehouse:
        build(warehouse, "SELECT 'x' AS other")
    owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname IN ('analytics', 'seil')"
    with psycopg.connect(url) as connection:
        assert connection.execute(owners).fetchall() == [("seil",)]


def test_a_rebuild_completes_beside_an_open_transaction(accounts: Accounts, url: str) -> None:
    """Which keeps the old tables until it ends; the next rebuild says so until then."""
    with reader(url):
        rebuild(accounts, url)
        with psycopg.connect(url) as another:
            assert another.execute("SELECT id FROM analytics.sizes").fetchall() == []
        with pytest.raises(WarehouseError, match=r"salesforce__old of an earlier.*transaction"):
            rebuild(accounts, url)
    rebuild(accounts, url)
    with psycopg.connect(url) as connection:
        old = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE '%old'")
        assert old.fetchall() == []
