"""The commands that talk to an org, against the stand-in over real HTTP."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.limits import HANGS, HELD, until

from seil.app.site import Site
from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.options import OrgOptions, Quotas
from seil.sandbox.salesforce.server import OrgServer
from seil.settings import load_settings
from seil.sf_to_dw.lock import lock_holder

Seil = Callable[..., Any]
Start = Callable[..., "subprocess.Popen[str]"]
Serve = Callable[..., OrgServer]

CONFIG = """\
[salesforce]
login_url = "{url}"
attempts = 2
max_wait = 1

[extract]
poll = 0.05
page_rows = 500
"""
NO_LAG = '[defaults.flow]\nlag = "0s"\n'


@pytest.fixture
def serve(generated: Path, home: Path) -> Iterator[Serve]:
    """Serves a copy of the org, and writes a seil.toml that points at it."""
    running: list[OrgServer] = []

    def start(**options: Any) -> OrgServer:
        shutil.copytree(generated, home / "org", dirs_exist_ok=True)
        server = OrgServer(home / "org", options=OrgOptions(**options)).start()
        running.append(server)
        configure(home, server.url)
        return server

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def org(serve: Serve) -> OrgServer:
    return serve()


def configure(home: Path, url: str, more: str = "") -> None:
    (home / "seil.toml").write_text(CONFIG.format(url=url) + more)
    (home / "objects.toml").write_text(NO_LAG)


def ledger(seil: Seil) -> dict[str, bool]:
    return {row["object"]: row["balanced"] for row in seil("status", "--json").json["ledger"]}


def test_doctor_finds_everything_in_order(seil: Seil, org: OrgServer) -> None:
    ran = seil("doctor")
    assert ran.code == 0
    checks = dict(line[6:].split(": ", 1) for line in ran.out.splitlines()[:-1])
    assert set(checks) == {
        "seil", "configuration", "memory", "threads", "folders", "catalog", "models", "lake",
        "journal", "state", "warehouse", "warehouse version", "login", "clock", "quota", "API",
        "objects",
    }  # fmt: skip
    assert checks["catalog"].startswith("33 objects, 0 record rules, ")
    assert checks["objects"] == "all 33 of the catalog can be read"
    assert org.url in checks["login"]
    assert ran.out.splitlines()[-1] == "17 checks, 0 failed, 0 to look at."
    assert seil("doctor", "--json").json["ok"] is True


def test_plan_shows_the_cost(seil: Seil, org: OrgServer) -> None:
    plan = seil("plan", "--json").json
    assert len(plan["objects"]) == 33
    assert {entry["mode"] for entry in plan["objects"]} == {"full"}
    assert plan["fits"] is True
    assert plan["quota"]["allowed"] == 100_000
    [account] = seil("plan", "Account", "--json").json["objects"]
    assert account["estimated_rows"] > 0
    lines = seil("plan", "Account", "Order").out.splitlines()
    assert lines[0].split() == ["object", "mode", "from", "rows", "jobs", "calls", "note"]
    assert lines[4].startswith("2 objects, ")
    assert lines[5].startswith("API calls today: ")


def test_plan_says_that_it_does_not_fit(seil: Seil, serve: Serve) -> None:
    serve(quotas=Quotas(api_requests=120))
    ran = seil("plan")
    assert ran.code == 1
    assert ran.out.splitlines()[-1] == "This does not fit into what is left."


def test_run_goes_the_whole_way_and_again(seil: Seil, org: OrgServer) -> None:
    first = seil("run", "--json")
    assert first.code == 0
    assert first.json["ok"] is True
    assert len(first.json["ledger"]) == 33
    assert {table["state"] for table in first.json["build"]} == {"built"}
    again = seil("run", "Account", "Order")
    assert again.code == 0
    lines = again.out.splitlines()
    assert lines[0].startswith("Extract: 2 objects read, ")
    assert lines[-1] == "Nothing is new: all 2 ledger rows balance."
    assert len(lines) <= 6
    assert all(ledger(seil).values())
    flows = seil("status", "Order", "--json").json["flows"]
    assert (flows[0]["late"], flows[0]["running_pages"]) == (False, None)
    status = seil("status", "--all")
    assert "never run" not in status.out
    assert seil("query", "SELECT count(*) > 0 AS filled FROM sales_orders", "--csv").out == (
        "filled\ntrue\n"
    )


def test_the_steps_one_by_one_come_to_the_same(seil: Seil, org: OrgServer) -> None:
    extracted = seil("extract", "Account", "Contact", "--json")
    assert extracted.code == 0
    assert [flow["object"] for flow in extracted.json["flows"]] == ["Account", "Contact"]
    assert all(flow["reported"] == flow["landed"] > 0 for flow in extracted.json["flows"])
    assert "waiting" not in seil("ingest").out
    assert seil("load").code == 0
    assert seil("build", "--quiet").code == 0
    assert ledger(seil) == {"Account": True, "Contact": True}
    text = seil("extract", "Account").out.splitlines()
    assert text[0].split()[0] == "object"
    assert text[1].split()[:2] == ["Account", "delta"]


def test_a_full_run_reads_everything_again(seil: Seil, org: OrgServer) -> None:
    [first] = seil("extract", "Account", "--json").json["flows"]
    [full] = seil("extract", "Account", "--full", "--json").json["flows"]
    assert (full["mode"], full["landed"]) == ("full", first["landed"])


def test_an_object_that_fails_does_not_stop_the_others(
    seil: Seil, org: OrgServer, home: Path
) -> None:
    (home / "objects.toml").write_text(NO_LAG + "[objects.Nothing__c]\n")
    ran = seil("extract", "Nothing__c", "Account", "--json")
    assert ran.code == 1
    failed, fine = ran.json["flows"]
    assert failed["error"].startswith("Nothing__c: ")
    assert (fine["error"], fine["landed"] > 0) == (None, True)
    planned = seil("plan", "Nothing__c")
    assert planned.code == 1
    assert "NOT_FOUND: The requested resource does not exist" in planned.out
    answer = seil("doctor")
    assert answer.code == 1
    assert "fail  object Nothing__c: is not visible to this user" in answer.out
    assert "or set enabled = false for objects.Nothing__c in objects.toml" in answer.out


@pytest.mark.parametrize(
    ("config", "arguments", "code", "message"),
    [
        ("", ["-c", "no.toml", "run"], 2, "no.toml: no such file (create one with `seil init`)"),
        ("env = ", ["run"], 2, "seil.toml: is not TOML"),
        ("colour = 1\n[extract]\nflows = 0", ["run"], 2, "2 problems in the configuration"),
        (
            '[salesforce]\nclient_secret = "env:SEIL_TEST_NOT_SET"',
            ["run"],
            2,
            "env:SEIL_TEST_NOT_SET: this variable is not set",
        ),
        ('[salesforce]\nauth = "jwt"', ["extract"], 2, "salesforce.private_key: is missing"),
        ("", ["run", "Leed"], 2, "Leed: is not an object of the catalog"),
        ('[warehouse]\nurl = "oracle:x"', ["load"], 2, "no engine has the scheme 'oracle'"),
        ('[catalog]\nfile = "mine.toml"', ["plan"], 2, "mine.toml: no such file"),
    ],
    ids=[
        "no file", "not TOML", "all problems at once", "missing secret", "incomplete login",
        "unknown object", "unknown warehouse", "no catalog",
    ],
)  # fmt: skip
def test_wrong_configuration_is_named_before_anything_is_done(
    seil: Seil, home: Path, config: str, arguments: list[str], code: int, message: str
) -> None:
    (home / "seil.toml").write_text(config)
    ran = seil(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith("error: ")
    assert message in ran.err


def test_a_wrong_secret(seil: Seil, org: OrgServer, home: Path) -> None:
    text = (home / "seil.toml").read_text()
    wrong = text.replace("attempts = 2", 'attempts = 2\nclient_secret = "plain:wrong-one"')
    (home / "seil.toml").write_text(wrong)
    ran = seil("run")
    assert ran.code == 3
    assert ran.err.splitlines()[-1].startswith(f"error: Login at {org.url} failed: invalid_client")
    answer = seil("doctor")
    assert answer.code == 1
    assert f"fail  login: Login at {org.url} failed: invalid_client" in answer.out
    assert "client_secret does not belong to client_id" in answer.out
    for text in (ran.out, ran.err, answer.out, answer.err):
        assert "wrong-one" not in text


def test_an_org_that_is_down(seil: Seil, home: Path, unused_port: int) -> None:
    configure(home, f"http://127.0.0.1:{unused_port}")
    ran = seil("run", "Account")
    assert ran.code == 3
    assert "error: Salesforce" in ran.err
    assert "Run the same command later" in ran.err
    answer = seil("doctor")
    assert answer.code == 1
    assert "-> start the stand-in with `seil sandbox salesforce`, or set login_url" in answer.out
    configure(home, "https://no-such-domain.invalid")
    assert "-> check login_url in [salesforce]" in seil("doctor").out


def test_a_spent_allowance(seil: Seil, serve: Serve) -> None:
    serve(quotas=Quotas(api_requests=3))
    for _ in range(2):
        ran = seil("run", "Account")
    assert ran.code == 4
    assert "allowance is used up" in ran.err
    assert "Nothing was committed" in ran.err


def test_doctor_on_a_spent_allowance(seil: Seil, serve: Serve) -> None:
    serve(quotas=Quotas(api_requests=4))
    seil("doctor")
    answer = seil("doctor", "--json")
    assert (answer.code, answer.json["ok"]) == (1, False)
    failed = [check for check in answer.json["checks"] if check["state"] == "fail"]
    assert "allowance is used up" in failed[0]["detail"]


def test_a_second_run_beside_the_first(seil: Seil, serve: Serve, seil_process: Start) -> None:
    org = serve()
    org.faults.add(OrgFault(path="/jobs/query", delay=HELD, times=1))
    with seil_process("extract", "Account") as first:
        until(lambda: org.faults.entries()[0]["struck"])
        second = seil("run", "Account")
        org.faults.clear()
        out, err = first.communicate(timeout=HANGS)
    assert second.code == 5
    assert second.err.splitlines()[-1].startswith("error: Another run holds ")
    assert str(first.pid) in second.err
    assert first.returncode == 0, err
    assert out.splitlines()[1].split()[:2] == ["Account", "full"]


@pytest.mark.parametrize(("step", "number"), [("run", signal.SIGINT), ("extract", signal.SIGTERM)])
def test_interrupted_in_the_middle_and_run_again(
    seil: Seil, serve: Serve, seil_process: Start, step: str, number: signal.Signals
) -> None:
    serve(job_delay=1.0)
    with seil_process(step, "Account", "Contact", "Order") as first:
        until_locked()
        time.sleep(0.5)
        first.send_signal(number)
        out, err = first.communicate(timeout=HANGS)
    word = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}[number]
    assert first.returncode == 128 + number, err
    assert err.splitlines()[-1].startswith(f"{word}. What was committed stays")
    assert "Traceback" not in err
    assert out == ""
    assert seil(step, "Account", "Contact", "Order").code == 0
    if step == "run":
        assert ledger(seil) == {"Account": True, "Contact": True, "Order": True}


def test_run_every_goes_on_until_it_is_stopped(
    serve: Serve, seil_process: Start, home: Path
) -> None:
    serve()
    (home / "objects.toml").write_text('[defaults.flow]\nlag = "0s"\n')
    with seil_process("run", "Account", "--every", "1s", "--json") as running:
        assert running.stdout
        runs = [_document(running.stdout) for _ in range(2)]
        running.terminate()
        _, err = running.communicate(timeout=HANGS)
    assert [run["extract"][0]["mode"] for run in runs] == ["full", "delta"]
    assert running.returncode == 143
    assert "next run in " in err


def test_run_every_survives_what_passes_by_itself(
    seil_process: Start, home: Path, unused_port: int
) -> None:
    configure(home, f"http://127.0.0.1:{unused_port}", more="\n[log]\nformat = 'text'\n")
    text = (home / "seil.toml").read_text().replace("attempts = 2", "attempts = 1")
    (home / "seil.toml").write_text(text)
    with seil_process("run", "Account", "--every", "1s") as running:
        assert running.stderr
        for text in running.stderr:
            if "this run failed, the next one tries again" in text:
                break
        assert running.poll() is None
        running.terminate()
        running.communicate(timeout=HANGS)


def test_run_every_ends_when_a_person_has_to_act(seil: Seil, home: Path) -> None:
    (home / "seil.toml").write_text('[salesforce]\nclient_secret = "env:SEIL_TEST_NOT_SET"')
    assert seil("run", "Account", "--every", "1h").code == 2


def test_a_tick_shows_in_the_next_run(seil: Seil, org: OrgServer, home: Path) -> None:
    """With the catalog as it is packaged, which stays a minute behind the clock."""
    (home / "objects.toml").unlink()
    seil("run", "Account", "Contact", "--quiet")
    seil("sandbox", "tick", "--share", "0.5", "--url", org.url)
    ran = seil("run", "Account", "Contact", "--json").json
    assert {flow["object"] for flow in ran["extract"] if flow["reported"]} == {"Account", "Contact"}
    assert sum(entry["updated"] for entry in ran["load"]) > 0


def test_an_error_of_all_objects_is_printed_once(seil: Seil, org: OrgServer) -> None:
    answer = seil("reconcile", "Account", "Order", "Contact")
    assert answer.code == 1
    [line] = [line for line in answer.out.splitlines() if "never read" in line]
    assert line == (
        "  Account, Order, Contact: was never read: there is nothing to compare. "
        "Run `seil run` first"
    )


def test_schema_diff_does_not_judge_what_was_never_read(seil: Seil, org: OrgServer) -> None:
    answer = seil("schema", "diff", "Account", "Order")
    assert answer.code == 0
    assert answer.out.splitlines() == [
        "Never read, so there is nothing to compare: Account, Order. `seil run` reads them."
    ]


def test_schema_accept_says_that_nothing_has_changed(seil: Seil, org: OrgServer) -> None:
    seil("extract", "Order", "--quiet")
    accepted = seil("schema", "accept", "Order")
    assert (accepted.code, accepted.out) == (
        0,
        "Nothing to accept: the fields of Order are as they were last read.\n",
    )
    assert seil("schema", "accept", "Order", "--json").json["decisions"] == []


def test_an_empty_warehouse_exports_no_feed(seil: Seil, home: Path) -> None:
    seil("build", "--quiet")
    answer = seil("export", "feed", "--to", "out")
    assert answer.code == 3
    assert "nothing was loaded into it yet. Run `seil run` first" in answer.err
    assert not (home / "out").exists()


def test_doctor_minds_dead_letters_and_a_broken_rule(
    seil: Seil, org: OrgServer, home: Path
) -> None:
    rule = (
        '[[objects.Account.columns]]\nname = "Naem"\n'
        "validations = [{type = 're', rule = 'x', level = 'reject'}]\n"
    )
    (home / "objects.toml").write_text(NO_LAG + rule)
    answer = seil("doctor")
    assert answer.code == 1
    assert "fail  object Account: objects.Account.columns" in answer.out


def until_locked() -> None:
    """Until the other process holds the run lock."""
    with Site(load_settings()) as context:
        lake = context.lake
    until(lambda: (holder := lock_holder(lake)) and holder.pid)


def _document(lines: Iterator[str]) -> Any:
    """The next JSON document of a stream of indented ones."""
    text = ""
    for line in lines:
        text += line
        if line == "}\n":
            return json.loads(text)
    raise AssertionError(text)


def test_log_lines_of_a_run_carry_run_object_file_and_counts(
    serve: Serve, seil_process: Start
) -> None:
    serve()
    with seil_process("run", "Account", "--verbose") as running:
        _, err = running.communicate(timeout=HANGS)
    lines = [json.loads(line) for line in err.splitlines()]
    assert {line.get("correlation_id") for line in lines if "run_id" in line} == {
        lines[-1]["run_id"]
    }
    by_logger = {line["logger"]: line for line in lines if "rows" in line or "landed_rows" in line}
    read, ingest = (
        by_logger["seil.sf_to_dw.extract.flow_run"],
        by_logger["seil.sf_to_dw.ingest.ingestor"],
    )
    assert read["object"] == ingest["object"] == "Account"
    assert read["flow_run_id"] == ingest["flow_run_id"]
    assert ingest["file"].startswith("in/dev-Salesforce-Account/")
    assert read["rows"] >= ingest["landed_rows"] == ingest["curated_rows"] > 0
    loads = [line for line in lines if line["logger"] == "seil.sf_to_dw.load.object_loader"]
    assert loads[0]["flow_run_ids"] == [read["flow_run_id"]]
    assert {line["flow_run_id"] for line in loads[1:]} == {read["flow_run_id"]}
    built = [line for line in lines if line["logger"] == "seil.modeling.build"]
    assert all({"table", "rows", "inserted", "build_id"} <= set(line) for line in built)
