"""How values and tables look, on a terminal and elsewhere."""

from __future__ import annotations

import io
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from seil.app import wording
from seil.cli import output
from seil.cli.output import Bad
from seil.sizes import size


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    # Not a fixture: pytest puts its own stdout back between set-up and test.
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return screen


@pytest.mark.parametrize(
    ("value", "plain", "exact"),
    [
        (None, "", ""),
        (True, "yes", "yes"),
        (1234567, "1,234,567", "1234567"),
        (Decimal("1.50"), "1.50", "1.50"),
        (Bad(1000), "1,000", "1000"),
        (
            datetime(2026, 11, 23, 10, 0, 0, 5, UTC),
            "2026-11-23 10:00:00Z",
            "2026-11-23 10:00:00.000005Z",
        ),
        (date(2026, 11, 23), "2026-11-23", "2026-11-23"),
        (timedelta(hours=27, minutes=3), "1d 3h", "1d 3h"),
        ("a\x1b[31mb\nc\x9b", "a\\x1b[31mb\\nc\\x9b", "a\\x1b[31mb\\nc\\x9b"),
        ("naïve 😀", "naïve 😀", "naïve 😀"),
    ],
)
def test_text(value: Any, plain: str, exact: str) -> None:
    assert output.text(value) == plain
    assert output.text(value, exact=True) == exact


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0s"), (59, "59s"), (61, "1m 1s"), (3600, "1h"), (90_061, "1d 1h"), (-61, "-1m 1s")],
)
def test_duration(seconds: int, expected: str) -> None:
    assert wording.duration(timedelta(seconds=seconds)) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0 B"), (999, "999 B"), (1_500, "1.5 KB"), (2_000_000, "2.0 MB"), (5 * 10**12, "5.0 TB")],
)
def test_size(count: int, expected: str) -> None:
    assert size(count) == expected


def test_plain_table(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("object", "rows"), [("Order", 1200), ("Account [x]", Bad(3))])
    assert capsys.readouterr().out == "object        rows\nOrder        1,200\nAccount [x]      3\n"


def test_empty_table(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("object", "rows"), [])
    assert capsys.readouterr().out == "object  rows\n"


def test_table_on_a_terminal_is_red_where_something_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = on_terminal(monkeypatch)
    output.table(("object", "rows"), [("Order [x]", 1200), ("Account", Bad(3))])
    text = terminal.getvalue()
    assert "Order [x]" in text
    assert "1,200" in text
    assert "\x1b[31m    3" in text


def test_line_is_styled_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    output.line("late [x]", style="red")
    assert terminal.getvalue() == "\x1b[31mlate [x]\x1b[0m\n"


def test_json_is_exact(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit({"a": Decimal("1.50"), "c": timedelta(minutes=1), "d": date(2026, 1, 2)})
    assert capsys.readouterr().out == ('{\n  "a": "1.50",\n  "c": 60.0,\n  "d": "2026-01-02"\n}\n')


def test_records(capsys: pytest.CaptureFixture[str]) -> None:
    output.records(["id", "longer"], [["1", None]])
    assert capsys.readouterr().out == "row 1\n  id      1\n  longer\n"
