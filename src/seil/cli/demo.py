"""A whole org to a warehouse on one machine: full load, changes, hourly delta, proof."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seil.app import steps
from seil.app.queries import query
from seil.app.site import Site
from seil.cli.demo_folder import MARK, DemoFolder
from seil.cli.demo_ledger import show_ledger
from seil.cli.demo_push import PushPlan, make_plan, show_plan, write_push
from seil.cli.output import line, table
from seil.errors import UnavailableError
from seil.settings import load_settings

if TYPE_CHECKING:
    from seil.cli.demo_delivery import DeliveredLine
    from seil.modeling.build import BuildReport
    from seil.observe.progress import Progress
    from seil.sf_to_dw.pipeline import RunReport

_CONFIG = f"""{MARK} Its stand-in org answers here while it runs.
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

[push]
folder = "pushes"
plans = "plans"
"""
_CATALOG = f"""\
{MARK} What it adds to the packaged catalog.
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
ORDER BY o.order_date DESC, o.order_id"""
_SHOWN = 5
_LINE = """\
SELECT min(ad_server_order_line_identifier) AS line
FROM sales_line_items_booked_delivered
WHERE sales_order_id IS NOT NULL AND delivery_date IS NULL"""
_DELIVERED = """\
SELECT ad_server_order_line_identifier AS ad_server_line, delivery_date,
    delivered_impressions, delivered_clicks
