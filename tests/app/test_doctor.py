"""What doctor finds: each problem with its cause and its cure, one part after the other."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from seil.app import doctor, steps
from seil.app.site import Site
from seil.catalog import SyncedObject
from seil.checks import SiteCheck
from seil.errors import LakeError, ObjectRejectedError, UnavailableError
from seil.events.dispatch import Dispatcher, Pattern, Subscriber
from seil.events.envelope import Event
from seil.lake import Bucket
from seil.salesforce.allowance import OrgLimits
from seil.salesforce.org import SObjectInfo
from seil.salesforce.schema import ObjectSchema, parse_describe
from seil.settings import load_settings


@pytest.fixture
def site(home: Path) -> Iterator[Site]:
    with Site(load_settings()) as opened:
        yield opened


def failed() -> dict[str, SiteCheck]:
    return {check.name: check for check in doctor.examine(None) if check.state == "fail"}


@pytest.fixture
def no_org(home: Path, unused_port: int) -> str:
    """The settings of a site whose org does not answer."""
    return f'[salesforce]\nlogin_url = "http://127.0.0.1:{unused_port}"\nattempts = 1\n'


@pytest.mark.parametrize(
    ("config", "count"), [("colour = 1\n[extract]\nflows = 0", 2), ("env = ", 1)]
)
def test_every_wrong_setting_is_named(home: Path, config: str, count: int) -> None:
    (home / "seil.toml").write_text(config)
    wrong = [check for check in doctor.examine(None) if check.state == "fail"]
    assert [check.name for check in wrong] == ["configuration"] * count
    assert all(check.cure for check in wrong)


def test_a_wrong_catalog_hides_nothing_else(home: Path, no_org: str) -> None:
    (home / "seil.toml").write_text(no_org)
    (home / "seil-data").mkdir()
    (home / "seil-data" / "journal.sqlite").write_bytes(b"garbage " * 100)
    (home / "seil-data" / "warehouse.duckdb").write_bytes(b"garbage " * 100)
    (home / "objects.toml").write_text("[objects.Lead]\ncolour = 1\n")
    wrong = failed()
    assert set(wrong) == {"catalog", "journal", "warehouse", "login"}
    assert "colour" in wrong["catalog"].detail
    assert wrong["journal"].cure.endswith("move it away first")
    assert wrong["warehouse"].cure.startswith("Run `seil rebuild`")
    assert all(check.cure for check in wrong.values())


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.EROFS, "point [lake] url at a folder that can be written"),
        (errno.EACCES, "Give this user the right to write there"),
        (errno.ENOSPC, "free some space"),
        (None, LakeError.cure),
    ],
    ids=["read-only", "no right", "full", "anything else"],
)
def test_a_lake_that_cannot_be_written_is_named(
    home: Path, no_org: str, monkeypatch: pytest.MonkeyPatch, number: int | None, cure: str
) -> None:
    (home / "seil.toml").write_text(no_org)
    monkeypatch.setattr(Bucket, "put", _refusing(number))
    wrong = failed()
    assert set(wrong) == {"lake", "login"}
    assert cure in wrong["lake"].cure


def _refusing(number: int | None) -> Any:
    from seil.lake.buckets import _translate_errors

    def put(self: Bucket, key: str, *_: Any, **__: Any) -> None:
        with _translate_errors(self.uri(key), "write"):
            raise OSError(number or errno.EIO, os.strerror(number or errno.EIO))

    return put


def test_a_missing_extra_is_named(home: Path, no_org: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "seil.toml").write_text(no_org + '[state]\nurl = "postgresql://seil@127.0.0.1/seil"\n')
    # Other tests of this process have imported what imports it.
    for name in [name for name in sys.modules if name.startswith("seil.state.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    wrong = failed()
    assert set(wrong) == {"state", "login"}
    assert "`pip install 'seil[postgres]'`" in wrong["state"].cure


def test_a_place_that_cannot_be_looked_at_hides_nothing_else(
    home: Path, no_org: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "seil.toml").write_text(no_org)

    def refuse(path: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "statvfs", refuse)
    wrong = failed()
    assert set(wrong) == {"machine", "lake", "login"}
    assert wrong["machine"].detail == f"{home}: Permission denied"
    assert "`seil doctor`" in wrong["machine"].cure


def test_an_unreachable_org_is_named(home: Path, no_org: str) -> None:
    (home / "seil.toml").write_text(no_org)
    [check] = failed().values()
    assert (check.name, "seil sandbox salesforce" in check.cure) == ("login", True)


def test_dead_letters_are_named(site: Site) -> None:
    def refuse(event: Event) -> None:
        raise ValueError("odd")

    everything = Pattern({"source": [{"exists": True}]})
    dispatcher = Dispatcher(site.journal, [Subscriber("s", everything, refuse, attempts=1)])
    site.journal.publish([Event("seil.test", "x", {})])
    dispatcher.drain()
    [check] = doctor._journal(site)
    assert (check.state, check.cure) == ("warn", "see `seil events dead`")


@pytest.mark.parametrize(
    ("free", "state", "detail"),
    [
        (10**6, "fail", "but only 1.0 MB are free"),
        (10**9, "warn", "but only 1.0 GB are free"),
        (10**12, "ok", "1.0 TB free"),
        (None, "ok", ""),
    ],
)
def test_space_of_the_lake_is_minded(
    site: Site, monkeypatch: pytest.MonkeyPatch, free: int | None, state: str, detail: str
) -> None:
    monkeypatch.setattr(Bucket, "free_bytes", lambda self: free)
    [check] = doctor._lake(site)
    assert check.state == state
    assert detail in check.detail


def test_the_warehouse_is_read_beside_another_reader(home: Path, site: Site) -> None:
    steps.load(site)
    (file,) = home.glob("**/warehouse.duckdb")
    reader = f"import duckdb; c = duckdb.connect({str(file)!r}, read_only=True); print(); input()"
    command = [sys.executable, "-c", reader]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        checks = list(doctor._warehouse(site))
        process.communicate(b"\n")
    assert {check.state for check in checks} == {"ok"}


class _Clock:
    def __init__(self, seconds: float) -> None:
        self._ahead = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return datetime.now(UTC) - self._ahead


@pytest.mark.parametrize(
    ("seconds", "state"), [(0, "ok"), (60, "warn"), (-60, "warn"), (600, "fail")]
)
def test_the_clock_is_minded(seconds: float, state: str) -> None:
    check = doctor._clock(_Clock(seconds))  # type: ignore[arg-type]
    assert check.state == state
    assert bool(check.cure) is True


class _Org:
    """An org of one object, in whatever state a test wants it."""

    def __init__(self, fields: list[str], *, queryable: bool = True) -> None:
        self._fields = fields
        self._queryable = queryable

    def newest_version(self) -> str:
        return "68.0"

    def objects(self) -> list[Any]:
        return [SObjectInfo("Lead", "Lead", self._queryable, custom=False)]

    def describe(self, name: str) -> ObjectSchema:
        if not self._fields:
            raise ObjectRejectedError(name, "INVALIDENTITY: is not supported")
        fields = [{"name": field, "type": "string"} for field in self._fields]
        return parse_describe({"name": name, "fields": fields})

    def limits(self) -> OrgLimits:
        return OrgLimits()


@pytest.mark.parametrize(
    ("org", "state", "detail"),
    [
        (_Org(["Id", "SystemModstamp"]), "", ""),
        (_Org(["Id"], queryable=False), "fail", "cannot be queried by this user"),
        (_Org([]), "fail", "Lead: INVALIDENTITY: is not supported"),
        (_Org(["SystemModstamp"]), "fail", "has no field Id"),
        (_Org(["Id", "LastModifiedDate"]), "warn", "has no field SystemModstamp"),
    ],
    ids=["fine", "not queryable", "not described", "no key", "no cursor"],
)
def test_each_object_is_looked_at(site: Site, org: _Org, state: str, detail: str) -> None:
    obj = SyncedObject(api_name="Lead")
    site.__dict__["org"] = org
    readable = {entry.name: entry.queryable for entry in org.objects()}
    checks = list(doctor._object(site, obj, readable=readable.get("Lead")))
    assert [check.state for check in checks] == ([state] if state else [])
    assert all(detail in check.detail and check.cure for check in checks)


def test_an_allowance_that_the_org_keeps_is_a_warning(site: Site) -> None:
    site.__dict__["org"] = _Org(["Id"])
    assert doctor._quota(site).state == "warn"


def test_a_version_that_the_org_refuses_is_named(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: _Org) -> list[Any]:
        raise UnavailableError("Salesforce", "no such version")

    monkeypatch.setattr(_Org, "objects", refuse)
    site.__dict__["org"] = _Org(["Id"])
    [check] = doctor._objects(site)
    assert (check.name, check.state) == ("API", "fail")
    assert check.detail == "version 66.0: Salesforce: no such version"
