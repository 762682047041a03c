"""What others wait for while the API judges a body of 1 MB."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from statistics import median

import aiohttp

from benchmarks.api_server import PATH
from benchmarks.command import run_alone
from benchmarks.measure import process, say
from benchmarks.report import aligned, publish

_UNITS = [{"adUnitId": 21_777_000 + at, "includeDescendants": True} for at in range(180)]
_LINE_ITEM = {
    "orderId": 1,
    "name": "Homepage",
    "startDateTime": {"date": {"year": 2030, "month": 1, "day": 1}, "timeZoneId": "Etc/UTC"},
    "lineItemType": "STANDARD",
    "costPerUnit": {"currencyCode": "AUD", "microAmount": 1},
    "costType": "CPM",
    "creativePlaceholders": [{"size": {"width": 300, "height": 250}}],
    "targeting": {"inventoryTargeting": {"targetedAdUnits": _UNITS}},
}
_BODIES = {
    "nothing": "",
    "one line item": json.dumps({"lineItems": [{**_LINE_ITEM, "targeting": {}}]}),
    "100 line items of 180 ad units": json.dumps({"lineItems": [_LINE_ITEM] * 100}),
    "240,000 entries": f'{{"lineItems": [{",".join(["123"] * 240_000)}]}}',
    "340,000 empty ones": f'{{"lineItems": [{",".join(["{}"] * 340_000)}]}}',
    "80,000 fields": json.dumps(dict.fromkeys(range(80_000), 0)),
    "100 wrong line items": f'{{"lineItems": [{",".join(["{}"] * 100)}]}}',
}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=10, help="of each body")


def run(args: argparse.Namespace) -> None:
    say("bodies")
    with (
        Path(args.work, "edge.log").open("w") as log,
        process("benchmarks.api_server", "edge", stderr=log) as edge,
    ):
        lines = [asyncio.run(_measured(edge, name, args.rounds)) for name in _BODIES]
    head = ("body", "MB", "status", "answer, bytes", "its answer, ms", "others' p50, ms", "slowest")
    publish("bodies", aligned([head, *lines]), write=args.write)


async def _measured(edge: str, name: str, rounds: int) -> tuple[str, ...]:
    """The body is sent again and again; the slowest of the others is the median of the rounds."""
    url, _, token = edge.partition(" ")
    server = url.removesuffix(PATH)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = _BODIES[name].encode()
    own, others, slowest = [], [], []
    status, length = "", ""
    async with aiohttp.ClientSession(server, headers=headers) as session:
        for _ in range(rounds):
            ended = asyncio.Event()
            health = asyncio.create_task(_health(session, ended))
            begun = time.perf_counter()
            if body:
                async with session.post("/v1/gam/lineitem", data=body) as answer:
                    status, length = str(answer.status), f"{len(await answer.read()):,}"
            else:
                await asyncio.sleep(0.2)
            own.append(time.perf_counter() - begun)
            ended.set()
            times = await health
            others += times
            slowest.append(max(times))
    say(f"  {name}: {median(slowest) * 1000:.1f} ms")
    figures = (median(own), median(others), median(slowest))
    return (name, f"{len(body) / 1e6:.2f}", status, length, *(f"{s * 1000:.1f}" for s in figures))


async def _health(session: aiohttp.ClientSession, ended: asyncio.Event) -> list[float]:
    """The seconds that each call of /healthz took."""
    times: list[float] = []
    while not (ended.is_set() and times):
        begun = time.perf_counter()
        async with session.get("/healthz") as answer:
            await answer.read()
        times.append(time.perf_counter() - begun)
    return times


if __name__ == "__main__":
    run_alone(options, run)
