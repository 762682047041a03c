"""The status of sites broken in many ways: the cause first, and the next command."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.limits import HANGS
from tests.served import served_site

from seil.app import steps
from seil.app.run_reports import list_runs
from seil.app.site import Site
from seil.app.status import SiteStatus, flow_statuses, site_status
from seil.errors import AlreadyRunningError, LakeError, LoginError, QuotaExhaustedError
from seil.events.dispatch import Dispatcher, Pattern, Subscriber
from seil.events.envelope import Event
from seil.lake import Bucket
from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.options import Quotas
from seil.sandbox.salesforce.server import OrgServer
from seil.settings import load_settings
from seil.sf_to_dw.extract.extractor import ExtractReport
from seil.sf_to_dw.extract.flows import FlowRun, FlowState, FlowStates, LandedPage, Window
from seil.sf_to_dw.lock import run_lock
from seil.sf_to_dw.pipeline import RunReport
from seil.warehouse.duckdb.errors import translate

Serve = Callable[..., OrgServer]
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def serve(generated: Path, home: Path) -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(served_site(generated, home, **options))


@pytest.fixture
def context(home: Path) -> Iterator[Site]:
    with Site(load_settings()) as opened:
        yield opened


def run() -> RunReport:
    with Site(load_settings()) as site:
        return steps.run(site, ["Account"])


def extract(*names: str) -> ExtractReport:
    with Site(load_settings()) as site:
        return steps.extract(site, names)


def ingest(folder: Path) -> steps.Intake:
    with Site(load_settings()) as site:
        return steps.ingest(site, source=folder)


def reconcile_ids() -> RunReport:
    with Site(load_settings()) as site:
        return steps.reconcile(site, ["Account"], kinds=("ids",))


def status() -> SiteStatus:
    with Site(load_settings()) as site:
        return site_status(site)


def sentence() -> str:
    return status().verdict.sentence


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


def login(serve: Serve, home: Path) -> None:
    serve()
    text = (home / "seil.toml").read_text()
    secret = 'attempts = 1\nclient_secret = "plain:wrong-one"'
    (home / "seil.toml").write_text(text.replace("attempts = 1", secret))
    with pytest.raises(LoginError):
        run()


def permission(serve: Serve, home: Path) -> None:
    serve()
    with (home / "objects.toml").open("a") as file:
        file.write("[objects.Secret__c]\n")
    assert extract("Secret__c", "Account").failed


def drift(serve: Serve, home: Path) -> None:
    server = serve()

    def change(**body: Any) -> None:
        wish = {"object": "Account", "field": "Size__c", **body}
        httpx.post(f"{server.url}/sandbox/schema", json=wish, timeout=HANGS).raise_for_status()

    change(action="add", type="double", precision=6, scale=1)
    assert run().ok
    change(action="change", type="date")
    assert not run().ok


def error_files(serve: Serve, home: Path) -> None:
    folder = exported(home, Id=["801A"])
    (folder / "Order.parquet").write_bytes(b"garbage " * 20)
    assert not ingest(folder).ok


def quota(serve: Serve, home: Path) -> None:
    serve(quotas=Quotas(api_requests=3))
    for _ in range(2):
        with pytest.raises(QuotaExhaustedError):
            run()


def late(serve: Serve, home: Path) -> None:
    with Site(load_settings()) as context:
        [obj] = context.catalog.select(["Account"])
        states = FlowStates(context.lake)
        now = datetime.now(UTC)
        states.change(obj, committed=now - timedelta(days=9), last_run_id="r0", finished_at=now)


def model_test(serve: Serve, home: Path) -> None:
    folder = exported(home, Id=["801A"], OrderNumber=["100"], AccountId=["001A"])
    assert ingest(folder).ok
    with Site(load_settings()) as site:
        assert steps.load(site)[0].ok
    with duckdb.connect("seil-data/warehouse.duckdb") as connection:
        connection.execute('INSERT INTO salesforce."order" FROM salesforce."order"')
    with Site(load_settings()) as site:
        assert not steps.build(site, full=True)[0].ok


def dead_letter(serve: Serve, home: Path) -> None:
    def refuse(event: Event) -> None:
        raise ValueError("odd")

    everything = Pattern({"source": [{"exists": True}]})
    with Site(load_settings()) as context:
        subscriber = Subscriber("crm", everything, refuse, attempts=1)
        dispatcher = Dispatcher(context.journal, [subscriber])
        context.journal.publish([Event("seil.test", "x", {})])
        dispatcher.drain()


def full_disk(serve: Serve, home: Path) -> None:
    serve()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bucket, "writer", _no_space)
        with pytest.raises(LakeError):
            run()


def _no_space(self: Bucket, key: str) -> Any:
    reason = os.strerror(errno.ENOSPC)
    raise LakeError(self.uri(key), "write", reason, hint="The disk is full: free some space")


@pytest.mark.parametrize(
    ("breaks", "state", "cause", "command", "needs_person"),
    [
        (login, "Broken", "failed: invalid_client", "`seil doctor`", True),
        (permission, "Broken", "extract Secret__c: ", "`seil doctor`", True),
        (drift, "Broken", "Size__c was ", "`seil schema accept Account.Size__c --as text`", True),
        (error_files, "Broken", "the file is not Parquet", "`seil files why error/", True),
        (full_disk, "Broken", "No space left on device", "free some space, then `seil run`", True),
        (quota, "Behind", "is used up", "once the allowance is renewed, `seil run`", False),
        (late, "Behind", "no run has read Account in time", "`seil run`", True),
        (model_test, "Broken", "build ", "`seil build --explain`", True),
        (dead_letter, "Broken", "by crm: ValueError: odd", "`seil events dead`", True),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_sentence_names_cause_and_next_command(
    serve: Serve, home: Path, *, breaks: Any, state: str, cause: str, command: str,
    needs_person: bool,
) -> None:  # fmt: skip
    breaks(serve, home)
    verdict = status().verdict
    assert verdict.sentence.startswith(f"{state} since 20")
    assert cause in verdict.sentence
    assert f"Next: {command}" in verdict.sentence
    assert verdict.needs_person is needs_person


def test_a_refused_run_is_listed_and_no_headline(serve: Serve, home: Path) -> None:
    serve()
    assert run().ok
    with Site(load_settings()) as context, run_lock(context.lake):
        with pytest.raises(AlreadyRunningError):
            run()
        [refused] = list_runs(context, limit=1).runs
    assert sentence().startswith("In step: ")
    assert (refused.outcome, refused.exit_code) == ("refused", 5)


def test_a_field_that_the_user_may_not_read_any_more_is_named(serve: Serve, home: Path) -> None:
    server = serve()
    wish = {"object": "Account", "field": "Size__c"}
    for body in ({"action": "add", "type": "double"}, {"action": "drop"}):
        httpx.post(f"{server.url}/sandbox/schema", json={**wish, **body}, timeout=HANGS)
        assert run().ok
    verdict = status().verdict
    assert not verdict.needs_person
    [finding] = [f for f in verdict.findings if "cannot be read any more" in f.text]
    assert "Account: Size__c cannot be read any more" in finding.text
    assert finding.next == "`seil schema diff Account`"


def test_a_quota_that_makes_flows_late_needs_somebody(serve: Serve, home: Path) -> None:
    quota(serve, home)
    late(serve, home)
    verdict = status().verdict
    assert verdict.needs_person
    assert "allowance is used up" in verdict.sentence


def test_all_is_well_again_after_a_run_that_goes_well(serve: Serve, home: Path) -> None:
    login(serve, home)
    text = (home / "seil.toml").read_text()
    (home / "seil.toml").write_text(text.replace('"plain:wrong-one"', '"plain:sandbox-secret"'))
    assert run().ok
    verdict = status().verdict
    assert verdict.sentence.startswith("In step: 1 flow is read until 20")
    assert not verdict.needs_person
    with Site(load_settings()) as site:
        events = [event for _, event in site.journal.read(detail_type="run")]
    assert [event.detail["state"] for event in events] == ["started", "error", "started", "success"]
    assert events[1].detail["error"] == "login"


@pytest.mark.parametrize(
    ("step", "fault", "state"),
    [
        (run, OrgFault(path="/deleted", status=500), "Behind"),
        (partial(extract, "Account"), OrgFault(path="/deleted", status=500), "Behind"),
        (
            run,
            OrgFault(path="/deleted", status=403, code="INSUFFICIENT_ACCESS", message="no right"),
            "Broken",
        ),
        (
            reconcile_ids,
            OrgFault(method="POST", path="/jobs/query", status=500),
            "Behind",
        ),
    ],
    ids=["list", "list of an extract", "right taken away", "comparison of Ids"],
)
def test_a_comparison_that_failed_is_over_once_it_goes_well(
    serve: Serve, *, step: Callable[[], RunReport | ExtractReport], fault: OrgFault, state: str
) -> None:
    """Also where there is nothing to read in it then, as mostly."""
    server = serve()
    assert run().ok
    server.faults.add(fault)
    step()
    assert sentence().startswith(f"{state} since 20")
    server.faults.clear()
    assert run().ok
    assert sentence().startswith("In step: ")


def test_what_ended_the_last_run_is_named_first(context: Site) -> None:
    """What ended earlier ones may be mended: the run did not get as far as to tell."""
    error_of_lock = translate("w", duckdb.IOException("set lock on file: held in python (PID 7)"))
    for error in (LakeError("file:///l", "write", "full"), error_of_lock):
        with pytest.raises(type(error)), context.runs.run("run"):
            raise error
    first = sentence()
    assert " (1 more below). Next: close that program, or wait until it ends, then" in first


def test_no_space_is_reported_even_where_nothing_could_be_written(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(home)._replace(free=1_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    verdict = status().verdict
    assert verdict.sentence.startswith("Broken: the disk is full, or nearly: 1.0 KB are free for ")
    assert verdict.needs_person


def test_a_rule_that_cannot_be_evaluated_is_named_with_its_place(serve: Serve, home: Path) -> None:
    serve()
    mapping = '[[objects.Account.mappings]]\ntarget = "X"\nsql = "nothing(Name)"\n'
    (home / "objects.toml").write_text(mapping)
    assert not run().ok
    first = sentence()
    assert first.startswith("Broken since")
    assert "objects.Account.mappings.X" in first
    assert first.endswith("Next: `seil doctor`")


def test_a_flow_is_late_or_under_way(context: Site) -> None:
    account, order = context.catalog.select(["Account", "Order"])
    page = LandedPage(0, "", None, "in/x", 10)
    window = Window(None, NOON)
    run = FlowRun("r", window, "750", "f", 100, NOON, (page,))
    states = FlowStates(context.lake)
    states.change(account, **vars(FlowState(NOON - timedelta(days=9), "r0", NOON)))
    states.change(order, running=run)
    late, running = flow_statuses(context, [account, order])
    assert (late.late, late.running_pages) == (True, None)
    assert (running.late, running.running_pages) == (False, 1)
