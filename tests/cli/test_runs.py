"""`seil runs`: what each run did, one that died included."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from tests.cli.conftest import Seil

from seil.app.site import Site
from seil.settings import load_settings


def test_a_site_without_runs_has_none_and_gets_no_state(seil: Seil, home: Path) -> None:
    assert seil("runs").out == "No runs.\n"
    none = seil("runs", "show")
    assert (none.code, none.out) == (1, "there is no run yet. See `seil runs`\n")
    assert not list(home.rglob("state.sqlite"))


def test_runs_are_listed_by_pages_newest_first(seil: Seil) -> None:
    ids = []
    for _ in range(3):
        assert seil("load").code == 0
        ids.append(seil("runs", "list", "-n", "1", "--json").json["runs"][0]["run_id"])
    first = seil("runs", "list", "-n", "2", "--json").json
    assert [run["run_id"] for run in first["runs"]] == ids[:0:-1]
    second = seil("runs", "list", "--before", first["next"], "--json").json
    assert [run["run_id"] for run in second["runs"]] == ids[:1]
    assert seil("runs", "list", "--outcome", "error", "--json").json["runs"] == []
    assert seil("runs", "show", ids[0]).out.startswith(f"`seil load` {ids[0]}: success")


def test_a_run_whose_process_is_gone_has_died_in_its_step(seil: Seil) -> None:
    with Site(load_settings()) as site, site.runs.run("run", full=True) as run:
        with run.progress().step("extract Account") as step:
            step.advance(7)
        with run.progress().step("extract Contact"):
            record = site.state.runs.get(run.run_id)
            assert record
            with site.state.database.transaction() as transaction:
                dead = "UPDATE runs SET process_start = '1' WHERE run_id = :run_id"
                transaction.execute(dead, run_id=run.run_id)
            died = seil("runs", "show", run.run_id)
            report = seil("runs", "show", run.run_id, "--json").json
    assert "died       in extract Contact: its process is gone" in died.out
    assert "plan       full\n" in died.out
    assert max(map(len, died.out.splitlines())) <= 80
    assert [(a["about"], a["outcome"], a["done"]) for a in report["attempts"]] == [
        ("Account", "success", 7),
        ("Contact", "died", 0),
    ]
    assert report["run"]["plan"] == {"full": True}
    assert replace(record, process_start="1").has_died
    assert json.dumps(report)


def test_quiet_prints_no_lines_of_a_run_that_goes_well(seil: Seil) -> None:
    assert seil("build", "--quiet").err == ""


def test_an_empty_id_is_no_run(seil: Seil) -> None:
    assert seil("load").code == 0
    none = seil("runs", "show", "")
    assert (none.code, none.out) == (1, "there is no run ''. See `seil runs`\n")


def test_a_warehouse_that_is_gone_is_named_with_the_way_back(seil: Seil) -> None:
    assert seil("load").code == 0
    with Site(load_settings()) as site:
        with site.runs.run("load") as run:
            run.counts["loaded_rows"] = 1
        assert "gone" not in seil("status").out
        for file in site.own_paths:
            file.unlink() if file.suffix == ".duckdb" else None
    status = seil("status")
    assert status.code == 6
    assert status.out.startswith("Broken: the warehouse duckdb:")
    assert "Next: `seil rebuild`" in status.out
