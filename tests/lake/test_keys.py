from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from seil.lake import LandedFile, archived_file, landed_file

AT = datetime(2026, 3, 9, 4, 59, tzinfo=UTC)


def test_landing_key_round_trips() -> None:
    key = "in/dev-Salesforce-Order-Product/0b7c/part-0.parquet"
    landed = landed_file(key)
    assert landed == LandedFile("dev", "Order-Product", "0b7c", "part-0.parquet")
    assert landed.key == key


@pytest.mark.parametrize(
    "key",
    ["in/x", "in/dev-Salesforce-Order/file", "processed/Salesforce-Order/2026/03/09/04/r/f", ""],
)
def test_landed_file_other_keys(key: str) -> None:
    assert landed_file(key) is None


@pytest.mark.parametrize("state", ["processed", "error"])
def test_archived_key_round_trips(state: str) -> None:
    landed = LandedFile("dev", "Order", "run-1", "f.parquet")
    key = landed.archive_key("processed" if state == "processed" else "error", AT)
    assert key == f"{state}/Salesforce-Order/2026/03/09/04/run-1/f.parquet"
    archived = archived_file(key)
    assert archived is not None
    assert (archived.key, archived.state) == (key, state)
    assert archived.landed_file("dev") == landed


def test_archived_file_other_keys() -> None:
    assert archived_file("in/dev-Salesforce-Order/r/f") is None


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("a.parquet", "curated_a.parquet"),
        ("ed0b5e43-2023-05-01T12:00:01", "curated_ed0b5e43-2023-05-01T12:00:01.parquet"),
        ("sub/a.parquet", "curated_sub-a.parquet"),
    ],
)
def test_curated_key_one_suffix(file: str, name: str) -> None:
    key = LandedFile("dev", "Order", "r", file).curated_key(AT)
    assert key == f"Salesforce-Order/2026/03/09/04/{name}"


def test_hour_is_utc() -> None:
    local = AT.astimezone(timezone(timedelta(hours=10)))
    assert (
        LandedFile("dev", "Order", "r", "f")
        .curated_key(local)
        .startswith("Salesforce-Order/2026/03/09/04/")
    )
