"""What `seil status` says first: the cause and the next command, on sites broken in many ways."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.limits import HANGS

from seil.app.site import Site
from seil.errors import LakeError, LoginError
from seil.events.dispatch import Dispatcher, Pattern, Subscriber
from seil.events.envelope import Event
from seil.lake import Bucket
from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.options import OrgOptions, Quotas
from seil.sandbox.salesforce.server import OrgServer
from seil.settings import load_settings
from seil.sf_to_dw.extract.flows import FlowStates
from seil.sf_to_dw.lock import run_lock
from seil.warehouse.duckdb.errors import translate

Seil = Callable[..., Any]
Serve = Callable[..., OrgServer]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)

CONFIG = """\
[salesforce]
login_url = "{url}"
attempts = 1
max_wait = 1
[extract]
poll = 0.05
"""


@pytest.fixture
def serve(generated: Path, home: Path) -> Iterator[Serve]:
    running: list[OrgServer] = []

    def start(**options: Any) -> OrgServer:
        shutil.copytree(generated, home / "org", dirs_exist_ok=True)
        server = OrgServer(home / "org", options=OrgOptions(**options)).start()
        running.append(server)
        (home / "seil.toml").write_text(CONFIG.format(url=server.url))
        (home / "objects.toml").write_text('[defaults.flow]\nlag = "0s"\n')
        return server

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def context(home: Path) -> Iterator[Site]:
    with Site(load_settings()) as opened:
        yield opened


def exported(home: Path, **columns: list[Any]) -> Path:
    """A folder with a file of orders, as another tool exports them."""
    folder = home / "exported"
    folder.mkdir()
    (home / "seil.toml").touch()
    times = {
        name: [datetime.now(UTC)] * len(columns["Id"]) for name in ("SystemModstamp", "CreatedDate")
    }
    pq.write_table(pa.table({**columns, **times}), folder / "Order.parquet")
    return folder


def login(seil: Seil, serve: Serve, home: Path) -> None:
    serve()
    text = (home / "seil.toml").read_text()
    secret = 'attempts = 1\nclient_secret = "plain:wrong-one"'
    (home / "seil.toml").write_text(text.replace("attempts = 1", secret))
    assert seil("run", "Account").code == 3


def permission(seil: Seil, serve: Serve, home: Path) -> None:
    serve()
    with (home / "objects.toml").open("a") as file:
        file.write("[objects.Secret__c]\n")
    assert seil("extract", "Secret__c", "Account").code == 1


def drift(seil: Seil, serve: Serve, home: Path) -> None:
    server = serve()

    def change(**body: Any) -> None:
        wish = {"object": "Account", "field": "Size__c", **body}
        httpx.post(f"{server.url}/sandbox/schema", json=wish, timeout=HANGS).raise_for_status()

    change(action="add", type="double", precision=6, scale=1)
    assert seil("run", "Account").code == 0
    change(action="change", type="date")
    assert seil("run", "Account").code == 1


def error_files(seil: Seil, serve: Serve, home: Path) -> None:
    folder = exported(home, Id=["801A"])
    (folder / "Order.parquet").write_bytes(b"garbage " * 20)
    assert seil("ingest", "--from", str(folder)).code == 1


def quota(seil: Seil, serve: Serve, home: Path) -> None:
    serve(quotas=Quotas(api_requests=3))
    assert {seil("run", "Account").code for _ in range(2)} == {4}


def late(seil: Seil, serve: Serve, home: Path) -> None:
    with Site(load_settings()) as context:
        [obj] = context.catalog.select(["Account"])
        states = FlowStates(context.lake)
        now = datetime.now(UTC)
        states.change(obj, committed=now - timedelta(days=9), last_run_id="r0", finished_at=now)


def model_test(seil: Seil, serve: Serve, home: Path) -> None:
    folder = exported(home, Id=["801A"], OrderNumber=["100"], AccountId=["001A"])
    assert seil("ingest", "--from", str(folder)).code == 0
    assert seil("load").code == 0
    with duckdb.connect("seil-data/warehouse.duckdb") as connection:
        connection.execute('INSERT INTO salesforce."order" FROM salesforce."order"')
    assert seil("build", "--full").code == 1


def dead_letter(seil: Seil, serve: Serve, home: Path) -> None:
    def refuse(event: Event) -> None:
        raise ValueError("odd")

    everything = Pattern({"source": [{"exists": True}]})
    with Site(load_settings()) as context:
        subscriber = Subscriber("crm", everything, refuse, attempts=1)
        dispatcher = Dispatcher(context.journal, [subscriber])
        context.journal.publish([Event("seil.test", "x", {})])
        dispatcher.drain()


def full_disk(seil: Seil, serve: Serve, home: Path) -> None:
    serve()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bucket, "writer", _no_space)
        assert seil("run", "Account").code == 3


def _no_space(self: Bucket, key: str) -> Any:
    reason = os.strerror(errno.ENOSPC)
    raise LakeError(self.uri(key), "write", reason, hint="The disk is full: free some space")


@pytest.mark.parametrize(
    ("breaks", "state", "cause", "command", "code"),
    [
        (login, "Broken", "failed: invalid_client", "`seil doctor`", 6),
        (permission, "Broken", "extract Secret__c: ", "`seil doctor`", 6),
        (drift, "Broken", "Size__c was ", "`seil schema accept Account.Size__c --as text`", 6),
        (error_files, "Broken", "the file is not Parquet", "`seil files why error/", 6),
        (full_disk, "Broken", "No space left on device", "free some space, then `seil run`", 6),
        (quota, "Behind", "allowance is used up", "`seil plan`", 0),
        (late, "Behind", "no run has read Account in time", "`seil run`", 6),
        (model_test, "Broken", "build ", "`seil build --explain`", 6),
        (dead_letter, "Broken", "by crm: ValueError: odd", "`seil events dead`", 6),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_first_line_names_cause_and_next_command(
    seil: Seil, serve: Serve, home: Path, *, breaks: Any, state: str, cause: str, command: str,
    code: int,
) -> None:  # fmt: skip
    breaks(seil, serve, home)
    ran = seil("status")
    first = ran.out.splitlines()[0]
    assert first.startswith(f"{state} since 20")
    assert cause in first
    assert f"Next: {command}" in first
    assert ran.code == code
    told = seil("status", "--json")
    assert (told.code, told.json["sentence"]) == (code, first)
    assert told.json["person_needed"] is (code == 6)
    error = told.json["error"]
    assert error is None if code == 0 else error["message"] == first


def test_a_refused_run_is_listed_and_no_headline(seil: Seil, serve: Serve, home: Path) -> None:
    serve()
    assert seil("run", "Account").code == 0
    with Site(load_settings()) as context, run_lock(context.lake):
        assert seil("run", "Account").code == 5
    assert seil("status").out.startswith("In step: ")
    [refused] = seil("runs", "list", "-n", "1", "--json").json["runs"]
    assert (refused["outcome"], refused["exit_code"]) == ("refused", 5)


def test_a_field_that_the_user_may_not_read_any_more_is_named(
    seil: Seil, serve: Serve, home: Path
) -> None:
    server = serve()
    wish = {"object": "Account", "field": "Size__c"}
    for body in ({"action": "add", "type": "double"}, {"action": "drop"}):
        httpx.post(f"{server.url}/sandbox/schema", json={**wish, **body}, timeout=HANGS)
        assert seil("run", "Account").code == 0
    ran = seil("status")
    assert ran.code == 0
    assert "Account: Size__c cannot be read any more" in ran.out
    assert "-> `seil schema diff Account`" in ran.out
    assert "vanished" in seil("schema", "diff", "Account").out


def test_a_quota_that_makes_flows_late_needs_somebody(seil: Seil, serve: Serve, home: Path) -> None:
    quota(seil, serve, home)
    late(seil, serve, home)
    ran = seil("status")
    assert ran.code == 6
    assert "allowance is used up" in ran.out.splitlines()[0]


def test_all_is_well_again_after_a_run_that_goes_well(seil: Seil, serve: Serve, home: Path) -> None:
    login(seil, serve, home)
    text = (home / "seil.toml").read_text()
    (home / "seil.toml").write_text(text.replace('"plain:wrong-one"', '"plain:sandbox-secret"'))
    assert seil("run", "Account").code == 0
    ran = seil("status")
    lines = ran.out.splitlines()
    assert lines[0].startswith("In step: 1 flow is read until 20")
    assert ran.code == 0
    assert len(lines) < 8, "healthy flows are one line"
    runs = seil("events", "--type", "run", "--json").json["events"]
    assert [event["detail"]["state"] for event in runs] == [
        "started",
        "error",
        "started",
        "success",
    ]
    assert runs[1]["detail"]["error"] == "login"


def test_a_login_that_works_again_shows_before_the_run_ends(
    seil: Seil, serve: Serve, seil_process: Callable[..., subprocess.Popen[str]]
) -> None:
    serve(job_delay=30.0)
    with Site(load_settings()) as context:
        troubles = context.state.troubles
        troubles.note_stop("run", LoginError("https://acme.example", "invalid_grant", "expired"))
    with seil_process("run", "Account") as running:
        while troubles.all():
            assert running.poll() is None
        running.send_signal(signal.SIGKILL)
    assert seil("status").out.startswith("Behind since 20")


@pytest.mark.parametrize(
    ("command", "fault", "state"),
    [
        (("run", "Account"), OrgFault(path="/deleted", status=500), "Behind"),
        (("extract", "Account"), OrgFault(path="/deleted", status=500), "Behind"),
        (
            ("run", "Account"),
            OrgFault(path="/deleted", status=403, code="INSUFFICIENT_ACCESS", message="no right"),
            "Broken",
        ),
        (
            ("reconcile", "Account", "--ids"),
            OrgFault(method="POST", path="/jobs/query", status=500),
            "Behind",
        ),
    ],
    ids=["list", "list of an extract", "right taken away", "comparison of Ids"],
)
def test_a_comparison_that_failed_is_over_once_it_goes_well(
    seil: Seil, serve: Serve, *, command: tuple[str, ...], fault: OrgFault, state: str
) -> None:
    """Also where there is nothing to read in it then, as mostly."""
    server = serve()
    assert seil("run", "Account").code == 0
    server.faults.add(fault)
    assert seil(*command).code == 1
    assert seil("status").out.startswith(f"{state} since 20")
    server.faults.clear()
    assert seil("run", "Account").code == 0
    assert seil("status").out.startswith("In step: ")


def test_what_ended_the_last_run_is_named_first(context: Site, seil: Seil) -> None:
    """What ended earlier ones may be mended: the run did not get as far as to tell."""
    held = translate("w", duckdb.IOException("set lock on file: held in python (PID 7)"))
    for error in (LakeError("file:///l", "write", "full"), held):
        with pytest.raises(type(error)), context.runs.run("run"):
            raise error
    first = seil("status").out.splitlines()[0]
    assert " (1 more below). Next: close that program, or wait until it ends, then" in first


def test_a_typing_mistake_breaks_nothing(seil: Seil) -> None:
    assert seil("load", "Leed").code == 2
    assert seil("run", "Leed").code == 2
    assert seil("status").code == 0


def test_a_run_that_was_killed_is_seen(
    seil: Seil, serve: Serve, seil_process: Callable[..., subprocess.Popen[str]]
) -> None:
    serve(job_delay=30.0)
    with seil_process("run", "Account") as running:
        while not (found := seil("status", "--json").json["under_way"]):
            assert running.poll() is None
        assert (found[0]["pid"], found[0]["is_alive"]) == (running.pid, True)
        assert seil("status").out.splitlines()[-2].startswith("  under way: `seil run`")
        running.send_signal(signal.SIGKILL)
    first = seil("status").out.splitlines()[0]
    assert first.startswith("Behind since 20")
    assert f"`seil run` died before it ended (process {running.pid} " in first


def test_no_space_is_reported_even_where_nothing_could_be_written(
    seil: Seil, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(home)._replace(free=1_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    ran = seil("status")
    assert ran.out.startswith("Broken: the disk is full, or nearly: 1.0 KB are free for ")
    assert ran.code == 6


def test_a_rule_that_cannot_be_evaluated_is_named_with_its_place(
    seil: Seil, serve: Serve, home: Path
) -> None:
    serve()
    mapping = '[[objects.Account.mappings]]\ntarget = "X"\nsql = "nothing(Name)"\n'
    (home / "objects.toml").write_text(mapping)
    assert seil("run", "Account").code == 1
    first = seil("status").out.splitlines()[0]
    assert first.startswith("Broken since")
    assert "objects.Account.mappings.X" in first
    assert first.endswith("Next: `seil doctor`")
