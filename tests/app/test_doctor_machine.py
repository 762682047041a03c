"""What doctor finds on a machine, before it fails in a run."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from seil.app import doctor_machine
from seil.app.doctor import examine
from seil.app.doctor_machine import bytes_of, machine_checks, machine_memory
from seil.app.site import Site
from seil.checks import SiteCheck
from seil.settings import load_settings


def checks(home: Path, config: str = "") -> dict[str, SiteCheck]:
    (home / "seil.toml").write_text(config)
    with Site(load_settings()) as context:
        return {check.name: check for check in machine_checks(context)}


@pytest.fixture
def open_port() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("config", "name", "state", "detail"),
    [
        ("", "folders", "ok", "journal, state, warehouse, feed can be written"),
        ("[warehouse]\nmemory = '900TB'", "memory", "fail", "memory is 900TB, this machine has "),
        ("[warehouse]\nmemory = '64MB'", "memory", "warn", "a build needs 256MB"),
        ("[warehouse]\nthreads = 5000", "threads", "warn", "threads is 5,000, this machine has"),
        ("[warehouse]\nurl = 'duckdb::memory:'", "warehouse", "fail", "keeps nothing from one"),
        ("[warehouse]\nurl = 'duckdb:full/w.duckdb'", "warehouse", "fail", "full is a file"),
        ("[warehouse]\nurl = 'duckdb:folder'", "warehouse", "fail", "folder is a folder, not"),
        ("[events]\njournal = 'full/j.sqlite'", "journal", "fail", "full is a file"),
        ("[feed]\nurl = 'full/feed'", "feed", "fail", "full is a file"),
        ("[salesforce]\nprivate_key = 'file:none.key'", "secret", "fail", "No such file"),
        ("[salesforce]\nprivate_key = 'file:open.key'", "secret", "warn", "open.key (mode 0644)"),
        ("[salesforce]\nprivate_key = 'file:own.key'", "secret", "ok", "only its owner"),
        ("[trace]\nendpoint = 'collector:4318'", "traces", "fail", "not http://host:port"),
    ],
    ids=lambda value: value.replace("\n", " ") if "\n" in value else "",
)
def test_what_would_fail_is_found(
    home: Path, config: str, name: str, state: str, detail: str
) -> None:
    (home / "full").write_text("a file")
    (home / "folder").mkdir()
    for key, mode in (("open.key", 0o644), ("own.key", 0o600)):
        (home / key).write_text("s3cr3t")
        (home / key).chmod(mode)
    check = checks(home, config)[name]
    assert (check.state, detail in check.detail) == (state, True), check
    assert check.state == "ok" or check.cure
    assert "s3cr3t" not in str(check)


def test_a_collector_is_looked_up(home: Path, open_port: int, unused_port: int) -> None:
    config = "[trace]\nendpoint = 'http://127.0.0.1:{}'"
    assert checks(home, config.format(open_port))["traces"].state == "ok"
    assert checks(home, config.format(unused_port))["traces"].state == "fail"


@pytest.mark.parametrize(("free", "state"), [(1_000, "fail"), (10**9, "warn")])
def test_a_full_disk_is_found(
    home: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    usage = shutil.disk_usage(home)._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    check = checks(home)["warehouse"]
    assert (check.state, "are free in" in check.detail) == (state, True)


def test_a_read_only_file_system_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class ReadOnly:
        f_flag = os.ST_RDONLY

    monkeypatch.setattr(os, "statvfs", lambda path: ReadOnly)
    assert checks(home)["journal"].detail == f"{home} cannot be written by this user"


def test_a_container_has_less_memory_than_its_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("1000000\n")
    monkeypatch.setattr(doctor_machine, "_CGROUPS", (str(limit),))
    assert machine_memory() == 1_000_000
    assert bytes_of("1.5 gb") == 1_500_000_000
    assert bytes_of("2MiB") == 2 * 1024**2


def test_a_part_that_failed_is_checked_once(home: Path) -> None:
    (home / "seil.toml").write_text("[warehouse]\nurl = 'duckdb::memory:'\n")
    states = [check.state for check in examine(None) if check.name == "warehouse"]
    assert states == ["fail"]
    assert not (home / ":memory:").exists()
