"""A stand-in org to measure on, made once for all benches of a run."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import say
from seil.sandbox.salesforce.generator import generate

ORDERS = 2000


def base_org(work: Path) -> Path:
    """The folder of an org with 2,000 orders, about 30,000 order products."""
    folder = work / "org"
    if not (folder / "org.duckdb").exists():
        say(f"making an org of {ORDERS:,} orders")
        generate(folder, orders=ORDERS).close()
    return folder
