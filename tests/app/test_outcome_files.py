from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from seil.app.outcome_files import write_outcomes
from seil.errors import ConfigurationError
from seil.state.outcomes import StoredOutcome

AT = datetime(2026, 11, 30, 12, 0, 0, 123456, tzinfo=UTC)


def outcome(key: str) -> StoredOutcome:
    return StoredOutcome(
        *("push:a", "Account", key, "run-1", "update"),
        fields={"Name": 'a "b"\n', "Phone": None},
        image_before={"Name": None},
        state="rejected",
        record_id=key,
        created=False,
        code="X",
        reason="no, not so",
        attempts=2,
        changed_at=AT,
    )


def pages() -> Iterator[list[StoredOutcome]]:
    yield [outcome("1"), outcome("2")]
    yield [outcome("3")]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_outcomes_are_written_whatever_the_format(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"outcomes.{suffix}"
    assert write_outcomes(file, pages()) == 3
    columns = "key, fields->>'Name', fields->>'Phone', reason, attempts, epoch_us(changed_at)"
    source = f"(SELECT * REPLACE (CAST(fields AS JSON) AS fields) FROM '{file}')"
    rows: list[Any] = duckdb.sql(f"SELECT {columns} FROM {source}").fetchall()
    us = int(AT.timestamp() * 1_000_000)
    assert [tuple(map(str, row)) for row in rows] == [
        (key, 'a "b"\n', "None", "no, not so", "2", str(us)) for key in "123"
    ]


def test_file_is_there_when_it_is_complete(tmp_path: Path) -> None:
    def broken() -> Iterator[list[StoredOutcome]]:
        yield [outcome("1")]
        raise KeyboardInterrupt

    file = tmp_path / "outcomes.csv"
    file.write_text("earlier")
    with pytest.raises(KeyboardInterrupt):
        write_outcomes(file, broken())
    assert [path.read_text() for path in tmp_path.iterdir()] == ["earlier"]


def test_other_suffix_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"end it in \.parquet, \.csv, \.jsonl"):
        write_outcomes(tmp_path / "outcomes.xls", pages())
    assert list(tmp_path.iterdir()) == []
