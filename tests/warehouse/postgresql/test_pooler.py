"""PgBouncer between SEIL and its warehouse: `apt-get install pgbouncer`, else these skip."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import psycopg
import pytest
from tests.limits import until
from tests.postgresql import Server, as_nobody, free_port
from tests.warehouse.postgresql.conftest import build
from tests.warehouse.records import Accounts

from seil.errors import WarehouseError
from seil.settings import WarehouseSettings
from seil.warehouse import checks, open_warehouse

_PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = [
    pytest.mark.matrix,
    pytest.mark.skipif(_PROGRAM is None, reason="there is no pgbouncer"),
]
_SETTINGS = """
[databases]
* = user=seil host={folder} port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
ignore_startup_parameters = extra_float_digits
"""


@contextmanager
def pooled(server: Server, mode: str, database: str) -> Iterator[str]:
    with TemporaryDirectory(prefix="seil-pool-", dir="/tmp") as folder:
        port, settings = free_port(), Path(folder) / "pgbouncer.ini"
        parts = {"folder": server.folder, "server_port": server.port, "port": port, "mode": mode}
        settings.write_text(_SETTINGS.format(**parts))
        Path(folder).chmod(0o755)
        command = [str(_PROGRAM), "--quiet", str(settings)]
        process = subprocess.Popen(command, **as_nobody())
        url = f"postgresql://seil@127.0.0.1:{port}/{database}?sslmode=disable"
        try:
            until(lambda: _answers(url))
            yield url
        finally:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(url) as connection:
        return bool(connection.execute("SELECT 1").fetchone())
    return False


def test_a_pooler_in_session_mode_may_lie_between(
    server: Server, url: str, accounts: Accounts
) -> None:
    with pooled(server, "session", urlsplit(url).path[1:]) as through:
        settings = WarehouseSettings(url=through)
        with open_warehouse(settings) as first, open_warehouse(settings) as second:
            for number, warehouse in enumerate((first, second, first), 2):
                accounts.warehouse = warehouse
                row = {"id": "A", "size": number, "stamp": number}
                accounts.merge(accounts.file(number, [row]))
                build(warehouse)
            sizes = second.query("SELECT size FROM sizes").to_pylist()
            assert sizes == [{"size": 4}]


def test_a_pooler_in_transaction_mode_is_refused_before_anything_is_set(
    server: Server, url: str, accounts: Accounts
) -> None:
    with pooled(server, "transaction", urlsplit(url).path[1:]) as through:
        settings = WarehouseSettings(url=through)
        refused = r"a pooler in transaction mode lies between.*pool_mode = session"
        with pytest.raises(WarehouseError, match=refused):
            open_warehouse(settings)
        with pytest.raises(WarehouseError, match=refused):
            list(checks(settings))
        with psycopg.connect(through) as another:
            path = another.execute("SHOW search_path").fetchone()
        assert path == ('"$user", public',)
