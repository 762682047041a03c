"""A stand-in org with one object, and the durable state that a writer logs to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.bookings import NAME, ROWS, bookings, client, make_org

from seil.salesforce.org import Org
from seil.salesforce.writes.batch import WriteTarget
from seil.salesforce.writes.writer import Writer
from seil.sandbox.salesforce.server import OrgServer
from seil.state.outcomes import OutcomeLog
from seil.state.store import State, state_in_memory


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_org(tmp_path_factory.mktemp("template") / "org")


@pytest.fixture
def server(template: Path, tmp_path: Path) -> Iterator[OrgServer]:
    shutil.copytree(template, tmp_path / "org")
    with OrgServer(tmp_path / "org") as running:
        yield running


@pytest.fixture
def org(server: OrgServer) -> Iterator[Org]:
    with client(server) as opened:
        yield opened


@pytest.fixture
def state() -> Iterator[State]:
    with state_in_memory() as opened:
        yield opened


@pytest.fixture
def log(state: State) -> OutcomeLog:
    return state.outcomes.log("test", "run-1")


@pytest.fixture
def ids(org: Org, state: State) -> list[str]:
    """Of records that are there already, in the order of their keys."""
    writer = Writer(org, state.outcomes.log("setup", "run-0"))
    writer.write(WriteTarget(NAME, "upsert", "Key__c"), [bookings(ROWS)], rows=ROWS)
    return [record["Id"] for record in org.query(f"SELECT Id FROM {NAME} ORDER BY Key__c")]
