"""A whole org to a warehouse on one machine: full load, changes, hourly delta, proof."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seil.cli.context import Context
from seil.cli.output import Bad, line, table
from seil.errors import ConfigurationError, Problem, UnavailableError
from seil.settings import load_settings

if TYPE_CHECKING:
    from seil.observe.progress import Progress
    from seil.sf_to_dw.build import BuildReport
    from seil.sf_to_dw.ledger import LedgerRow
    from seil.sf_to_dw.pipeline import RunReport
    from seil.warehouse import Warehouse

_MARK = "# Written by `seil demo`."
_CONFIG = f"""{_MARK} Its stand-in org answers here while it runs.
[salesforce]
login_url = "{{url}}"

[lake]
url = "lake"

[warehouse]
url = "duckdb:warehouse.duckdb"

[events]
journal = "journal.sqlite"

[feed]
url = "feed"
"""
_CATALOG = f"""\
{_MARK} What it adds to the packaged catalog.
# Changes of the last second are read too: this org has no clock but ours, and nobody else writes.
[defaults.flow]
lag = "0s"

[[objects.Contact.columns]]
name = "LastName"

[[objects.Contact.columns.validations]]
type = "sql"
rule = "LastName NOT IN ('NA', 'N/A', '#N/A', 'NULL', 'null', 'None', 'nan')"
level = "reject"
message = "is a placeholder, not a name"
"""
QUERY = """\
SELECT o.order_id, o.account_name, o.order_date, COUNT(*) AS line_item_count
FROM sales_orders o JOIN sales_order_line_items li ON o.id = li.order_id
WHERE o.created_at >= CURRENT_DATE - INTERVAL '7 days'
GROUP BY o.id, o.order_id, o.account_name, o.order_date
ORDER BY o.order_date DESC"""
_SHOWN = 5


@dataclass
class Demo:
    """`folder` is made anew, unless it holds something that no demo wrote."""

    folder: Path
    orders: int = 2000
    seed: int = 1
    share: float = 0.01
    timings: dict[str, float] = field(default_factory=dict)

    def run(self, progress: Progress) -> bool:
        """Prints as it goes. False when anything does not balance."""
        self._make_room()
        with self._timed("make a believable org"):
            rows = self._generate(progress)
        line(f"An org of {rows:,} records stands in for Salesforce.")
        with stand_in(self.folder / "org") as url:
            self._configure(url)
            with self._timed("full load"):
                full = self._pipeline(progress)
            _say_run("Full load", full, self.timings["full load"])
            _tick(url, self.share)
            with self._timed("hourly delta"):
                delta = self._pipeline(progress)
            _say_run("Hourly delta", delta, self.timings["hourly delta"])
        ok = _say_ledger([*full.ledger, *delta.ledger])
        self._say_tables(delta.build)
        self._say_query()
        self._say_next(url)
        return ok and not full.problems and not delta.problems

    @property
    def _config(self) -> Path:
        return self.folder / "seil.toml"

    def _make_room(self) -> None:
        if self.folder.exists() and any(self.folder.iterdir()):
            if not self._config.exists() or not self._config.read_text().startswith(_MARK):
                cure = "name another folder with --folder"
                raise ConfigurationError([Problem(str(self.folder), "holds other things", cure)])
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._configure("http://127.0.0.1")

    def _configure(self, url: str) -> None:
        self._config.write_text(_CONFIG.format(url=url))
        (self.folder / "objects.toml").write_text(_CATALOG)

    def _generate(self, progress: Progress) -> int:
        from seil.sandbox.salesforce.generator import generate
        from seil.sandbox.salesforce.tick import summary

        store = generate(self.folder / "org", orders=self.orders, seed=self.seed, progress=progress)
        try:
            return sum(counts.live + counts.deleted for counts in summary(store).values())
        finally:
            store.close()

    def _pipeline(self, progress: Progress) -> RunReport:
        with Context(load_settings(self._config)) as context:
            objects = context.catalog.select([])
            return context.pipeline.run(objects, progress=progress)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.timings[name] = time.monotonic() - started

    def _say_tables(self, report: BuildReport) -> None:
        count, file = len(report.tables), self.folder / "warehouse.duckdb"
        line(f"\nThe {count} tables in {file}:", style="bold")
        table(["table", "rows"], sorted((built.table, built.rows) for built in report.tables))

    def _say_query(self) -> None:
        with self._warehouse() as warehouse:
            found = warehouse.query(QUERY)
        line("\nLine items of the last seven days' orders:", style="bold")
        line(QUERY, style="dim")
        rows = [list(row.values()) for row in found.slice(0, _SHOWN).to_pylist()]
        table(found.column_names, rows)
        if found.num_rows > _SHOWN:
            line(f"... {found.num_rows - _SHOWN:,} more")

    @contextmanager
    def _warehouse(self) -> Iterator[Warehouse]:
        settings = load_settings(self._config)
        with Context(settings) as context, context.warehouse(read_only=True) as warehouse:
            yield warehouse

    def _say_next(self, url: str) -> None:
        seil = _command()
        port = url.rpartition(":")[2]
        line("\nWhat to try next:", style="bold")
        table(
            ["command", "shows"],
            [
                (f'{seil} -c {self._config} query "FROM sales_orders LIMIT 5"', "your own SQL"),
                (f"{seil} -c {self._config} status", "flows, files, lag, ledger"),
                (f"{seil} -c {self._config} files list --state exceptions", "what was set aside"),
                (f"{seil} -c {self._config} lineage sales_orders.account_name", "where it is from"),
                (
                    f"{seil} sandbox salesforce --state {self.folder / 'org'} --port {port}",
                    "the org",
                ),
                (f"{seil} -c {self._config} run", "the next delta, while the org runs"),
                (f"{seil} init", "a seil.toml for your own org"),
            ],
        )


@contextmanager
def stand_in(state: Path) -> Iterator[str]:
    """The stand-in org in a process of its own, on a free port; its URL."""
    command = [sys.executable, "-m", "seil", "sandbox", "salesforce", "--json", "--port", "0"]
    with subprocess.Popen(
        [*command, "--state", str(state)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield _announced_url(process)
        finally:
            process.terminate()


def _announced_url(process: subprocess.Popen[str]) -> str:
    said = process.stdout.readline() if process.stdout else ""
    if not said:
        raise UnavailableError("The stand-in org", f"ended at start with {process.wait()}")
    url: str = json.loads(said)["url"]
    return url


def _tick(url: str, share: float) -> None:
    import httpx

    answer = httpx.post(f"{url}/sandbox/tick", json={"share": share}, timeout=60)
    answer.raise_for_status()
    changes = answer.json()
    # The org's clock is read in whole seconds; the delta must end after the changes.
    time.sleep(1.1)
    line(f"\nThe org lives on: {_total(changes)} records changed, added, deleted or undeleted.")


def _total(changes: dict[str, Any]) -> str:
    counts = [n for counts in changes.values() for n in counts.values() if isinstance(n, int)]
    return f"{sum(counts):,}"


def _say_run(name: str, report: RunReport, seconds: float) -> None:
    rows = report.extract.rows
    files = len(report.ingest.taken_in)
    line(f"{name}: {rows:,} rows in {files} files, {seconds:.1f} s, {rows / seconds:,.0f} rows/s.")
    for problem in report.problems:
        line(problem, style="red")


def _say_ledger(entries: Sequence[LedgerRow]) -> bool:
    by_object: dict[str, list[LedgerRow]] = defaultdict(list)
    for entry in entries:
        by_object[entry.object].append(entry)
    line("\nThe ledger: every row that Salesforce reported, on its way", style="bold")
    table(
        ["object", "full", "delta", "reported", "landed", "curated", "set aside", "merged", ""],
        [_ledger_line(name, rows) for name, rows in by_object.items()],
    )
    balanced = all(entry.balanced for entry in entries)
    total = sum(entry.reported or 0 for entry in entries)
    said = "all of them accounted for" if balanced else "NOT all of them accounted for"
    line(f"{total:,} rows reported, {said}.", style="" if balanced else "red")
    return balanced


def _ledger_line(name: str, rows: Sequence[LedgerRow]) -> list[Any]:
    def total(column: str) -> int:
        return sum(getattr(row, column) or 0 for row in rows)

    # What is not a full load came with the delta: its changes, and the org's list of deletions.
    full = sum(row.reported or 0 for row in rows if row.mode == "full")
    stages = [total(column) for column in ("reported", "landed", "curated", "set_aside", "merged")]
    state = "equal" if all(row.balanced for row in rows) else Bad("differs")
    return [name, full, stages[0] - full, *stages, state]


def _command() -> str:
    """How this program was called, as the reader would call it again."""
    program = Path(sys.argv[0])
    if program.name != "seil":
        return "seil"
    with suppress(ValueError):
        return str(program.resolve().relative_to(Path.cwd()))
    return "seil"
