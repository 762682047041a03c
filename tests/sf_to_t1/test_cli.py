"""`seil sync sf-to-t1` as a person types it, and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter

import pytest
from tests.cli.conftest import Seil, environment
from tests.limits import until
from tests.sf_to_t1.conftest import Billing
from tests.sf_to_t1.test_billing import CSV, RECEIVED, ROWS


def test_file_and_job_are_named_and_listed(billing: Billing, seil: Seil) -> None:
    event = billing.extract(CSV)
    file = event.file_ids[0]
    plan = seil("sync", "sf-to-t1", "--dry-run", "--file", file, "--json").json
    assert plan["files"][0] | {"place": ""} == {
        "file_id": file,
        "place": "",
        "columns": ["A", "B"],
        "rows": 5,
        "batches": 3,
        "batches_left": 3,
        "sums": {"A": "11"},
        "doubts": [],
    }
    assert "sums     A 11" in seil("sync", "sf-to-t1", "--dry-run", "--file", file).out
    assert billing.rows() == Counter()
    ran = seil("sync", "sf-to-t1", "--job", event.job_id, "--file", file)
    assert (ran.code, f"Job {event.job_id}: {RECEIVED}" in ran.out) == (0, True)
    assert billing.rows() == ROWS
    outcomes = seil("outcomes", "--flow", "sf_to_t1", "--json").json
    assert outcomes["states"] == {"written": 1}
    again = seil("sync", "sf-to-t1", "--dry-run", "--file", file, "--json").json
    assert again["files"][0]["batches_left"] == 0


def test_any_file_goes_into_any_table(billing: Billing, seil: Seil) -> None:
    other = f"{billing.table}X"
    more = f'[sf_to_t1.tables.ledger]\ntable = "{other}"\ndelimiter = ";"\nencoding = "cp1252"'
    billing.configure(more)
    (billing.folder / "lines.csv").write_bytes("N;T\n1;é\n1;é\n".encode("cp1252"))
    ran = seil("sync", "sf-to-t1", "--file", "lines.csv", "--table", "ledger", "--json")
    assert (ran.code, ran.json["jobs"]) == (0, [])
    assert billing.rows() == Counter()
    billing.table = other
    assert billing.rows() == Counter({("1", "é"): 2})


WRONG = {
    "job without files": (("--job", "a0W5g0000000001AAA"), 2, "--job needs the job's files"),
    "no such file": (("--file", "nothing.csv"), 2, "is no file here, and no id"),
    "no job": (("--job", "x", "--file", "0685g0000000001AAA"), 1, "is no record id: 'x'"),
    "no such table": (("--file", "0685g0000000001AAA", "--table", "x"), 2, "[sf_to_t1.tables]"),
    "no such content": (("--file", "0685g000000ZZZZAAA"), 1, "NOT_FOUND"),
    "no decision": (("--decide", "f:1=perhaps"), 2, "is not FILE:BATCH"),
    "decision in a dry run": (("--decide", "f:1=missing", "--dry-run"), 2, "leave --decide"),
    "no doubt": (("--decide", "0685g0000000001AAA:1=missing"), 2, "is no batch in doubt"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_refused(billing: Billing, seil: Seil, case: str) -> None:
    arguments, code, reason = WRONG[case]
    billing.configure('waiting = ""')
    ran = seil("sync", "sf-to-t1", *arguments)
    assert (ran.code, reason in ran.err + ran.out) == (code, True), ran


def test_killed_while_techone_is_slow_and_run_again(billing: Billing) -> None:
    event = billing.extract(CSV)
    billing.known_fault("import-slow", after=1)
    command = ["sync", "sf-to-t1", "--job", event.job_id, "--file", *event.file_ids]
    process = subprocess.Popen(
        [sys.executable, "-m", "seil", *command], env=environment(), stderr=subprocess.DEVNULL
    )
    until(lambda: billing.rows().total() == 2 and billing.techone.faults.entries()[0]["struck"])
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    # Its client gone, TechOne carries the import out.
    until(lambda: billing.rows().total() == 4)
    assert billing.handle(event).ok
    assert billing.rows() == ROWS
    assert billing.job(event.job_id) == (RECEIVED, None)
