"""`seil listen`, in a process of its own and without an org."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.limits import HANGS

Seil = Callable[..., Any]
Start = Callable[..., "subprocess.Popen[str]"]

IN = "seil-data/lake/seil-dev-sf-to-dw-landing/in"
MODIFIED = datetime(2026, 11, 1, tzinfo=UTC)


def drop(home: Path, name: str, *ids: str, run: str = "run-1") -> None:
    """As another tool does it: nobody is told."""
    common = {"SystemModstamp": [MODIFIED] * len(ids), "IsDeleted": [False] * len(ids)}
    folder = home / IN / f"dev-Salesforce-{name}" / run
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"Id": list(ids), **common}), home / "page")
    (home / "page").rename(folder / "page.parquet")


def ids(seil: Seil, table: str) -> list[str]:
    sql = f"SELECT id FROM salesforce.{table} ORDER BY id"
    return [row["id"] for row in seil("query", sql, "--json").json["rows"]]


def test_once_does_what_is_to_be_done(seil: Seil, home: Path) -> None:
    drop(home, "Account", "001A", "001B")
    (home / IN / "dev-Salesforce-Contact" / "r").mkdir(parents=True)
    (home / IN / "dev-Salesforce-Contact" / "r" / "x.parquet").write_bytes(b"garbage " * 9)
    ran = seil("listen", "--once")
    assert ran.code == 1
    steps = [tuple(line.split()[2:4]) for line in ran.out.splitlines()]
    # Two files are taken in at once.
    assert sorted(steps[:2]) == [("ingest", "error"), ("ingest", "success")]
    assert steps[2:] == [("load", "success"), ("build", "success")]
    assert ids(seil, "account") == ["001A", "001B"]
    [run] = seil("runs", "list", "--json").json["runs"][:1]
    assert (run["command"], run["outcome"]) == ("listen", "incomplete")
    again = seil("listen", "--once", "--json")
    assert (again.code, again.out) == (0, "")
    assert seil("runs", "list", "-n", "1", "--json").json["runs"] == [run], "an idle round is none"


def test_an_interval_that_is_none(seil: Seil) -> None:
    ran = seil("listen", "--sweep", "soon")
    assert ran.code == 2
    assert "'soon' is no interval" in ran.err


def test_a_second_listener_names_the_first(seil: Seil, seil_process: Start, home: Path) -> None:
    with seil_process("listen") as first:
        assert first.stdout
        assert first.stdout.readline().startswith("Listens for files in file://")
        drop(home, "Account", "001A")
        while "build" not in first.stdout.readline():
            assert first.poll() is None
        second = seil("listen", "--once")
        first.send_signal(signal.SIGINT)
        _, err = first.communicate(timeout=HANGS)
    assert second.code == 5
    assert str(first.pid) in second.err
    assert first.returncode == 130, err
    assert "Traceback" not in err
    assert ids(seil, "account") == ["001A"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_ended_in_the_middle_and_started_again(
    seil: Seil, seil_process: Start, home: Path, number: signal.Signals
) -> None:
    expected = [f"001{n:02d}" for n in range(12)]
    for one in expected:
        drop(home, "Account", one, run=f"run-{one}")
    with seil_process("listen", "--sweep", "1s", "--json") as first:
        assert first.stdout
        step = json.loads(first.stdout.readline())
        assert (step["step"], step["state"]) == ("ingest", "success")
        first.send_signal(number)
        _, err = first.communicate(timeout=HANGS)
    assert first.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143}[number], err
    assert seil("listen", "--once", "--quiet").code == 0
    assert ids(seil, "account") == expected
    loads = seil("query", "SELECT count(*) AS n, sum(merged_rows) AS m FROM seil.loads", "--csv")
    assert loads.out == "n,m\n12,12\n"
    assert seil("events", "dead").code == 0
    ingested = seil("events", "--type", "file-ingestion", "--json").json["events"]
    assert len({event["detail"]["key"] for event in ingested}) == len(ingested) == 12
