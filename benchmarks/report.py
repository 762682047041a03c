"""Results as tables, printed and kept in docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import Result

DOCUMENT = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_HEAD = ("subject", "rows", "seconds", "rows/s", "peak MB", "ratio", "target", "")


@dataclass(frozen=True)
class Target:
    """`text` says what is wanted, `met` whether it was reached."""

    text: str
    met: bool


@dataclass(frozen=True)
class Row:
    """`ratio` is a figure against the reference that `against` names."""

    subject: str
    result: Result
    ratio: float | None = None
    against: str = ""
    targets: Sequence[Target] = ()

    def cells(self) -> tuple[str, ...]:
        ratio = "" if self.ratio is None else f"{self.ratio:.3g} {self.against}".strip()
        return (
            self.subject,
            f"{self.result.rows:,}",
            f"{self.result.seconds:.2f}",
            f"{self.result.rate:,.0f}",
            f"{self.result.peak / 1e6:,.0f}",
            ratio,
            "; ".join(target.text for target in self.targets),
            "; ".join("met" if target.met else "MISSED" for target in self.targets),
        )


def table(rows: Sequence[Row]) -> str:
    """As Markdown, its columns aligned."""
    return aligned([_HEAD, *(row.cells() for row in rows)])


def aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
    ruled = [lines[0], ["-" * width for width in widths], *lines[1:]]
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in ruled
    )


def machine() -> str:
    """Where and when, and how busy the machine was."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.+)", info)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[1]
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores of"
        f" {model[1] if model else platform.machine()}, {memory:.0f} GB,"
        f" {platform.system()} {platform.release().partition('-')[0]},"
        f" Python {platform.python_version()}; load of the last five minutes {load:.1f}."
    )


def publish(bench: str, body: str, *, write: bool) -> None:
    """Prints a bench's tables; `write` puts them in the place of the document's earlier ones."""
    text = f"{machine()}\n\n{body}"
    print(f"\n## {bench}\n\n{text}\n", flush=True)
    if not write:
        return
    begin, end = f"<!-- {bench}: begin -->", f"<!-- {bench}: end -->"
    document = DOCUMENT.read_text("utf-8")
    before, found, rest = document.partition(begin)
    if not found:
        raise SystemExit(f"{DOCUMENT} has no place for {bench}: {begin} is missing")
    after = rest.partition(end)[2]
    DOCUMENT.write_text(f"{before}{begin}\n{text}\n{end}{after}", "utf-8")
