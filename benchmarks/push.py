"""Writing into Salesforce: a plan, and a push of the rows that differ, on the stand-in org."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from benchmarks.command import run_alone
from benchmarks.measure import Clock, Result, Subject, measured, process, say
from benchmarks.report import Row, Target, publish, table
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.store import OrgStore

_HERE = "benchmarks.push"
_PUSH, _SIMPLE, _PLAN = "seil push", "simple-salesforce, Bulk 2.0", "seil push plan, 20 columns"
_NAME = "Booking__c"
_COLUMNS = 5
# Seconds between two looks at a job, for both.
_POLL = 0.1
# As the warehouse streams.
_BATCH_ROWS = 16_384
_FIELDS = [
    SField.of("Id", "id"),
    SField.of("IsDeleted", "boolean", flags=("read_only",)),
    SField.of("Name", "string", flags=("name",)),
    *(SField.of(f"Text{n}__c", "string") for n in range(_COLUMNS)),
    *(SField.of(n, "datetime", flags=("read_only",)) for n in ("CreatedDate", "SystemModstamp")),
]
_TEXTS = {f"Text{n}__c": f"text{n}" for n in range(_COLUMNS)}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--share", type=float, default=0.05, help="of the rows that differ")


def run(args: argparse.Namespace) -> None:
    say("push")
    folder = args.work / "push"
    folder.mkdir()
    _make_org(folder / "org", args.rows)
    _make_tables(folder, args.rows, args.share)
    arguments = ["--state", str(folder / "org"), "--port", "0", "--json"]
    wide = folder / "wide"
    wide.mkdir()
    _make_wide_tables(wide, args.rows, args.share)
    with process("seil", "sandbox", "salesforce", *arguments) as first_line:
        where = {"url": json.loads(first_line)["url"], "folder": str(folder)}
        pushes = [
            # In this order: the plan expects the org as its mirror has it.
            Subject(_PUSH, f"{_HERE}:seil_push", where, rounds=1),
            Subject(_SIMPLE, f"{_HERE}:simple_salesforce", where, rounds=1),
        ]
        results = measured(pushes)
    results |= measured([Subject(_PLAN, f"{_HERE}:seil_plan", {"folder": str(wide)})])
    shutil.rmtree(folder)
    publish(
        "push", f"{table(_lines(results, args.rows))}\n\n{_explained(results)}", write=args.write
    )


def _lines(results: dict[str, Result], rows: int) -> list[Row]:
    ours, theirs, plan = results[_PUSH], results[_SIMPLE], results[_PLAN]
    ratio = ours.seconds / theirs.seconds
    size = Target("400 MB", ours.peak < 400e6)
    soon = Target("10 s a million rows", plan.seconds < 10 * rows / 1e6)
    return [
        Row(_SIMPLE, theirs),
        Row(_PUSH, ours, ratio, "of the time", [Target("about 1", ratio < 1.1), size]),
        Row(_PLAN, plan, targets=[soon]),
    ]


def _explained(results: dict[str, Result]) -> str:
    plan, apply = (results[_PUSH].notes[name] for name in ("plan", "apply"))
    cpu = ", ".join(f"{name} {result.notes['cpu']:.1f} s" for name, result in results.items())
    return (
        f"The push compares all rows ({plan:.1f} s), checks the differing ones in the org, writes"
        f" them and stores their outcomes ({apply:.1f} s). simple-salesforce is given the differing"
        " rows and uploads them one job of 10,000 rows after the other, without reading the results"
        " of rows. One round each. The stand-in org works on the same cores; its part is in both."
        f" The plan of 20 columns is the fastest of three rounds. CPU time of its own: {cpu}."
    )


def _make_org(folder: Path, rows: int) -> None:
    say(f"making an org of {rows:,} records")
    with OrgStore.create(folder, [SObject.of(_NAME, _FIELDS)]) as store:
        ids = pa.table({"id": store.next_ids(_NAME, rows)})
        values = ", ".join(f"'text ' || i AS {name}" for name in _TEXTS)
        now = "TIMESTAMP '2026-11-01' AS"
        with store.write() as cursor:
            cursor.register("ids", ids)
            cursor.execute(
                f'INSERT INTO main."{_NAME}" BY NAME SELECT id AS "Id", false AS "IsDeleted", '
                f"""'B' AS "Name", {values}, {now} "CreatedDate", {now} "SystemModstamp" """
                "FROM (SELECT id, row_number() OVER () AS i FROM ids)"
            )


def _make_tables(folder: Path, rows: int, share: float) -> None:
    """The mirror as the org is, and the query's result."""
    every = int(1 / share)
    with duckdb.connect(str(folder / "org" / "org.duckdb"), read_only=True) as org:
        mirror = ", ".join(f'"{name}" AS {name.lower()}' for name in ("Id", *_TEXTS))
        org.execute(f'CREATE TEMP TABLE mirror AS SELECT {mirror} FROM main."{_NAME}"')
        org.execute(f"COPY mirror TO '{folder / 'mirror.parquet'}'")
        texts = ", ".join(
            f"CASE WHEN i % {every} = 0 THEN 'new ' || i ELSE {name.lower()} END AS {column}"
            for name, column in _TEXTS.items()
        )
        org.execute(
            f"""COPY (SELECT id AS "Id", {texts} FROM (SELECT *, row_number() OVER () AS i
            FROM mirror)) TO '{folder / "desired.parquet"}'"""
        )


