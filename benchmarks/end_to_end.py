"""The whole pipeline: `seil run --full` and a delta against the stand-in org."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any
from unittest.mock import patch

from benchmarks.command import run_alone
from benchmarks.measure import Clock, Result, Subject, measured, process, say
from benchmarks.org import base_org
from benchmarks.report import Row, Target, aligned, publish, table

_HERE = "benchmarks.end_to_end"
_FULL, _DELTA = "seil run --full", "seil run, 1 % changed"
_AGAIN, _IDLE = "seil run, the same read again", "seil run, nothing changed"
_REPEATS = (_AGAIN, _IDLE)
_LOOKBACK = "10m"
# Steps of the pipeline that are one call each; the progress tells those before them.
_CALLS = ("load", "reconcile", "build", "publish")
_READ = ("extract", "ingest")
_START, _BOTH, _OTHER = "start", "extract and ingest", "other"
_STEPS = (_START, "extract", _BOTH, "ingest", *_CALLS, _OTHER)


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--share", type=float, default=0.01, help="of the records in the delta")


def run(args: argparse.Namespace) -> None:
    folder = args.work / "end_to_end"
    shutil.copytree(base_org(args.work), folder / "org")
    say("end to end")
    results: dict[str, Result] = {}
    with process("seil", "sandbox", "salesforce", *_serving(folder)) as first_line:
        url = json.loads(first_line)["url"]
        at = {"url": url, "folder": str(folder)}
        for name in (_FULL, _DELTA, _AGAIN, _IDLE):
            if name == _DELTA:
                _tick(url, args.share)
            lookback = "0s" if name == _IDLE else _LOOKBACK
            arguments = {**at, "full": name == _FULL, "lookback": lookback}
            results |= measured([Subject(name, f"{_HERE}:seil", arguments, 1)])
    shutil.rmtree(folder)
    full, delta = results[_FULL], results[_DELTA]
    share = delta.seconds / full.seconds
    rows = [
        Row(_FULL, full),
        Row(_DELTA, delta, share, "of the full time", [Target("< 0.05", share < 0.05)]),
        *(
            Row(n, results[n], results[n].seconds / full.seconds, "of the full time")
            for n in _REPEATS
        ),
    ]
    body = f"{table(rows)}\n\n{_shares(results)}\n\n{_EXPLAINED}"
    publish("end-to-end", body, write=args.write)


_EXPLAINED = (
    "One round each. The delta is read again where the next run looks back over it, as it does for"
    " ten minutes; an hour later nothing is. Every moment counts once, so that the shares add up to"
    " the whole: start, which is imports and reading the models; extract and ingest, alone and both"
    " at once; load, with finding what waits in curated; reconcile, the deletions and formulas that"
    " move no cursor; build; publishing the readers' copy. Other is the rest,"
    " above all opening and closing the warehouse. The stand-in org works on the same cores."
)


def _serving(folder: Path) -> list[str]:
    return ["--state", str(folder / "org"), "--port", "0", "--json"]


def _tick(url: str, share: float) -> None:
    import httpx

    httpx.post(f"{url}/sandbox/tick", json={"share": share}, timeout=600).raise_for_status()
    # The org's clock is read in whole seconds; the delta must end after the changes.
    time.sleep(1.1)


class _Spans:
    """A progress that remembers when which step was under way."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._changes: list[tuple[float, int, str]] = []

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[_Spans]:
        kind = name.partition(" ")[0]
        if kind not in _READ:
            yield self
            return
        with self.span(kind):
            yield self

    @contextmanager
    def span(self, kind: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._changes += [(started, 1, kind), (time.perf_counter(), -1, kind)]

    def advance(self, rows: int) -> None: ...

    def expect(self, total: int) -> None: ...

    def conclude(self, message: str, *, ok: bool = True) -> None: ...

    def seconds(self, whole: float) -> dict[str, float]:
        """The time of each step; what none of them took is `other`."""
        seconds = dict.fromkeys(_STEPS, 0.0)
        active = dict.fromkeys(_STEPS, 0)
        before = 0.0
        for at, change, kind in sorted(self._changes):
            seconds[_label(active)] += at - before if any(active.values()) else 0.0
            active[kind] += change
            before = at
        seconds[_OTHER] = whole - sum(seconds.values())
        return seconds


def _label(active: Mapping[str, int]) -> str:
    if active["extract"] and active["ingest"]:
        return _BOTH
    return next((kind for kind in _STEPS if active[kind]), _OTHER)


@contextmanager
def _timed_calls(spans: _Spans) -> Iterator[None]:
    """The pipeline calls each of these by a name of its module."""
    with spans.span(_START):
        from seil.app.site import Site
        from seil.sf_to_dw import pipeline
        from seil.sf_to_dw.compare.reconcile import Reconciliation

    places: dict[str, tuple[Any, str]] = {
        "reconcile": (Reconciliation, "compare"),
        "publish": (Site, "publish"),
    }

    def timed(kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            with spans.span(kind):
                return function(*args, **options)

        return call

    with ExitStack() as stack:
        for kind in _CALLS:
            place, name = places.get(kind, (pipeline, kind))
            stack.enter_context(patch.object(place, name, timed(kind, getattr(place, name))))
        yield


def seil(clock: Clock, *, url: str, folder: str, full: bool, lookback: str) -> dict[str, Any]:
    from seil.app.site import Site
    from seil.settings import Settings

    base = Path(folder)
    catalog = base / "objects.toml"
    catalog.write_text(f'[defaults.flow]\nlag = "0s"\nlookback = "{lookback}"\n')
    settings = Settings.model_validate(
        {
            "salesforce": {"login_url": url},
            "lake": {"url": (base / "lake").as_uri()},
            "warehouse": {"url": f"duckdb:{base}/warehouse.duckdb"},
            "events": {"journal": base / "journal.sqlite"},
            "state": {"url": f"sqlite:{base}/state.sqlite"},
            "catalog": {"file": catalog},
        }
    )
    spans = _Spans()
    with clock, _timed_calls(spans), Site(settings) as context:
        with spans.span(_START):
            pipeline, objects = context.pipeline, context.catalog.select(())
        report = pipeline.run(objects, full=full, progress=spans)
    if report.problems:
        raise SystemExit("\n".join(report.problems))
    return {"rows": report.extract.rows, **spans.seconds(clock.seconds)}


def _shares(results: dict[str, Result]) -> str:
    def cell(result: Result, step: str) -> str:
        seconds = result.notes[step]
        return f"{seconds:.2f} s, {seconds / result.seconds:.0%}"

    lines = [(name, *(cell(result, step) for step in _STEPS)) for name, result in results.items()]
    return aligned([("", *_STEPS), *lines])


if __name__ == "__main__":
    run_alone(options, run)
