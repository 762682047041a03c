"""How `seil doctor` prints what it checked, and that other commands refuse the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Seil = Callable[..., Any]


def test_what_cannot_work_is_refused_by_a_step(seil: Seil, home: Path) -> None:
    (home / "seil.toml").write_text("[warehouse]\nurl = 'duckdb::memory:'\n")
    ran = seil("load")
    assert ran.code == 2
    assert "keeps nothing from one command to the next" in ran.err
    assert not (home / ":memory:").exists()


def test_a_variable_that_nothing_reads_is_named(
    seil: Seil, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEIL_WHATEVER", "1")
    assert "warn  variable: SEIL_WHATEVER is set, but is no setting's" in seil("doctor").out
    assert "SEIL_WHATEVER" in seil("status").err
