"""The whole pipeline: `seil run --full` and a delta against the stand-in org."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from benchmarks.command import run_alone
from benchmarks.measure import Clock, Result, Subject, measured, process, say
from benchmarks.org import base_org
from benchmarks.report import Row, Target, aligned, publish, table

_HERE = "benchmarks.end_to_end"
_FULL, _DELTA, _IDLE = "seil run --full", "seil run, 1 % changed", "seil run, nothing changed"
_STEPS = ("extract", "ingest", "load", "build")


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--share", type=float, default=0.01, help="of the records in the delta")


def run(args: argparse.Namespace) -> None:
    folder = args.work / "end_to_end"
    shutil.copytree(base_org(args.work), folder / "org")
    say("end to end")
    found: dict[str, Result] = {}
    with process("seil", "sandbox", "salesforce", *_serving(folder)) as said:
        url = json.loads(said)["url"]
        at = {"url": url, "folder": str(folder)}
        for name in (_FULL, _DELTA, _IDLE):
            if name == _DELTA:
                _tick(url, args.share)
            subject = Subject(name, f"{_HERE}:seil", {**at, "full": name == _FULL}, 1)
            found |= measured([subject])
    shutil.rmtree(folder)
    full, delta = found[_FULL], found[_DELTA]
    share = delta.seconds / full.seconds
    rows = [
        Row(_FULL, full),
        Row(_DELTA, delta, share, "of the full time", [Target("< 0.05", share < 0.05)]),
        Row(_IDLE, found[_IDLE], found[_IDLE].seconds / full.seconds, "of the full time"),
    ]
    body = f"{table(rows)}\n\n{_shares(found)}\n\n{_TOLD}"
    publish("end-to-end", body, write=args.write)


_TOLD = (
    "One round each. A step's share is the time during which it is under way; extract and ingest"
    " are so at once, so that shares add up to more than the whole. The stand-in org works on the"
    " same cores."
)


def _serving(folder: Path) -> list[str]:
    return ["--state", str(folder / "org"), "--port", "0", "--json"]


def _tick(url: str, share: float) -> None:
    import httpx

    httpx.post(f"{url}/sandbox/tick", json={"share": share}, timeout=600).raise_for_status()
    # The org's clock is read in whole seconds; the delta must end after the changes.
    time.sleep(1.1)


class _Spans:
    """A progress that remembers when which kind of step was under way."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._spans: dict[str, list[tuple[float, float]]] = {}

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[_Spans]:
        started = time.perf_counter()
        try:
            yield self
        finally:
            with self._lock:
                span = (started, time.perf_counter())
                self._spans.setdefault(name.partition(" ")[0], []).append(span)

    def advance(self, rows: int) -> None: ...

    def expect(self, total: int) -> None: ...

    def seconds(self, kind: str) -> float:
        """The time during which at least one step of this kind was under way."""
        total, until = 0.0, 0.0
        for start, end in sorted(self._spans.get(kind, [])):
            total += max(0.0, end - max(start, until))
            until = max(until, end)
        return total


def seil(clock: Clock, *, url: str, folder: str, full: bool) -> dict[str, Any]:
    from seil.cli.context import Context
    from seil.settings import Settings

    base = Path(folder)
    catalog = base / "objects.toml"
    catalog.write_text('[defaults.flow]\nlag = "0s"\n')
    settings = Settings.model_validate(
        {
            "salesforce": {"login_url": url},
            "lake": {"url": (base / "lake").as_uri()},
            "warehouse": {"url": f"duckdb:{base}/warehouse.duckdb"},
            "events": {"journal": base / "journal.sqlite"},
            "catalog": {"file": catalog},
        }
    )
    spans = _Spans()
    with clock, Context(settings) as context:
        report = context.pipeline.run(context.catalog.select(()), full=full, progress=spans)
    if report.problems:
        raise SystemExit("\n".join(report.problems))
    return {"rows": report.extract.rows, **{step: spans.seconds(step) for step in _STEPS}}


def _shares(found: dict[str, Result]) -> str:
    def cell(result: Result, step: str) -> str:
        seconds = result.notes[step]
        return f"{seconds:.2f} s, {seconds / result.seconds:.0%}"

    lines = [(name, *(cell(result, step) for step in _STEPS)) for name, result in found.items()]
    return aligned([("", *_STEPS), *lines])


if __name__ == "__main__":
    run_alone(options, run)
