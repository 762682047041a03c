"""What was decided on columns, by several at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from seil.catalog import SyncedObject
from seil.lake import Lake
from seil.sf_to_dw.schema.review import Decisions, decision

THING = SyncedObject(api_name="Thing__c")


def lake_at(folder: Path) -> Lake:
    return Lake.at(folder.as_uri(), env="dev", project="seil")


def test_decisions_taken_at_once_are_all_kept(tmp_path: Path) -> None:
    columns = [f"column_{number}" for number in range(20)]

    def decide(column: str) -> None:
        made = decision("text", by="somebody", column=column)
        Decisions(lake_at(tmp_path)).add(THING, [made])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(decide, columns))
    assert sorted(entry.column for entry in Decisions(lake_at(tmp_path)).get(THING)) == sorted(
        columns
    )


def test_decisions_of_an_earlier_or_later_version_are_read(tmp_path: Path) -> None:
    body = b"""{"object": "Thing__c", "more": 1, "decisions": [
        {"column": "a", "policy": "text", "by": "x", "at": "2026-11-01", "more": 1}]}"""
    lake = lake_at(tmp_path)
    lake.staging.put(f"decisions/Salesforce-{THING.landing_name}.json", body)
    Decisions(lake).add(THING, [decision("drop", by="x", column="b")])
    assert [entry.column for entry in Decisions(lake).get(THING)] == ["a", "b"]
