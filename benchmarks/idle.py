"""What an hour costs in which nothing changed, on sites of different age."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.command import run_alone
from benchmarks.history import make_history
from benchmarks.measure import Clock, Result, Subject, measured, process, say
from benchmarks.report import aligned, publish
from seil.sandbox.salesforce.generator import generate

_HERE = "benchmarks.idle"
_WHAT = ("run", "load", "status")
_EVERYTHING = "load --all"
_FLAT = 1.25
_CATALOG = '[defaults.flow]\nlag = "0s"\nlookback = "0s"\n'


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=5, help="of each, in turns")
    parser.add_argument(
        "--hours",
        type=lambda text: [int(hours) for hours in text.split(",")],
        default=[24, 30 * 24, 182 * 24],
        help="ages of the sites, with commas",
    )


def run(args: argparse.Namespace) -> None:
    say("idle")
    folder = args.work / "idle"
    org = folder / "org"
    generate(org, orders=30).close()
    with process(
        "seil", "sandbox", "salesforce", "--state", str(org), "--port", "0", "--json"
    ) as said:
        url = json.loads(said)["url"]
        first = folder / "new"
        first.mkdir()
        measured([Subject("first run", f"{_HERE}:seil_run", _at(url, first), 1)])
        subjects = []
        for hours in args.hours:
            age, site = _age(hours), folder / f"{hours}-hours"
            shutil.copytree(first, site)
            say(f"  making {make_history(site, hours):,} files, {age}")
            # The notices and the whole listing of the day are done with.
            measured([Subject("once", f"{_HERE}:seil_run", _at(url, site), 1)])
            subjects += [
                Subject(f"{what} {age}", f"{_HERE}:seil_{what}", _at(url, site), args.rounds)
                for what in _WHAT
            ]
            subjects.append(
                Subject(f"{_EVERYTHING} {age}", f"{_HERE}:seil_load_all", _at(url, site), 1)
            )
        found = measured(subjects)
    shutil.rmtree(folder)
    publish("idle", _table(found, args.hours, args.rounds), write=args.write)


def _age(hours: int) -> str:
    return f"{hours / 24:g} d"


def _at(url: str, site: Path) -> dict[str, str]:
    return {"url": url, "folder": str(site)}


def _table(found: dict[str, Result], hours: Sequence[int], rounds: int) -> str:
    ages = [_age(count) for count in hours]
    lines: list[tuple[str, ...]] = [("", *ages, "target", "")]
    for what in (*_WHAT, _EVERYTHING):
        seconds = [found[f"{what} {age}"].seconds for age in ages]
        ratios = [value / seconds[0] for value in seconds]
        cells = [f"{s:.2f} s, {r:.2f} x" for s, r in zip(seconds, ratios, strict=True)]
        target = f"<= {_FLAT} x" if what in _WHAT else ""
        verdict = ("met" if max(ratios) <= _FLAT else "MISSED") if target else ""
        lines.append((f"seil {what}", *cells, target, verdict))
    files = ", ".join(f"{count * 33:,}" for count in hours)
    return (
        f"33 objects, each with a file every hour: {files} files in curated, as many in processed,"
        f" manifests and rows of the ledger. The fastest of {rounds} rounds, imports not counted;"
        f" the ratio is to the youngest site.\n\n{aligned(lines)}\n\n"
        "`load --all` lists all of curated and all manifests, as the first load of each day does."
    )


@contextmanager
def _site(url: str, folder: str) -> Iterator[Any]:
    from seil.app.site import Site
    from seil.settings import Settings

    base = Path(folder)
    catalog = base / "objects.toml"
    catalog.write_text(_CATALOG)
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
    with Site(settings) as context:
        yield context


def seil_run(clock: Clock, *, url: str, folder: str) -> int:
    with _site(url, folder) as context:
        pipeline, objects = context.pipeline, context.catalog.select(())
        with clock:
            report = pipeline.run(objects)
    if report.problems:
        raise SystemExit("\n".join(report.problems))
    return sum(flow.landed for flow in report.extract.flows)


def seil_load(clock: Clock, *, url: str, folder: str, everything: bool = False) -> int:
    from seil.sf_to_dw.load.loader import load

    with _site(url, folder) as context:
        lake, catalog = context.lake, context.catalog
        with clock, context.warehouse() as warehouse:
            report = load(warehouse, lake, catalog, bus=context.journal, everything=everything)
    return report.files


def seil_load_all(clock: Clock, *, url: str, folder: str) -> int:
    return seil_load(clock, url=url, folder=folder, everything=True)


def seil_status(clock: Clock, *, url: str, folder: str) -> int:
    import duckdb  # noqa: F401

    from seil.app.status import site_status

    with _site(url, folder) as context, clock:
        site = site_status(context, ())
    return len(site.ledger.rows)


if __name__ == "__main__":
    run_alone(options, run)
