"""An embedded warehouse that grows: by its size, and by one delta after the other."""

from __future__ import annotations

import argparse
import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from benchmarks.command import run_alone
from benchmarks.measure import Result, Subject, measured, say
from benchmarks.org import GrowingOrg, growing_org
from benchmarks.report import aligned, publish

_SUBJECT = "benchmarks.models_subjects:seil"
_IN_ONE_ORG = 30_000
_ENDS = 5


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--order-products",
        type=lambda text: [int(size) for size in text.split(",")],
        default=[30_000, 120_000],
        help="sizes, with commas; docs/scale.md has 100000,300000,1000000,3000000,10000000",
    )
    parser.add_argument("--share", type=float, default=0.01, help="of the records in a delta")
    parser.add_argument("--deltas", type=int, default=1, help="one after the other, at each size")
    parser.add_argument("--memory", default="2GB", help="DuckDB's limit")
    parser.add_argument("--threads", type=int, default=1)


def run(args: argparse.Namespace) -> None:
    sizes = [_size(size, args) for size in args.order_products]
    parts = [aligned([_HEAD, *(size.cells() for size in sizes)])]
    if len(sizes) > 1:
        slope = f"{_slope(sizes, 'full'):.2f} (full) and {_slope(sizes, 'delta'):.2f} (delta)"
        parts.append(f"CPU grows with the records to the power of {slope}.")
    if args.deltas > 1:
        parts.append(aligned([_SERIES_HEAD, *(size.series() for size in sizes)]))
    settings = f"One round each; threads: {args.threads}, memory limit: {args.memory}."
    publish("growth", "\n\n".join([*parts, settings]), write=args.write)


_HEAD = (
    *("order products", "records", "full: CPU s", "us a record", "seconds", "peak MB", "file MB"),
    *("delta: records", "CPU s", "of full", "peak MB"),
)
_SERIES_HEAD = (
    *("order products", "deltas", f"first {_ENDS}: CPU s each", f"last {_ENDS}", "ratio"),
    *("file MB before", "after"),
)


@dataclass(frozen=True)
class _Size:
    order_products: int
    full: Result
    deltas: Sequence[Result]

    @property
    def delta(self) -> Result:
        return self.deltas[0]

    def cells(self) -> tuple[str, ...]:
        full, delta = self.full, self.delta
        return (
            f"{self.order_products:,}",
            f"{full.rows:,}",
            f"{_cpu(full):.1f}",
            f"{_cpu(full) / full.rows * 1e6:.1f}",
            f"{full.seconds:.1f}",
            f"{full.peak / 1e6:,.0f}",
            f"{full.notes['bytes'] / 1e6:,.0f}",
            f"{delta.rows:,}",
            f"{_cpu(delta):.1f}",
            f"{_cpu(delta) / _cpu(full):.3f}",
            f"{delta.peak / 1e6:,.0f}",
        )

    def series(self) -> tuple[str, ...]:
        first = mean(map(_cpu, self.deltas[:_ENDS]))
        last = mean(map(_cpu, self.deltas[-_ENDS:]))
        return (
            f"{self.order_products:,}",
            f"{len(self.deltas)}",
            f"{first:.2f}",
            f"{last:.2f}",
            f"{last / first:.2f}",
            f"{self.full.notes['bytes'] / 1e6:,.0f}",
            f"{self.deltas[-1].notes['bytes'] / 1e6:,.0f}",
        )


def _cpu(result: Result) -> float:
    return float(result.notes["cpu"])


def _slope(sizes: Sequence[_Size], which: str) -> float:
    """Of CPU over records, both as logarithms, from the smallest to the largest."""
    few, many = min(sizes, key=_records), max(sizes, key=_records)
    ratio = _cpu(getattr(many, which)) / _cpu(getattr(few, which))
    return math.log(ratio) / math.log(_records(many) / _records(few))


def _records(size: _Size) -> int:
    return size.full.rows


def _size(order_products: int, args: argparse.Namespace) -> _Size:
    folder = args.work / f"growth-{order_products}"
    copies = max(1, round(order_products / _IN_ONE_ORG))
    say(f"growth: writing curated files of about {order_products:,} order products")
    with growing_org(args.work, folder, copies=copies) as org:
        org.write_all()
        at = {
            "lake": str(org.folder),
            "url": f"duckdb:{folder / 'warehouse.duckdb'}",
            "memory": args.memory,
            "threads": args.threads,
        }
        full = _measured("full", {**at, "full": True})
        deltas = list(_deltas(org, {**at, "full": False}, args))
        size = _Size(org.order_products, full, deltas)
    shutil.rmtree(folder)
    return size


def _deltas(org: GrowingOrg, at: dict[str, Any], args: argparse.Namespace) -> Iterator[Result]:
    for number in range(args.deltas):
        org.write_changes(args.share)
        yield _measured(f"delta {number + 1}", at)


def _measured(name: str, arguments: dict[str, Any]) -> Result:
    return measured([Subject(name, _SUBJECT, arguments, 1)])[name]


if __name__ == "__main__":
    run_alone(options, run)