@dataclass(frozen=True)
class _Tables:
    """The source of a plan: two Parquet files in place of a warehouse."""

    folder: Path
    place: str = "duckdb:bench"
    org_id: str = "00D000000000001AAA"
    mirror_as_of: datetime | None = None

    @contextmanager
    def desired(self, query: str) -> Iterator[pa.RecordBatchReader]:
        with duckdb.connect() as database:
            yield database.execute(query).to_arrow_reader(_BATCH_ROWS)

    @contextmanager
    def mirror(self, object_name: str, columns: Sequence[str]) -> Iterator[pa.RecordBatchReader]:
        with duckdb.connect() as database:
            sql = f"SELECT {', '.join(columns)} FROM '{self.folder / 'mirror.parquet'}'"
            yield database.execute(sql).to_arrow_reader(_BATCH_ROWS)

    def written(self, flow: str, object_name: str) -> pa.RecordBatchReader:
        names = ("key", "field", "value", "changed_at")
        return pa.table({name: pa.array([], pa.string()) for name in names}).to_reader()

    def rejected(self, flow: str, object_name: str, operation: str) -> pa.RecordBatchReader:
        names = ("key", "field", "value", "before", "changed_at", "reason")
        return pa.table({name: pa.array([], pa.string()) for name in names}).to_reader()


def seil_push(clock: Clock, *, url: str, folder: str) -> dict[str, Any]:
    from seil.dw_to_sf.apply import Application
    from seil.dw_to_sf.definition import PushDefinition
    from seil.dw_to_sf.plan import make_plan
    from seil.salesforce.org import Org
    from seil.salesforce.writes.writer import WriterOptions
    from seil.settings import SalesforceSettings, StateSettings
    from seil.state import open_state

    place = Path(folder)
    query = f"SELECT * FROM '{place / 'desired.parquet'}'"
    fields = {name: {"column": column} for name, column in _TEXTS.items()}
    definition = PushDefinition.model_validate(
        {"name": "bench", "object": _NAME, "query": query, "fields": fields}
    )
    state_url = f"sqlite:{place / 'state.sqlite'}"
    with (
        Org(SalesforceSettings(login_url=url)) as org,
        open_state(StateSettings(url=state_url)) as state,
    ):
        options = WriterOptions(poll=_POLL)
        begun = time.process_time()
        with clock:
            rules = org.write_rules(_NAME)
            plan = make_plan(definition, rules, _Tables(place), place / "plans", options=options)
        planned = clock.seconds
        log = state.outcomes.log(definition.flow, "run-1")
        with clock:
            states = Application(org, rules, log, options, lambda _: None).apply(plan)
    if states != {"written": plan.writes}:
        raise SystemExit(f"{states} of {plan.writes:,} rows")
    parts = {"plan": planned, "apply": clock.seconds - planned}
    return {"rows": plan.writes, "cpu": time.process_time() - begun, **parts}


