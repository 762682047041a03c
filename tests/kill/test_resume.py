"""A killed extract goes on with the same job, behind the pages that have landed."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.kill.conftest import LIVES
from tests.limits import HANGS

from seil.sandbox.salesforce.store import OrgStore

ITEM = "OrderItem"
PAGES = "before GET jobs/query/*/results"
NewSite = Callable[..., Any]
Orgs = tuple[Path, Path]


def in_org(org: Path) -> set[str]:
    with closing(OrgStore.open(org)) as store:
        return {row[0] for row in store.cursor().execute(f'SELECT "Id" FROM "{ITEM}"').fetchall()}


@pytest.fixture
def killed(orgs: Orgs, new_site: NewSite) -> Any:
    """An extract that was killed when it had written down three pages."""
    site = new_site(ITEM)
    site.page_rows = 40
    with site.serve(orgs[0]):
        assert site.ask("extract", at={"name": "after write staging/flows", "nth": 4}) == -9
    return site


def test_only_pages_that_have_not_landed_are_read_again(killed: Any, orgs: Orgs) -> None:
    running = killed.running(ITEM)
    assert len(running.pages) == 3
    with killed.serve():
        killed.finish("extract")
    moments = killed.moments()
    pages = -(-len(in_org(orgs[0])) // killed.page_rows)
    assert pages > 8
    assert moments.count(PAGES) == pages - len(running.pages)
    assert "before POST jobs/query" not in moments
    landed = killed.landed_ids(ITEM)
    assert len(landed) == len(set(landed))
    assert set(landed) == in_org(orgs[0])
    assert killed.running(ITEM) is None


@pytest.mark.parametrize("missing", ["results", "all of it"] if LIVES else ["results"])
def test_a_job_that_has_expired_restarts_its_window(killed: Any, orgs: Orgs, missing: str) -> None:
    running = killed.running(ITEM)
    path = f"jobs/query/{running.job_id}" + ("/results" if missing == "results" else "")
    with killed.serve() as server:
        fault = {"path": path, "status": 404, "code": "NOT_FOUND"}
        httpx.post(f"{server.url}/sandbox/faults", json=fault, timeout=HANGS).raise_for_status()
        killed.finish("run")
        assert killed.moments().count("before POST jobs/query") >= 1
        ids = [row["id"] for row in killed.query("SELECT id FROM salesforce.order_product")]
        assert len(ids) == len(set(ids))
        assert set(ids) == in_org(orgs[0])
        killed.finish("run")
        assert killed.running(ITEM) is None
    assert killed.left_over() == []


def test_ctrl_c_ends_with_130_and_the_next_run_goes_on(
    orgs: Orgs, undisturbed: Any, new_site: NewSite
) -> None:
    site = new_site()
    places = ["after write landing/in", "after write curated/Salesforce", "after commit seil.loads"]
    # The second run is interrupted, too, where there is time for it.
    for org, interrupted in zip(orgs, (places, places if LIVES else []), strict=True):
        with site.serve(org):
            for name in interrupted:
                at = {"name": name, "nth": 1, "signal": signal.SIGINT}
                assert site.ask("run", at=at) == 130, site.output()
                assert "interrupted" in site.output()
            site.finish("run")
    contents = site.contents()
    for name, rows in undisturbed.contents.items():
        assert contents[name] == rows, name
    assert site.left_over() == []
