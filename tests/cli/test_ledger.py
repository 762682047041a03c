"""How the rows of the ledger are printed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from seil.app.documents.base import to_json
from seil.app.documents.steps import RunDocument
from seil.cli.ledger import show_ledger
from seil.modeling.build import BuildReport
from seil.sf_to_dw.extract.extractor import ExtractReport
from seil.sf_to_dw.ingest.ingestor import IngestReport
from seil.sf_to_dw.load.loader import LoadReport
from seil.sf_to_dw.pipeline import RunReport
from seil.warehouse.bookkeeping import LedgerRow

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LONG = "acme_billing__Subscription_Product_Feature_Configuration_Item__c"
ROW = LedgerRow(
    LONG, "run-1", "deletions", None, NOON, 10**6, 10**6, 10**6, 0, 10**6, balanced=True
)


@pytest.mark.parametrize(
    "count", [0, 10**6, 10**9], ids=["nothing", "a million", "a thousand millions"]
)
def test_rows_of_long_names_fit_a_terminal(capsys: pytest.CaptureFixture[str], count: int) -> None:
    show_ledger(
        [replace(ROW, reported=count, landed=count, merged=count), replace(ROW, object="A")]
    )
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    name = lines[1].split()[0]
    assert ".." in name
    assert name.endswith("Item__c")
    assert lines[2].split()[0] == "A"


def test_a_name_that_fits_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    name = "SBQQ__SubscriptionProductFeature__c"
    show_ledger([replace(ROW, object=name, reported=5, landed=5, merged=5)])
    assert capsys.readouterr().out.splitlines()[1].split()[0] == name


def test_json_has_the_whole_name() -> None:
    report = RunReport(
        ExtractReport([]), IngestReport([]), LoadReport(()), BuildReport("b", ()), [ROW]
    )
    document = json.loads(to_json(RunDocument.of(report)))
    assert [row["object"] for row in document["ledger"]] == [LONG]