FROM sales_line_items_booked_delivered
WHERE ad_server_order_line_identifier = '{line}'
    AND delivery_date = '{day}'"""


@dataclass
class Demo:
    """Makes `folder` anew; it holds nothing, or what a demo has made. `show` gives each phase its
    progress.
    """

    folder: DemoFolder
    show: Callable[[], AbstractContextManager[Progress]]
    orders: int = 2000
    seed: int = 1
    share: float = 0.01
    timings: dict[str, float] = field(default_factory=dict)

    def run(self) -> bool:
        """Prints as it goes. False when anything does not balance."""
        if was := self.folder.clear():
            line(f"{self.folder.path} held a demo that was {was}: it starts over.")
        self._configure("http://127.0.0.1")
        with self._timed("make a believable org"):
            counts = self._generate()
        rows, objects = sum(counts.values()), len(counts)
        line(f"An org of {rows:,} records in {objects} objects stands in for Salesforce.")
        with stand_in(self.folder.path / "org") as url:
            self._configure(url)
            with self._timed("full load"):
                full = self._pipeline()
            _say_run("Full load", full, self.timings["full load"])
            _tick(url, self.share)
            delivery = self._deliver(url)
            with self._timed("hourly delta"):
                delta = self._pipeline()
            _say_run("Hourly delta", delta, self.timings["hourly delta"])
            plan = self._plan_push()
        self._say_tables(delta.build)
        self._show_query()
        self._show_delivery(delivery)
        show_plan(plan)
        ok = self._say_ledger(full, delta)
        self._say_next(url)
        self.folder.finish()
        return ok and not full.problems and not delta.problems

    def _configure(self, url: str) -> None:
        self.folder.config.write_text(_CONFIG.format(url=url))
        self.folder.catalog.write_text(_CATALOG)

    def _deliver(self, org: str) -> DeliveredLine | None:
        """An ad server delivers a line of the org, which hears of it before the delta.

        None where the org has no such line.
        """
        from seil.app.syncs import sync_gam_to_sf
        from seil.cli.demo_delivery import ad_manager, deliver, say

        with Site(load_settings(self.folder.config)) as site:
            ad_server_line = query(site, _LINE)["line"][0].as_py()
        if not ad_server_line:
            return None
        with (
            ad_manager(self.folder.path / "network", self.folder.config) as network,
            Site(load_settings(self.folder.config)) as site,
        ):
            delivery = deliver(network, org, ad_server_line)
            with self._timed("delivery"), self.show() as progress:
                result = sync_gam_to_sf(site, progress=progress)
        say(result, delivery, self.timings["delivery"])
        # The delta reads up to a whole second of the org's clock.
        time.sleep(1.1)
        return delivery

    def _plan_push(self) -> PushPlan:
        write_push(self.folder.path / "pushes")
        with Site(load_settings(self.folder.config)) as site, self._timed("plan of a push"):
            return make_plan(site)

    def _show_delivery(self, delivery: DeliveredLine | None) -> None:
        if delivery is None:
            return
        sql = _DELIVERED.format(line=delivery.ad_server_line, day=delivery.day)
        with Site(load_settings(self.folder.config)) as site:
            answer = query(site, sql)
        line("\nThe delivery, back in the warehouse:", style="bold")
        line(sql, style="dim")
        table(answer.column_names, [list(row.values()) for row in answer.to_pylist()])

    def _generate(self) -> dict[str, int]:
        """Records by object."""
        from seil.sandbox.salesforce.generator import generate
        from seil.sandbox.salesforce.tick import summary

        with self.show() as progress:
            state = self.folder.path / "org"
            store = generate(state, orders=self.orders, seed=self.seed, progress=progress)
        try:
            return {name: counts.live + counts.deleted for name, counts in summary(store).items()}
        finally:
            store.close()

    def _pipeline(self) -> RunReport:
        with Site(load_settings(self.folder.config)) as site, self.show() as progress:
            return steps.run(site, progress=progress)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.timings[name] = time.monotonic() - started

    def _say_tables(self, report: BuildReport) -> None:
        count, file = len(report.tables), self.folder.path / "warehouse.read.duckdb"
        line(f"\nThe {count} tables in {file}:", style="bold")
        table(["table", "rows"], sorted((built.table, built.rows) for built in report.tables))

    def _show_query(self) -> None:
        with Site(load_settings(self.folder.config)) as site:
            answer = query(site, QUERY)
        line("\nLine items of the last seven days' orders:", style="bold")
        line(QUERY, style="dim")
        rows = [list(row.values()) for row in answer.slice(0, _SHOWN).to_pylist()]
        table(answer.column_names, rows)
        if answer.num_rows > _SHOWN:
            line(f"... {answer.num_rows - _SHOWN:,} more")

    def _say_ledger(self, full: RunReport, delta: RunReport) -> bool:
        with Site(load_settings(self.folder.config)) as site:
            names = list(site.catalog)
        return show_ledger(names, full.ledger, delta.ledger)

    def _say_next(self, url: str) -> None:
        seil, org = _command(), self.folder.path / "org"
        at = f"{seil} -c {self.folder.config}"
        port = url.rpartition(":")[2]
        line("\nWhat to try next:", style="bold")
        table(
            ["command", "shows"],
            [
                (f'{at} query "FROM sales_orders LIMIT 5"', "your own SQL"),
                (f"{at} status", "its state"),
                (f"{at} files show", "set aside"),
                (f"{at} lineage sales_orders.account_name", "its origin"),
                (f"{seil} sandbox salesforce --state {org} --port {port}", "the org"),
                (f"{at} run", "a next delta"),
                (f"{seil} init", "your own org"),
            ],
        )


@contextmanager
def stand_in(state: Path) -> Iterator[str]:
    """The stand-in org in a process of its own, on a free port; its URL."""
    command = [sys.executable, "-m", "seil", "sandbox", "salesforce", "--json", "--port", "0"]
    with subprocess.Popen(
        [*command, "--state", str(state)],
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C is for the demo, which ends the stand-in itself.
        start_new_session=True,
    ) as process:
        try:
            yield _announced_url(process)
        finally:
            process.terminate()


def _announced_url(process: subprocess.Popen[str]) -> str:
    announcement = process.stdout.readline() if process.stdout else ""
    if not announcement:
        raise UnavailableError("The stand-in org", f"ended at start with {process.wait()}")
    url: str = json.loads(announcement)["url"]
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
    rows = sum(entry.reported or 0 for entry in report.ledger)
    files = len(report.ingest.succeeded)
    line(f"{name}: {rows:,} rows in {files} files, {seconds:.1f} s, {rows / seconds:,.0f} rows/s.")
    for problem in report.problems:
        line(problem, style="red")


def _command() -> str:
    """How this program was called, as the reader would call it again."""
    program = Path(sys.argv[0])
    if program.name != "seil":
        return "seil"
    with suppress(ValueError):
        return str(program.resolve().relative_to(Path.cwd()))
    return "seil"
