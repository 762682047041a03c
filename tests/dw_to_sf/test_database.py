"""The embedded DuckDB of plans: its memory, and what a kill leaves."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from seil.dw_to_sf import database as module
from seil.dw_to_sf.database import bounded_database, memory_mb
from seil.errors import WarehouseError
from seil.salesforce.writes.rules import FieldRule

LONG = FieldRule("Note__c", "textarea", length=32_768)
TEXTS = (
    "CREATE TABLE texts AS SELECT repeat(md5(CAST(i AS VARCHAR)), {n}) AS a FROM range({rows}) t(i)"
)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("fields", "expected"),
    [([FieldRule("A__c", "string", length=255)] * 20, 288), ([LONG], 665), ([LONG] * 9, 2_048)],
    ids=["narrow", "long-text", "many-long-texts"],
)
def test_memory_grows_with_the_length_of_fields(fields: list[FieldRule], expected: int) -> None:
    assert memory_mb(fields) == expected


def test_text_that_does_not_fit_is_an_error_with_its_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_BASE_MB", 8)
    with (
        pytest.raises(WarehouseError, match=r"Out of Memory.*Give the longest texts a push"),
        bounded_database([FieldRule("A__c", "string")]) as database,
    ):
        database.execute(TEXTS.format(n=30_000, rows=100))


def test_spill_of_a_killed_push_is_removed_by_the_next(temporary: Path) -> None:
    with bounded_database([LONG]) as database:
        database.execute("SET memory_limit = '32MB'")
        database.execute(TEXTS.format(n=100, rows=20_000))
        (spill,) = temporary.iterdir()
        *process, _, unique = spill.name.split("-")
        (temporary / "-".join([*process, "1", unique])).mkdir()
        with bounded_database([LONG]):
            assert list(temporary.iterdir()) == [spill]
    assert not list(temporary.iterdir())
