"""How a run is written down: what failed, since when, and what its successor wrote."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from seil.app.health import Health, Trouble, recorded_run
from seil.errors import LeaseLostError
from seil.events.journal import Journal
from seil.lake import Lake

NEXT_DAY = datetime(2026, 11, 30, 10, tzinfo=UTC)


def test_a_run_that_lost_its_lease_leaves_its_successors_outcome(tmp_path: Path) -> None:
    lake = Lake.at((tmp_path / "lake").as_uri(), env="dev", project="seil")
    with (
        Journal(tmp_path / "journal.sqlite") as bus,
        pytest.raises(LeaseLostError),
        recorded_run(lake, bus, "run"),
    ):
        with recorded_run(lake, bus, "run"):
            pass
        raise LeaseLostError("run.lock", "process 7 on there took it over")
    last = Health(lake).last_run()
    assert last is not None
    assert last.outcome == "success"
    assert Health(lake).troubles() == []
    assert Health(lake).under_way() == []


def test_what_fails_again_keeps_since_when_it_does(tmp_path: Path) -> None:
    lake = Lake.at((tmp_path / "lake").as_uri(), env="dev", project="seil")
    begun = datetime(2026, 11, 29, 10, tzinfo=UTC)
    with Journal(tmp_path / "journal.sqlite") as bus:
        for at, kind in ((begun, "load"), (NEXT_DAY, "load"), (NEXT_DAY, "lake")):
            with recorded_run(lake, bus, "load") as results:
                results.known.add(("load", "Account"))
                results.troubles.append(Trouble("load", "Account", kind, "no", since=at))
            [trouble] = Health(lake).troubles()
            assert trouble.since == (begun if kind == "load" else NEXT_DAY)


def test_a_lost_lease_without_a_successor_is_told_until_a_run_gets_through(tmp_path: Path) -> None:
    lake = Lake.at((tmp_path / "lake").as_uri(), env="dev", project="seil")
    with Journal(tmp_path / "journal.sqlite") as bus:
        with pytest.raises(LeaseLostError), recorded_run(lake, bus, "run"):
            raise LeaseLostError("run.lock", "it could not be renewed in time")
        assert [trouble.kind for trouble in Health(lake).troubles()] == ["lease_lost"]
        with recorded_run(lake, bus, "load"):
            pass
    assert Health(lake).troubles() == []
