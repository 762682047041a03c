"""An Ad Manager stand-in of many line items, in a process of its own; its clock stands still."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.delivery_subjects import FIRST_LINE, FIRST_ORDER, LINES_OF_ORDER, NOON
from seil.sandbox.admanager.options import AdManagerOptions
from seil.sandbox.admanager.server import AdManagerServer


@contextmanager
def network(folder: Path, lines: int) -> Iterator[dict[str, str]]:
    """Gives its settings."""
    options = AdManagerOptions(report_polls=0, now=lambda: NOON)
    with AdManagerServer(folder, options=options) as server:
        for order in range(lines // LINES_OF_ORDER):
            _book(server.url, order)
        yield {
            "endpoint": server.url,
            "soap_endpoint": server.url,
            "network_code": server.network_code,
            "service_account_key": f"file:{server.service_account_key}",
        }


def _main(folder: Path, lines: int) -> None:
    with network(folder, lines) as settings:
        print(json.dumps(settings), flush=True)
        threading.Event().wait()


def _book(url: str, order: int) -> None:
    first = FIRST_LINE + order * LINES_OF_ORDER
    line_items = list(range(first, first + LINES_OF_ORDER))
    booking = {"id": FIRST_ORDER + order, "line_items": line_items}
    answer = httpx.post(f"{url}/sandbox/bookings", json={"orders": [booking]}, timeout=60)
    answer.raise_for_status()


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]))