def simple_salesforce(clock: Clock, *, url: str, folder: str) -> dict[str, Any]:
    """The rows that differ are known to it, and other values than SEIL's."""
    from simple_salesforce.api import Salesforce

    desired = f"'{folder}/desired.parquet'"
    names = ", ".join(f"{column} || ' s' AS \"{name}\"" for name, column in _TEXTS.items())
    with duckdb.connect() as database:
        rows = database.execute(
            f"SELECT \"Id\", {names} FROM {desired} WHERE text0 LIKE 'new %'"
        ).to_arrow_table()
    records = rows.to_pylist()
    sf = Salesforce(instance_url=url, session_id=_session(url))
    sf.bulk2_url = f"{url}/services/data/v{sf.sf_version}/jobs/"
    begun = time.process_time()
    with clock:
        results = getattr(sf.bulk2, _NAME).update(records=records, batch_size=10_000, wait=_POLL)
    failed = sum(int(result["numberRecordsFailed"]) for result in results)
    if failed:
        raise SystemExit(f"{failed:,} rows failed")
    return {"rows": len(records), "cpu": time.process_time() - begun}


def _session(url: str) -> str:
    from seil.salesforce.org import Org
    from seil.settings import SalesforceSettings

    with Org(SalesforceSettings(login_url=url)) as org:
        return org.login().access_token


# Of each type so many columns, and the SQL of a value of row i.
_WIDE = {
    "string": (8, "'some text of a field ' || (i * {n} % 9973)"),
    "picklist": (2, "list_value('New', 'Open', 'Closed')[1 + i * {n} % 3]"),
    "currency": (4, "CAST(i * {n} % 100000 AS DECIMAL(18, 2)) / 7"),
    "date": (2, "DATE '2020-01-01' + CAST(i * {n} % 2000 AS INTEGER)"),
    "datetime": (2, "TIMESTAMPTZ '2020-01-01 00:00:00Z' + to_seconds(i * {n} % 90000000)"),
    "boolean": (2, "i * {n} % 3 = 0"),
}
_KINDS = [kind for kind, (count, _) in _WIDE.items() for _ in range(count)]


def _make_wide_tables(folder: Path, rows: int, share: float) -> None:
    """Of 20 columns; where a row differs, five of its values do."""
    values = [_WIDE[kind][1].format(n=n + 1) for n, kind in enumerate(_KINDS)]
    values = [
        f"CAST({value} AS DECIMAL(18, 2))" if kind == "currency" else value
        for kind, value in zip(_KINDS, values, strict=True)
    ]
    names = [f"wide{n}__c" for n in range(len(_KINDS))]
    mirror = ", ".join(f"{value} AS {name}" for name, value in zip(names, values, strict=True))
    changed = ", ".join(
        f"CASE WHEN i % {int(1 / share)} = 0 THEN 'new ' || i ELSE {name} END AS {name}"
        for name in names[:5]
    )
    with duckdb.connect() as database:
        database.execute(
            f"""CREATE TABLE mirror AS SELECT i, printf('a015g%010dAAA', i) AS id, {mirror}
            FROM range({rows}) t(i)"""
        )
        database.execute(f"COPY (FROM mirror) TO '{folder / 'mirror.parquet'}'")
        database.execute(
            f"""COPY (SELECT id AS "Id", * EXCLUDE (i, id) REPLACE ({changed}) FROM mirror)
            TO '{folder / "desired.parquet"}'"""
        )


def seil_plan(clock: Clock, *, folder: str) -> dict[str, Any]:
    """20 columns of texts, picklists, numbers, dates and times."""
    from seil.dw_to_sf.definition import PushDefinition
    from seil.dw_to_sf.plan import make_plan
    from seil.salesforce.writes.rules import FieldRule, ObjectRules

    place = Path(folder)
    names = [f"Wide{n}__c" for n in range(len(_KINDS))]
    query = f"SELECT * FROM '{place / 'desired.parquet'}'"
    definition = PushDefinition.model_validate(
        {
            "name": "wide",
            "object": "Wide__c",
            "query": query,
            "fields": {name: name.lower() for name in names},
        }
    )
    limits: dict[str, dict[str, Any]] = {
        "string": {"length": 80},
        "picklist": {"values": ("New", "Open", "Closed")},
        "currency": {"digits": 16, "scale": 2},
    }
    fields = [
        FieldRule(name, kind, createable=True, updateable=True, **limits.get(kind, {}))
        for name, kind in zip(names, _KINDS, strict=True)
    ]
    rules = ObjectRules(
        "Wide__c",
        createable=True,
        updateable=True,
        deletable=True,
        fields=(FieldRule("Id", "id"), *fields),
    )
    begun = time.process_time()
    with clock:
        plan = make_plan(definition, rules, _Tables(place), place / "plans")
    return {"rows": plan.counts.records, "cpu": time.process_time() - begun}


if __name__ == "__main__":
    run_alone(options, run)
