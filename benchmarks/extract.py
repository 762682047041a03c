"""Extract: CSV result pages over HTTP to Parquet files in the landing zone."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks.command import run_alone
from benchmarks.measure import Result, Subject, measured, process, say
from benchmarks.pages import narrow_pages, wide_pages
from benchmarks.report import Row, Target, publish, table
from seil.salesforce.schema import parse_describe

_PEAK = 400e6
_PYARROW, _DOWNLOAD, _DLT = "pyarrow, 20 lines", "simple-salesforce download()", "dlt"
_ONE, _PARALLEL = "SEIL, one stream", "SEIL, 4 pages at once"


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of 25 columns")
    parser.add_argument("--wide-rows", type=int, default=120_000, help="rows of 153 columns")
    parser.add_argument("--page-rows", type=int, default=100_000)
    parser.add_argument(
        "--large-rows",
        type=int,
        default=0,
        help="also the peak memory at this many rows of 25 columns; 5000000 is the target's size",
    )


def run(args: argparse.Namespace) -> None:
    work = args.work
    say("extract: rendering pages")
    narrow = narrow_pages(work / "narrow", args.rows, args.page_rows)
    # As many bytes a page as Salesforce would put into it: a wide page has fewer rows.
    wide = wide_pages(work / "wide", args.wide_rows, args.page_rows // 5, work)
    parts = [
        ("25 columns", _compared(narrow, work, "Account")),
        ("The order product, 153 columns", _compared(wide, work, "OrderItem")),
    ]
    if args.large_rows:
        large = narrow_pages(work / "large", args.large_rows, args.page_rows)
        parts.append((f"25 columns, {args.large_rows:,} rows", _peaks(large, work)))
    publish(
        "extract",
        "\n\n".join(f"{title}:\n\n{body}" for title, body in parts),
        write=args.write,
    )


def _compared(manifest: Path, work: Path, name: str) -> str:
    with process("benchmarks.page_server", str(manifest)) as url:
        found = measured(_subjects(manifest, url, work, name))
    return table(_rows(found))


def _subjects(manifest: Path, url: str, work: Path, name: str) -> list[Subject]:
    at = {"url": url, "work": str(work)}
    schema = manifest.with_name("schema")
    described = json.loads(manifest.read_text())["describe"]
    schema.write_bytes(parse_describe(described).arrow.serialize())
    here = "benchmarks.extract_subjects"
    return [
        Subject(_ONE, f"{here}:seil", {**at, "name": name, "pages": 1}),
        Subject(_PYARROW, f"{here}:pyarrow", {**at, "schema": str(schema)}),
        Subject(_PARALLEL, f"{here}:seil", {**at, "name": name, "pages": 4}),
        Subject(_DOWNLOAD, f"{here}:simple_salesforce", {**at, "name": name}, rounds=1),
        # It reads one page only, since it would take minutes for all: its rate counts.
        Subject(_DLT, f"{here}:dlt", {**at, "pages": 1}, rounds=1),
    ]


def _rows(found: Mapping[str, Result]) -> list[Row]:
    reference = found[_PYARROW].rate
    dlt = found[_DLT].rate
    one, parallel = found[_ONE], found[_PARALLEL]
    return [
        Row(
            _ONE,
            one,
            one.rate / reference,
            "x pyarrow",
            [Target(">= 0.9 x pyarrow", one.rate >= 0.9 * reference), _ten_times(one, dlt)],
        ),
        Row(
            _PARALLEL,
            parallel,
            parallel.rate / reference,
            "x pyarrow",
            [Target("> 1 x pyarrow", parallel.rate > reference), _ten_times(parallel, dlt)],
        ),
        Row(_PYARROW, found[_PYARROW], 1.0, "x pyarrow"),
        Row(_DOWNLOAD, found[_DOWNLOAD], found[_DOWNLOAD].rate / reference, "x pyarrow"),
        Row(_DLT, found[_DLT], dlt / reference, "x pyarrow"),
    ]


def _ten_times(result: Result, dlt: float) -> Target:
    return Target(f"10 x dlt (is {result.rate / dlt:.1f})", result.rate >= 10 * dlt)


def _peaks(manifest: Path, work: Path) -> str:
    with process("benchmarks.page_server", str(manifest)) as url:
        subjects = [s for s in _subjects(manifest, url, work, "Account") if s.name != _DLT]
        found = measured([Subject(s.name, s.function, s.arguments, 1) for s in subjects])
    return table(
        [
            Row(
                name,
                result,
                result.rate / found[_PYARROW].rate,
                "x pyarrow",
                [Target("peak < 400 MB", result.peak < _PEAK)] if name in (_ONE, _PARALLEL) else [],
            )
            for name, result in found.items()
        ]
    )


if __name__ == "__main__":
    run_alone(options, run)
