"""Runs `seil` commands, each in a fork of this process, and kills them where it is told to.

A script: a request is a line of JSON on stdin, its answer one on stdout. What outlives a process is
counted below SEIL, where it leaves for the disk, a database or the wire, and has a name. A command
can be killed before or after any of it, or after some seconds.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import duckdb
import httpx
import obstore

# Imported once, here, as that takes longer than most of the commands.
import seil.cli.app
import seil.cli.context
import seil.salesforce.org
import seil.sf_to_dw.listen
import seil.sf_to_dw.pipeline
import seil.sf_to_dw.rebuild
import seil.warehouse.duckdb.warehouse
from seil.catalog import load_catalog
from seil.modeling.blocks import UnanalysableError, model_block
from seil.modeling.model import Models
from seil.modeling.select import referenced_columns
from seil.sf_to_dw import site_models

_NAMING = ("seil.loads", "seil.builds")
TABLES = ("sales_orders", "sales_order_line_items", "sales_order_contacts")

_BUCKET = re.compile(r"-(landing|curated|staging)/([^/]+)")
_SALESFORCE_ID = re.compile(r"\b[0-9a-zA-Z]{15,18}\b")
_WRITTEN = re.compile(
    r'(?:INSERT INTO|UPDATE|DELETE FROM|ALTER TABLE) "?(\w+)"?(?:\."?(\w+))?', re.IGNORECASE
)


class Effects:
    """Names what happens, in order, and dies at one of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._log = -1
        self._at: dict[str, Any] = {}

    def watch(self, request: dict[str, Any]) -> None:
        """`at`: die at the `nth` moment of a `name`, of any where there is none, by `signal`."""
        self._log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self._at = request.get("at") or {}

    def moment(self, name: str) -> None:
        if self._log < 0:
            return
        with self._lock:
            os.write(self._log, f"{name}\n".encode())
            self._counts[name] += 1
            if not self._at:
                return
            name_of_moment = self._at.get("name")
            number = self._counts[name_of_moment] if name_of_moment else self._counts.total()
            if number == self._at["nth"] and name_of_moment in (None, name):
                os.kill(os.getpid(), self._at.get("signal", signal.SIGKILL))

    def around(self, name: str, call: Callable[[], Any]) -> Any:
        self.moment(f"before {name}")
        result = call()
        self.moment(f"after {name}")
        return result


EFFECTS = Effects()


def place(path: object) -> str:
    """Bucket and topmost folder; for anything else the file's name."""
    match = _BUCKET.search(str(path))
    name = f"{match[1]}/{match[2].partition('-')[0]}" if match else Path(str(path)).name
    # Of a file that is being written, which has a number of its own in each life.
    return name.partition("#")[0]


def watch_files() -> None:
    def watched(verb: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def stored(store: Any, key: str, *args: Any, **options: Any) -> Any:
            target = args[0] if verb == "move to" else key
            name = f"{verb} {place(f'{store.prefix}/{target}')}"
            return EFFECTS.around(name, lambda: call(store, key, *args, **options))

        return stored

    obstore.put = watched("write", obstore.put)
    obstore.rename = watched("move to", obstore.rename)
    obstore.delete = watched("delete", obstore.delete)
    replace, unlink, link = Path.replace, Path.unlink, os.link

    def replaced(self: Path, target: Path) -> Any:
        return EFFECTS.around(f"write {place(target)}", lambda: replace(self, target))

    def unlinked(self: Path, missing_ok: bool = False) -> None:
        if self.exists():
            EFFECTS.around(f"unlink {place(self)}", lambda: unlink(self, missing_ok))

    def linked(source: Any, target: Any, **options: Any) -> None:
        EFFECTS.around(f"write {place(target)}", lambda: link(source, target, **options))

    os.link = linked  # type: ignore[assignment]
    Path.replace = replaced  # type: ignore[method-assign,assignment]
    Path.unlink = unlinked  # type: ignore[method-assign]


class Warehouse:
    """A DuckDB connection that tells of its commits: of loads, of builds, else of the table written
    last.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._is_open = False
        self._written = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def execute(self, sql: str, *args: Any) -> Any:
        verb = sql.split(None, 1)[0].upper()
        if verb == "BEGIN":
            self._is_open, self._written = True, ""
        if (match := _WRITTEN.search(sql)) and self._written not in _NAMING:
            self._written = ".".join(filter(None, match.groups()))
        name = self._name(verb, sql)
        if verb in ("COMMIT", "ROLLBACK"):
            self._is_open = False
        call = self._connection.execute
        return EFFECTS.around(name, lambda: call(sql, *args)) if name else call(sql, *args)

    def _name(self, verb: str, sql: str) -> str:
        if verb == "COMMIT":
            return f"commit {self._written}"
        is_lasting = verb in ("CREATE", "INSERT", "ALTER", "DROP", "DELETE", "CHECKPOINT")
        if not is_lasting or self._is_open or re.search(r"\btemp\b", sql, re.IGNORECASE):
            return ""
        return f"statement {' '.join(sql.split()[:2])}"


class Journal(sqlite3.Connection):
    _written = ""

    def execute(self, sql: str, *args: Any) -> Any:
        if match := _WRITTEN.search(sql):
            self._written = match[1]
        return super().execute(sql, *args)

    def commit(self) -> None:
        EFFECTS.around(f"journal {self._written}", super().commit)


def watch_databases() -> None:
    connect, open_journal = duckdb.connect, sqlite3.connect
    duckdb.connect = lambda *a, **o: Warehouse(connect(*a, **o))  # type: ignore[assignment]
    sqlite3.connect = lambda *a, **o: open_journal(*a, **o, factory=Journal)  # type: ignore


def watch_wire() -> None:
    send = httpx.Client.send

    def sent(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        path = request.url.path.partition("/services/")[2]
        name = _SALESFORCE_ID.sub("*", re.sub(r"^data/v[\d.]+/|sobjects/\w+/", "", path))
        answer: httpx.Response = EFFECTS.around(
            f"{request.method} {name}", lambda: send(self, request, **options)
        )
        return answer

    httpx.Client.send = sent  # type: ignore[method-assign]


def build_some() -> None:
    """Three of the tables: the rest of them would take most of the time, and commit with these."""
    load_all = site_models.site_models

    def load_some(*args: Any, **options: Any) -> Models:
        models = load_all(*args, **options)
        return Models(models.select(TABLES), models.sources, zone=models.zone)

    site_models.site_models = load_some
    some = load_some(load_catalog(None))
    for name in some:
        # Kept by the functions that make it, for all forks.
        referenced_columns(some[name].sql)
        with suppress(UnanalysableError):
            model_block(some[name].sql)


def child(request: dict[str, Any]) -> None:
    code = 70
    try:
        for stream in (1, 2):
            os.dup2(os.open(request["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
        EFFECTS.watch(request)
        seil.cli.app.app(request["args"])
        code = 0
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else 1
    except BaseException:  # noqa: BLE001 (the fork ends here, whatever happened)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def start(request: dict[str, Any]) -> int:
    pid = os.fork()
    if not pid:
        child(request)
    return pid


def ended(pid: int, seconds: float | None) -> int:
    """The exit code, negative for the signal that killed it."""
    until = time.monotonic() + (seconds or 0)
    while seconds is not None and time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    if seconds is not None:
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main() -> None:
    watch_files()
    watch_databases()
    watch_wire()
    build_some()
    for line in sys.stdin:
        requests = json.loads(line)
        pids = [start(request) for request in requests]
        codes = [ended(pid, r.get("after")) for pid, r in zip(pids, requests, strict=True)]
        sys.stdout.write(json.dumps(codes) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
