"""`seil subscribe` as a process that is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.sf_to_dw.events.conftest import ACME, StreamingSite


@contextmanager
def process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Killed at the end."""
    command = [sys.executable, "-m", "seil", "subscribe", "--json"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SEIL_")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def next_batch(running: subprocess.Popen[str]) -> dict[str, Any]:
    assert running.stdout
    document: dict[str, Any] = json.loads(running.stdout.readline())
    return document


def test_next_process_reads_what_the_killed_one_had_not_committed(site: StreamingSite) -> None:
    with site.serve():
        site.rename(ACME, "Before the first")
        with process(site.folder) as first:
            assert next_batch(first)["rows"] == 1
            other = site.add_account("Not committed")
        site.rename(ACME, "After the first")
        with process(site.folder) as second:
            batches = [next_batch(second)]
            while site.records()[ACME]["name"] != "After the first":
                batches.append(next_batch(second))
    assert site.records()[other]["name"] == "Not committed"
    assert not any(batch["gaps"] for batch in batches)
