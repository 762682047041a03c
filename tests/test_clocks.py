"""No test reads the clock when it is collected: it may run on another day."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "localtime", "gmtime", "strftime"}
OWNERS = {"datetime", "date", "time", "dt"}


def readings(source: str) -> Iterator[int]:
    """Lines that read the clock on import: outside functions, in their decorators and defaults."""
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Lambda):
            waiting += [d for d in (*node.args.defaults, *node.args.kw_defaults) if d]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            defaults = (*node.args.defaults, *node.args.kw_defaults)
            waiting += [*node.decorator_list, *filter(None, defaults)]
        else:
            if isinstance(node, ast.Call) and _is_clock(node.func):
                yield node.lineno
            waiting += ast.iter_child_nodes(node)


def _is_clock(call: ast.expr) -> bool:
    return (
        isinstance(call, ast.Attribute)
        and call.attr in CLOCKS
        and ast.unparse(call.value).rpartition(".")[2] in OWNERS
    )


def test_no_test_reads_the_clock_when_it_is_collected() -> None:
    offences = [
        f"{file.relative_to(TESTS)}:{line}"
        for file in sorted(TESTS.rglob("*.py"))
        for line in readings(file.read_text("utf-8"))
    ]
    assert offences == []


@pytest.mark.parametrize(
    "source",
    [
        "TODAY = date.today()",
        "import datetime as dt\nNOW = dt.datetime.now(dt.UTC)",
        "@pytest.mark.parametrize('day', [datetime.now(UTC)])\ndef test(day): ...",
        "class Row:\n    at: datetime = datetime.now(UTC)",
        "def test(at=time.time()): ...",
        "later = lambda at=time.time(): at",
    ],
    ids=["module", "alias", "decorator", "class", "default", "lambda"],
)
def test_a_planted_reading_is_detected(source: str) -> None:
    assert list(readings(source))


@pytest.mark.parametrize(
    "source",
    [
        "def test():\n    assert date.today()",
        "@dataclass\nclass Clock:\n    now: float = field(default_factory=time.time)",
        "clock = lambda: datetime.now(UTC)",
        "NOW = datetime(2026, 11, 23, tzinfo=UTC)",
    ],
    ids=["function", "factory", "lambda", "fixed"],
)
def test_a_reading_while_a_test_runs_is_none(source: str) -> None:
    assert not list(readings(source))
