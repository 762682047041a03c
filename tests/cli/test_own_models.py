"""docs/add-a-model.md, followed by its reader on a site of his own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

Seil = Any
PAGE = Path(__file__).parents[2] / "docs" / "add-a-model.md"


def blocks(language: str) -> list[str]:
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [text for name, text in fences if name == language]


@pytest.fixture
def own(home: Path) -> Path:
    """The page's model in a site without records."""
    (settings,) = blocks("toml")
    (home / "seil.toml").write_text(f'[salesforce]\nlogin_url = "http://127.0.0.1:9"\n{settings}')
    folder = home / "models"
    folder.mkdir()
    (folder / "account_totals.sql").write_text(blocks("sql")[0], "utf-8")
    (folder / "account_totals.yml").write_text(blocks("yaml")[0], "utf-8")
    return folder


def test_the_pages_model_is_built_queried_and_traced(seil: Seil, own: Path) -> None:
    built = seil("build", "--json")
    assert built.code == 0
    (table,) = [t for t in json.loads(built.out)["tables"] if t["table"] == "account_totals"]
    assert (table["state"], table["failures"]) == ("built", [])
    comment = "SELECT comment FROM duckdb_tables() WHERE table_name = 'account_totals'"
    assert "What each account has ordered." in seil("query", "--csv", comment).out
    traced = seil("lineage", "account_totals.total_amount").out
    (printed,) = [text for text in blocks("") if "$ seil lineage account_totals" in text]
    assert traced.strip() == printed.partition("account_totals.total_amount\n")[2].strip()
    assert "account_totals.total_amount" in seil("lineage", "--down", "Order.TotalAmount").out


def test_the_page_shows_the_error_of_a_replacement_without_a_column(seil: Seil, own: Path) -> None:
    (own / "sales_stages.sql").write_text("SELECT id AS opportunity_id FROM salesforce.opportunity")
    (block,) = [text for text in blocks("") if "which feed" in text]
    refused = seil("build")
    assert refused.code == 2
    assert block.strip() in refused.err


def test_a_table_whose_model_is_gone_is_named_until_it_is_dropped(seil: Seil, own: Path) -> None:
    assert seil("build").code == 0
    (own / "account_totals.sql").unlink()
    (own / "account_totals.yml").unlink()
    for _ in range(2):
        assert "account_totals: its model is gone" in seil("build").out
    assert seil("query", "--csv", "SELECT count(*) AS n FROM account_totals").out == "n\n0\n"
    assert "no model builds account_totals any more" in seil("doctor").out
    assert json.loads(seil("build", "--json").out)["removed"] == ["account_totals"]
    assert "its model is gone" not in seil("build", "--drop-removed").out
    assert seil("query", "SELECT * FROM account_totals").code == 2
    assert "any more" not in seil("doctor").out
