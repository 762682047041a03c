"""Subjects measured in processes of their own, in turns, in the same minutes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Any, TextIO

ROUNDS = 3


class Clock:
    """Stands still outside `with clock:`, so that preparation and imports do not count."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._started


@dataclass(frozen=True)
class Subject:
    """`function` is `module:name`, called as `name(clock, **arguments)`: it answers its rows, or a
    mapping with `rows` and whatever else is to be known. `peak_beside` in it is the largest size
    of a process that it worked with, in bytes.
    """

    name: str
    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    rounds: int = ROUNDS


@dataclass(frozen=True)
class Result:
    """The fastest round; `peak` is the largest of all rounds, in bytes, children included."""

    rows: int
    seconds: float
    peak: int
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return self.rows / self.seconds

    def better(self, other: Result | None) -> Result:
        if other is None:
            return self
        fastest = min(self, other, key=lambda result: result.seconds)
        return Result(
            fastest.rows, fastest.seconds, max(self.peak, other.peak), notes=fastest.notes
        )


def measured(
    subjects: Sequence[Subject], before: Callable[[Subject], None] = lambda _: None
) -> dict[str, Result]:
    """By name. The subjects take turns, so that a slow minute of the machine meets all of them.

    `before` is called ahead of each turn, outside the clock.
    """
    best: dict[str, Result] = {}
    for turn in range(max(subject.rounds for subject in subjects)):
        for subject in subjects:
            if turn >= subject.rounds:
                continue
            before(subject)
            result = _run(subject)
            say(f"  {subject.name}: {result.rows:,} rows in {result.seconds:.2f} s")
            best[subject.name] = result.better(best.get(subject.name))
    return best


def say(text: str) -> None:
    """Progress, beside the tables."""
    print(text, file=sys.stderr, flush=True)


def with_bytecode() -> dict[str, str]:
    """The environment, but modules are compiled once, as they are where SEIL is installed."""
    return {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}


def _run(subject: Subject) -> Result:
    command = [sys.executable, "-m", "benchmarks.measure", subject.function]
    done = subprocess.run(
        [*command, json.dumps(subject.arguments)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env=with_bytecode(),
    )
    if done.returncode:
        raise SystemExit(f"{subject.name} ended with {done.returncode}")
    return Result(**json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def process(module: str, *arguments: str, stderr: TextIO | None = None) -> Iterator[str]:
    """A server in a process of its own; its first line, which says where it listens."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as running:
        try:
            yield running.stdout.readline().strip() if running.stdout else ""
        finally:
            running.terminate()


def peak_bytes(process_id: int | str = "self") -> int:
    """The largest resident size so far."""
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def _main(function: str, arguments: str) -> None:
    module, _, name = function.partition(":")
    clock = Clock()
    answer = getattr(import_module(module), name)(clock, **json.loads(arguments))
    notes = answer if isinstance(answer, dict) else {"rows": answer}
    rows = notes.pop("rows")
    peak = peak_bytes() + getrusage(RUSAGE_CHILDREN).ru_maxrss * 1024
    peak += notes.pop("peak_beside", 0)
    result = {"rows": rows, "seconds": clock.seconds, "peak": peak, "notes": notes}
    print("\n" + json.dumps(result))


if __name__ == "__main__":
    _main(*sys.argv[1:])
