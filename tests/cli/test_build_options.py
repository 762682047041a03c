"""`seil build --explain` and `--full`, from the command line to what is printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from seil.cli import reports
from seil.cli.frame import Call
from seil.modeling.plan import ModelPlan, SourceChange
from seil.warehouse import TableName

ACCOUNT = SourceChange(TableName("salesforce", "account"), 2)
PLANS = [
    ModelPlan("sales_orders", "incremental", "", (ACCOUNT,), 7),
    ModelPlan("products", "full", "it has not been built"),
]


def test_a_plan_says_what_changed_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    reports.show_build_plan(Call(), PLANS)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["sales_orders", "incremental", "7", "salesforce.account:", "2", "changed"]
    assert lines[2][:2] == ["products", "full"]
    assert " ".join(lines[2]).endswith("it has not been built")


def test_a_plan_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    reports.show_build_plan(call := Call(json=True), PLANS)
    call.release(0)
    first, second = json.loads(capsys.readouterr().out)["tables"]
    assert first["changed"] == [{"source": "salesforce.account", "rows": 2}]
    assert (first["mode"], first["keys"], second["keys"]) == ("incremental", 7, None)


def test_build_explains_builds_and_builds_anew(seil: Callable[..., Any]) -> None:
    explained = seil("build", "--explain")
    assert explained.code == 0
    assert "it has not been built" in explained.out
    assert seil("build").code == 0
    assert "nothing it reads has changed" in seil("build", "--explain").out
    assert "asked for" in seil("build", "--explain", "--full").out
    built = json.loads(seil("build", "--full", "--json").out)["tables"]
    assert {table["mode"] for table in built} == {"full"}
