"""The reference pages say what the code does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seil.cli.answer_page import json_page
from seil.cli.reference import cli_page, configuration_page, sections, write
from seil.settings import load_settings

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("columns", ["40", "200"])
def test_cli_page_is_up_to_date(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert (DOCS / "cli.md").read_text("utf-8") == cli_page(), "run python -m seil.cli.reference"


def test_configuration_page_is_up_to_date() -> None:
    current = (DOCS / "configuration.md").read_text("utf-8")
    assert current == configuration_page(), "run python -m seil.cli.reference"


def test_json_page_is_up_to_date() -> None:
    assert (DOCS / "json.md").read_text("utf-8") == json_page(), "run python -m seil.cli.reference"


def test_pages_are_written_where_they_are_wanted(tmp_path: Path) -> None:
    write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cli.md",
        "configuration.md",
        "json.md",
    ]


def test_the_variables_named_are_those_that_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SEIL_")]:
        monkeypatch.delenv(name)
    values = {"duration": "7s", "number": "7", "true or false": "true", "secret": "env:X"}
    bounded = {
        "env": "x1",
        "project": "x1",
        "network_code": "7",
        "soap_version": "v202611",
        "body_limit": "2048",
        "idempotency_age": "7m",
        "functions": "gam=a",
        "sample": "0.5",
        "time_zone": "Europe/Paris",
        "memory": "1GB",
        "every": "run=7m",
        "schema_name": "marts",
        "location": "s3://tables/iceberg",
        "options": "a=b",
        "partition_by": "a=months(day)",
        "sort_by": "a=b",
        "secrets": "spark.sql.catalog.seil.token=env:X",
        "keep_outcomes": "7d",
        "keep_orphans": "7d",
        "namespace": "marts",
        "journal": "journal.sqlite",
        "proposal_id_field": "Proposal__c",
        "proposal_status_field": "Status__c",
        "delimiter": ";",
        "tables": '{"ledger": {"table": "GLDATA"}}',
    }
    for _, _, settings in sections():
        for setting in settings:
            choices = [word.strip("`, ") for word in setting.kind.split() if "`" in word]
            value = choices[-1] if choices else values.get(setting.kind, "62.0")
            value = bounded.get(setting.name, value)
            if setting.variable == "SEIL_STATE__URL":
                value = "sqlite:state.sqlite"
            monkeypatch.setenv(setting.variable, value)
    loaded = load_settings()
    assert loaded.env == "x1"
    assert loaded.extract.flows == 7
    assert loaded.salesforce.gzip is True
    assert loaded.salesforce.auth == "refresh_token"
