"""`seil push apply`, killed with SIGKILL while the org has not answered, and then repeated."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.bookings import NAME, client, make_org
from tests.cli.conftest import Seil
from tests.limits import HELD, until

from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.server import OrgServer

ROWS = 3
SETTINGS = """
[salesforce]
login_url = "{url}"
[push]
folder = "pushes"
plans = "plans"
[write]
crossover = {crossover}
"""
CATALOG = """
[objects.Booking__c.flow]
lag = "0s"
"""
PUSH = f"""
object = "Booking__c"
operation = "insert"
key = "Number__c"
query = "SELECT 'n' || i AS \\"Number__c\\", 'new' AS note FROM range({ROWS}) t(i)"
[fields]
Note__c = "note"
[brakes]
share = 1.0
"""
# Where it is killed: an answer that is held back, of a request that was carried out.
STEPS = {
    "collection": (2_000, r"composite/sobjects/?$"),
    "job made": (0, r"jobs/ingest/?$"),
    "data uploaded": (0, "/batches$"),
    "job closed": (0, r"jobs/ingest/\w+$"),
    "results": (0, "/successfulResults"),
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_org(tmp_path_factory.mktemp("template") / "org")


@pytest.fixture
def org(template: Path, home: Path) -> Iterator[OrgServer]:
    shutil.copytree(template, home / "org")
    with OrgServer(home / "org") as server:
        (home / "objects.toml").write_text(CATALOG)
        (home / "pushes").mkdir()
        (home / "pushes" / "new.toml").write_text(PUSH)
        yield server


@pytest.mark.parametrize("step", STEPS)
def test_killed_apply_is_repeated_without_a_second_record(
    seil: Seil,
    seil_process: Callable[..., subprocess.Popen[str]],
    home: Path,
    org: OrgServer,
    step: str,
) -> None:
    crossover, path = STEPS[step]
    (home / "seil.toml").write_text(SETTINGS.format(url=org.url, crossover=crossover))
    assert seil("run", NAME).code == 0
    plan = seil("push", "plan", "new", "--json").json
    org.faults.add(OrgFault(path=path, drip=1, drip_delay=HELD, times=1))
    process = seil_process("push", "apply", "new", plan["hash"])
    until(lambda: org.faults.entries()[0]["struck"])
    process.kill()
    process.communicate()
    org.faults.clear()
    repeated = seil("push", "apply", "new", plan["hash"], "--json")
    assert (repeated.code, sum(repeated.json["states"].values())) == (0, ROWS)
    with client(org) as opened:
        records = [record["Number__c"] for record in opened.query(f"SELECT Number__c FROM {NAME}")]
    assert sorted(records) == [f"n{number}" for number in range(ROWS)]
    assert set(seil("outcomes", "--json").json["states"]) <= {"written", "unchanged"}
    died = seil("runs", "list", "--outcome", "died", "--json").json["runs"]
    assert [run["command"] for run in died] == ["push apply"]
