"""The job of `seil.aws.spark_job`: it asks nothing of an engine, so that DuckDB serves here."""

from __future__ import annotations

import duckdb
import pytest
from tests.sites import Site

from seil.aws.spark_job import main

_WAREHOUSE = "SEIL_WAREHOUSE__URL"


def test_a_job_loads_curated_and_builds_the_tables(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that what the job sets is undone.
    monkeypatch.setenv(_WAREHOUSE, "")
    file = site.folder / "job.duckdb"
    config = str(site.folder / "seil.toml")
    main(["--seil-config", config, f"--{_WAREHOUSE}", f"duckdb:{file}", "--JOB_NAME", "nightly"])
    with duckdb.connect(str(file), read_only=True) as connection:
        loaded, built = connection.execute(
            "SELECT (SELECT count(*) FROM salesforce.account), (SELECT count(*) FROM seil.builds)"
        ).fetchall()[0]
    assert loaded == len(site.query("SELECT 1 FROM salesforce.account"))
    assert built
