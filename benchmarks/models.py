"""Load and build: curated files to current records and the sixteen tables."""

from __future__ import annotations

import argparse
import importlib.util
import shutil
from collections.abc import Mapping
from pathlib import Path

from benchmarks.command import run_alone
from benchmarks.measure import Result, Subject, measured, say
from benchmarks.org import CuratedOrg, curated_org
from benchmarks.report import Row, Target, aligned, publish, table

_HERE = "benchmarks.models_subjects"
_FULL, _DELTA = "SEIL, full", "SEIL, delta"
_VIEWS, _TABLES = "DuckDB by hand, views", "DuckDB by hand, tables kept"
_SPARK = "Spark local"
_IN_ONE_ORG = 30_000


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--order-products",
        type=lambda text: [int(size) for size in text.split(",")],
        default=[30_000, 120_000],
        help="sizes, with commas; 120000,1000000,3000000 are the targets'",
    )
    parser.add_argument("--share", type=float, default=0.01, help="of the records in the delta")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-spark", action="store_true")
    parser.add_argument("--spark-at", type=int, help="the size that Spark makes, too; the largest")


def run(args: argparse.Namespace) -> None:
    parts: list[str] = []
    per_row: list[tuple[str, float, float]] = []
    compared = None if args.no_spark else args.spark_at or max(args.order_products)
    for size in args.order_products:
        copies = max(1, round(size / _IN_ONE_ORG))
        folder = args.work / f"models-{size}"
        say(f"models: writing curated files of about {size:,} order products")
        org = curated_org(args.work, folder, copies=copies, share=args.share)
        found = _measured(org, folder, args, spark=size == compared)
        parts.append(_part(org, found))
        full, delta = found[_FULL], found[_DELTA]
        per_row.append(
            (
                f"{org.order_products:,}",
                full.seconds / full.rows * 1e6,
                delta.seconds / delta.rows * 1e6,
            )
        )
        shutil.rmtree(folder)
    publish("models", "\n\n".join([*parts, _growth(per_row)]), write=args.write)


def _measured(
    org: CuratedOrg, folder: Path, args: argparse.Namespace, *, spark: bool
) -> dict[str, Result]:
    warehouse, loaded = folder / "warehouse.duckdb", folder / "loaded.duckdb"
    by_hand = {"lake": str(org.full), "warehouse": str(warehouse)}
    at = {"lake": str(org.full), "url": f"duckdb:{warehouse}"}
    subjects = [
        Subject(_VIEWS, f"{_HERE}:duckdb", {**by_hand, "kept": False}, args.rounds),
        Subject(_TABLES, f"{_HERE}:duckdb", {**by_hand, "kept": True}, args.rounds),
        Subject(_FULL, f"{_HERE}:seil", {**at, "full": True}, args.rounds),
    ]
    found = measured(subjects, before=lambda _: warehouse.unlink(missing_ok=True))
    warehouse.rename(loaded)
    at["lake"] = str(org.delta)
    delta = Subject(_DELTA, f"{_HERE}:seil", {**at, "full": False}, args.rounds)

    def as_loaded(_: Subject) -> None:
        shutil.copy(loaded, warehouse)

    found |= measured([delta], before=as_loaded)
    if spark and importlib.util.find_spec("pyspark") is None:
        say("  no pyspark here: Spark is left out")
    elif spark:
        out = {"lake": str(org.full), "out": str(folder / "spark")}
        found |= measured([Subject(_SPARK, f"{_HERE}:spark", out, 1)])
    return found


def _part(org: CuratedOrg, found: Mapping[str, Result]) -> str:
    full, delta, hand = found[_FULL], found[_DELTA], found[_VIEWS]
    slower = full.seconds / hand.seconds
    share = delta.seconds / full.seconds
    tables = full.seconds / found[_TABLES].seconds
    targets = [
        Target("<= 1.3 x by hand, views", slower <= 1.3),
        Target(f"<= 1.3 x by hand, tables kept (is {tables:.2f})", tables <= 1.3),
    ]
    if spark := found.get(_SPARK):
        times = spark.seconds / full.seconds
        targets.append(Target(f"5 x faster than Spark (is {times:.1f})", times >= 5))
    rows = [
        Row(_FULL, full, slower, "x the time by hand", targets),
        Row(_DELTA, delta, share, "of the full time", [Target("<= 0.14", share <= 0.14)]),
        Row(_VIEWS, hand, 1.0, "x the time by hand"),
        Row(_TABLES, found[_TABLES], found[_TABLES].seconds / hand.seconds, "x the time by hand"),
    ]
    lines = [f"{org.order_products:,} order products, {org.rows:,} records of all objects:", ""]
    if spark:
        rows.append(Row(_SPARK, spark, spark.seconds / hand.seconds, "x the time by hand"))
    lines += [table(rows), "", _shares(found)]
    if spark and spark.notes["refused"]:
        refused = ", ".join(spark.notes["refused"])
        lines += ["", f"Spark refuses, and so did not make: {refused}."]
    return "\n".join(lines)


def _shares(found: Mapping[str, Result]) -> str:
    def told(result: Result) -> str:
        modes = ", ".join(f"{count} {mode}" for mode, count in result.notes["modes"].items())
        return f"load {result.notes['load']:.2f} s, build {result.notes['build']:.2f} s ({modes})"

    return f"Full: {told(found[_FULL])}. Delta: {told(found[_DELTA])}."


def _growth(per_row: list[tuple[str, float, float]]) -> str:
    head = ("order products", "us per row, full", "us per row, delta")
    lines = [(size, f"{full:.1f}", f"{delta:.1f}") for size, full, delta in per_row]
    first, last = per_row[0][2], per_row[-1][2]
    flat = "met" if last <= 1.2 * first else "MISSED"
    told = f"Time per changed row, flat within 1.2 x: {last / first:.2f} x, {flat}."
    return f"{aligned([head, *lines])}\n\n{told}"


if __name__ == "__main__":
    run_alone(options, run)
