"""What the edge adds to a bare FastAPI route, what requests cost, and how long handlers import."""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import aiohttp

from benchmarks.api_cpu import cpu_table
from benchmarks.command import run_alone
from benchmarks.measure import process, say, with_bytecode
from benchmarks.report import aligned, publish

_CALLERS = (1, 16, 128)
_ADDED_MS = 2.0
_SHARE = 0.6
_WARM_UP_SECONDS = 0.2
_HANDLERS = {
    "seil.aws.gam_router": 0.5,
    "seil.aws.tech1_router": 0.5,
    "seil.aws.gam_client": 1.0,
    "seil.aws.tech1_client": 1.0,
}


@dataclass(frozen=True)
class Load:
    """Latencies in milliseconds."""

    rate: float
    p50: float
    p99: float


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=1, help="of each round")
    parser.add_argument("--rounds", type=int, default=15, help="of each, in turns")
    parser.add_argument("--requests", type=int, default=500, help="of each kind, for their CPU")
    parser.add_argument("--starts", type=int, default=7, help="imports of each handler")


def run(args: argparse.Namespace) -> None:
    say("API")
    with (
        Path(args.work, "edge.log").open("w") as log,
        process("benchmarks.api_server", "bare") as bare,
        process("benchmarks.api_server", "edge", stderr=log) as edge,
    ):
        lines = [line for callers in _CALLERS for line in _compared(bare, edge, callers, args)]
    head = ("subject", "callers", "requests/s", "p50 ms", "p99 ms", "against bare", "target", "")
    folder = Path(args.work, "cpu")
    folder.mkdir()
    cpu = cpu_table(folder, requests=args.requests, rounds=args.rounds)
    body = f"{aligned([head, *lines])}\n\n{cpu}\n\n{_imports(args.starts)}"
    publish("api", body, write=args.write)


def _compared(
    bare: str, edge: str, callers: int, args: argparse.Namespace
) -> list[tuple[str, ...]]:
    rounds: dict[str, list[Load]] = {bare: [], edge: []}
    for _ in range(args.rounds):
        for target, loads in rounds.items():
            loads.append(asyncio.run(_loaded(target, callers, args.seconds)))
    quick, slow = _typical(rounds[bare]), _typical(rounds[edge])
    # The machine is not as quick in one minute as in the next: each round has its own reference.
    pairs = list(zip(rounds[bare], rounds[edge], strict=True))
    share = median(theirs.rate / mine.rate for mine, theirs in pairs)
    added = median(theirs.p50 - mine.p50 for mine, theirs in pairs)
    say(f"  {callers} callers: {quick.rate:,.0f} bare, {slow.rate:,.0f} edge requests/s")
    met = share >= _SHARE and (callers > 1 or added < _ADDED_MS)
    target = ">= 60 %" + (", < 2 ms more" if callers == 1 else "")
    told = f"{share:.0%}, {added:+.2f} ms"
    return [
        ("bare FastAPI route", f"{callers}", *_figures(quick), "", "", ""),
        ("SEIL's edge", f"{callers}", *_figures(slow), told, target, "met" if met else "MISSED"),
    ]


def _figures(load: Load) -> tuple[str, str, str]:
    return f"{load.rate:,.0f}", f"{load.p50:.2f}", f"{load.p99:.2f}"


def _typical(loads: list[Load]) -> Load:
    return Load(*(median(getattr(load, name) for load in loads) for name in ("rate", "p50", "p99")))


async def _loaded(target: str, callers: int, seconds: float) -> Load:
    url, _, token = target.partition(" ")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connector = aiohttp.TCPConnector(limit=callers)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        await _called(session, url, callers, _WARM_UP_SECONDS)
        begun = time.perf_counter()
        times = await _called(session, url, callers, seconds)
        took = time.perf_counter() - begun
    percentiles = quantiles(times, n=100)
    return Load(len(times) / took, median(times) * 1000, percentiles[98] * 1000)


async def _called(
    session: aiohttp.ClientSession, url: str, callers: int, seconds: float
) -> list[float]:
    """The seconds that each call took."""
    times: list[float] = []
    ends = time.perf_counter() + seconds

    async def caller() -> None:
        while (begun := time.perf_counter()) < ends:
            async with session.get(url) as answer:
                await answer.read()
                if answer.status != 200:
                    raise SystemExit(f"{url} answered {answer.status}")
            times.append(time.perf_counter() - begun)

    await asyncio.gather(*(caller() for _ in range(callers)))
    return times


def _imports(starts: int) -> str:
    lines = []
    for module, limit in _HANDLERS.items():
        _import_seconds(module)
        seconds = median(_import_seconds(module) for _ in range(starts))
        state = "met" if seconds < limit else "MISSED"
        lines.append((module, f"{seconds:.2f}", f"< {limit:g} s", state))
    head = ("Lambda handler", "import, seconds", "target", "")
    told = f"The median of {starts} imports, each in a new process, after one that compiles"
    return f"{told}:\n\n{aligned([head, *lines])}"


def _import_seconds(module: str) -> float:
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=with_bytecode(),
    )
    return float(done.stdout)


if __name__ == "__main__":
    run_alone(options, run)
