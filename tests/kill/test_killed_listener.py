"""A listener that is killed goes on where its journal says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.kill.conftest import LIVES

from seil.app.documents.runs import RunReportDocument
from seil.app.run_reports import list_runs, stored_run

LISTEN = ("listen", "--once")
MOMENTS: Sequence[str] = (
    "after journal subscribers",
    "before commit seil.loads",
    "after move to landing/processed",
    "after commit seil.loads",
    "before journal subscribers",
    "after journal events",
    "after commit seil.builds",
)


def check_rounds(site: Any) -> None:
    """Each round that did something is a run with its steps, and says where it died."""
    with site.open() as opened:
        stored = [stored_run(opened, run.run_id) for run in list_runs(opened).runs]
    reports = [RunReportDocument.of(run) for run in stored]
    rounds = [report for report in reports if report.run and report.run.command == "listen"]
    assert all(report.attempts for report in rounds)
    # One that is killed before its first step, or behind its end, did not die in it.
    assert "running" not in {report.run.outcome for report in rounds if report.run}


@pytest.mark.timeout(7200)
def test_a_listener_killed_at_a_commit_point(
    orgs: tuple[Path, Path], new_site: Callable[..., Any], tmp_path: Path
) -> None:
    site = new_site()
    site.folder = tmp_path / "landed"
    site.folder.mkdir()
    with site.serve(orgs[0]):
        site.finish("extract")
    undisturbed = site.copied(tmp_path / "undisturbed")
    with undisturbed.serve():
        undisturbed.finish(*LISTEN)
    done = undisturbed.moments()
    assert set(MOMENTS) <= set(done)
    expected = undisturbed.contents()
    chosen = MOMENTS if LIVES else MOMENTS[:2]
    for number, name in enumerate(chosen):
        killed = site.copied(tmp_path / str(number))
        with killed.serve():
            # The second time a listener dies of an event, it has one more try.
            for nth in (max(1, done.count(name) // 2), 1):
                assert killed.ask(*LISTEN, at={"name": name, "nth": nth}) in (-9, 0, 1)
            assert killed.kills
            check_rounds(killed)
            killed.finish(*LISTEN)
        assert killed.contents() == expected, name
        assert killed.untold() == set()
        assert killed.left_over() == []
