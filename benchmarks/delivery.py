"""Delivery reporting of many line items over HTTP, between both stand-ins, and once more."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from benchmarks.command import run_alone
from benchmarks.delivery_subjects import FIRST_LINE, FIRST_ORDER, LINES_OF_ORDER
from benchmarks.measure import Result, Subject, measured, process, say
from benchmarks.report import Row, Target, publish, table
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.store import OrgStore

_FIRST, _AGAIN = "every record differs", "nothing differs"
_CALLS_PER_SECOND = 8
_SYSTEM = (
    SField.of("Id", "id"),
    SField.of("IsDeleted", "boolean", flags=("read_only",)),
    SField.of("SystemModstamp", "datetime", flags=("read_only",)),
)
_OBJECTS = {
    "Order": (
        SField.of("SWM_GAMOrderId__c", "string"),
        SField.of("SWM_GAMUpdate_After_Complete__c", "double"),
        SField.of("vlocity_cmt__FulfilmentStatus__c", "string"),
    ),
    "AdOrderItem": (
        SField.of("AdServerOrderLineIdentifier", "string"),
        SField.of("Production_System__c", "string"),
        SField.of("SWM_Status__c", "string"),
    ),
    "Usage__c": (
        SField.of("GAM_LineItemID__c", "string"),
        SField.of("Usage_Date__c", "date"),
        SField.of("Ad_Impression__c", "double", precision=18, scale=0),
        SField.of("Ad_Clicks__c", "double", precision=18, scale=0),
    ),
}
# SQL of the values of record i, from 0.
_VALUES = {
    "Order": f"CAST({FIRST_ORDER} + i AS VARCHAR), 1, 'Draft'",
    "AdOrderItem": f"CAST({FIRST_LINE} + i AS VARCHAR), 'GAM', 'Draft'",
    "Usage__c": f"""CAST({FIRST_LINE} + i // 2 AS VARCHAR),
        DATE '2026-11-22' + CAST(i % 2 AS INTEGER), 0, 0""",
}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lines", type=int, default=100_000)


def run(args: argparse.Namespace) -> None:
    say("delivery")
    folder = args.work / "delivery"
    folder.mkdir()
    make_org(folder / "org", args.lines)
    org = ["--state", str(folder / "org"), "--port", "0", "--json"]
    with (
        process("seil", "sandbox", "salesforce", *org) as org_line,
        process("benchmarks.delivery_network", str(folder / "network"), str(args.lines)) as network,
    ):
        where = {
            "org": json.loads(org_line)["url"],
            "network": json.loads(network),
            "folder": str(folder),
        }
        turns = [
            Subject(name, "benchmarks.delivery_subjects:sync", where, rounds=1)
            for name in (_FIRST, _AGAIN)
        ]
        results = measured(turns)
    if results[_AGAIN].notes["written"]:
        raise SystemExit(f"written once more: {results[_AGAIN].notes['written']:,}")
    shutil.rmtree(folder)
    publish("delivery", f"{_table(results)}\n\n{_explained(results, args.lines)}", write=args.write)


def _table(results: Mapping[str, Result]) -> str:
    return table(
        [
            Row(name, result, targets=[Target("400 MB", result.peak < 400e6)])
            for name, result in results.items()
        ]
    )


def _explained(results: Mapping[str, Result], lines: int) -> str:
    parts = "; ".join(
        f"{name}: {result.notes['written']:,} written, CPU time of its own"
        f" {result.notes['cpu']:.1f} s, {result.notes['calls']:,} calls to Ad Manager, for which"
        f" Google's {_CALLS_PER_SECOND} a second allow"
        f" {result.notes['calls'] / _CALLS_PER_SECOND:.0f} s at least"
        for name, result in results.items()
    )
    seconds = ", ".join(
        f"{name} {first:.1f} s, then {again:.1f} s"
        for (name, first), again in zip(
            results[_FIRST].notes["steps"].items(),
            results[_AGAIN].notes["steps"].values(),
            strict=True,
        )
    )
    return (
        f"{lines:,} line items, each with its order's and its own status and a usage record of"
        f" yesterday and of today. {parts}. By step: {seconds}. Calls are not paced here. One round"
        " each. Both stand-ins work on the same cores; their part is in both."
    )


def make_org(folder: Path, lines: int) -> None:
    say(f"making an org of {lines:,} line items")
    counts = {"Order": lines // LINES_OF_ORDER, "AdOrderItem": lines, "Usage__c": 2 * lines}
    objects = [SObject.of(name, (*_SYSTEM, *fields)) for name, fields in _OBJECTS.items()]
    with OrgStore.create(folder, objects) as store:
        for name, count in counts.items():
            ids = pa.table({"id": store.next_ids(name, count), "i": range(count)})
            columns = ", ".join(f'"{field.name}"' for field in _OBJECTS[name])
            with store.write() as cursor:
                cursor.register("ids", ids)
                cursor.execute(
                    f'INSERT INTO main."{name}" ("Id", "IsDeleted", "SystemModstamp", {columns}) '
                    f"SELECT id, false, TIMESTAMP '2026-11-01', {_VALUES[name]} FROM ids"
                )


if __name__ == "__main__":
    run_alone(options, run)
