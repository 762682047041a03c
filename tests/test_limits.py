"""No test's outcome depends on how fast the machine is: time limits come from `tests.limits`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.limits import HANGS

TESTS = Path(__file__).parent
STOPWATCHES = {"monotonic", "perf_counter", "process_time"}
# The last argument of these is how long they wait; so is the `timeout` of any call.
WAITS = {"wait", "join", "result", "wait_for"}
# Without a `timeout` these wait for five seconds.
REQUESTS = {"get", "post", "put", "patch", "delete", "request", "stream", "Client", "AsyncClient"}


def offences(source: str) -> Iterator[int]:
    """Lines that assert how long something took, or expect it sooner than a slow machine has it."""
    nodes = list(ast.walk(ast.parse(source)))
    # Whoever asks again and again does not give up after one of its pauses.
    pauses = {node.operand for node in _negated_loops(nodes)}
    for node in nodes:
        if (isinstance(node, ast.Assert) and any(map(_is_upper_bound, ast.walk(node.test)))) or (
            isinstance(node, ast.Call)
            and node not in pauses
            and (_is_impatient(node) or any(map(_is_short, _limits(node))))
        ):
            yield node.lineno


def _negated_loops(nodes: list[ast.AST]) -> Iterator[ast.UnaryOp]:
    """The `not ...` of each `while not ...`."""
    for node in nodes:
        if isinstance(node, ast.While) and isinstance(node.test, ast.UnaryOp):
            yield node.test


def _is_upper_bound(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Compare)
        and isinstance(node.ops[0], ast.Lt | ast.LtE)
        and any(map(_is_stopwatch, ast.walk(node.left)))
    )


def _is_stopwatch(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in STOPWATCHES
    )


def _is_impatient(call: ast.Call) -> bool:
    """A request over a network without a limit of its own."""
    words = {word.arg for word in call.keywords}
    return (
        isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "httpx"
        and call.func.attr in REQUESTS
        and not words & {"timeout", "transport", None}
    )


def _limits(call: ast.Call) -> Iterator[ast.expr]:
    yield from (word.value for word in call.keywords if word.arg == "timeout")
    if isinstance(call.func, ast.Attribute) and call.func.attr in WAITS and call.args:
        yield call.args[-1]


def _is_short(limit: ast.expr) -> bool:
    """A number, or a timedelta of one. A name says which kind of limit it is."""
    words = limit.keywords if isinstance(limit, ast.Call) else []
    return any(
        isinstance(node, ast.Constant)
        and isinstance(node.value, int | float)
        and 0 < node.value < HANGS
        for node in [limit, *(word.value for word in words)]
    )


def test_no_test_depends_on_the_machines_speed() -> None:
    calls = [
        f"{file.relative_to(TESTS)}:{line}"
        for file in sorted(TESTS.rglob("*.py"))
        if TESTS / "clients" not in file.parents
        for line in offences(file.read_text("utf-8"))
    ]
    assert calls == []


@pytest.mark.parametrize(
    "source",
    [
        "assert time.monotonic() - begun < 5",
        "httpx.get(url, timeout=60)",
        "httpx.get(url)",
        "process.communicate(timeout=20)",
        "settings(timeout=timedelta(seconds=0.4))",
        "assert go_on.wait(10)",
        "await asyncio.wait_for(call, 5)",
    ],
    ids=["stopwatch", "request", "default", "process", "setting", "event", "coroutine"],
)
def test_planted_limit_is_an_offence(source: str) -> None:
    assert list(offences(source)) == [1]


@pytest.mark.parametrize(
    "source",
    [
        "assert time.monotonic() - begun >= 0.2",
        "httpx.get(url, timeout=HANGS)",
        "Limits(timeout=SOON)",
        "while not over.wait(0.01): ...",
        "assert seconds < 5 * reference",
        "httpx.Client(transport=transport)",
    ],
    ids=["lower bound", "named", "in vain", "pause", "ratio", "no network"],
)
def test_limit_that_holds_on_any_machine_is_none(source: str) -> None:
    assert not list(offences(source))
