"""Billing files that lie in S3."""

from __future__ import annotations

from tests.lake.conftest import service
from tests.lake.fake_s3 import FakeS3
from tests.sf_to_t1.conftest import Billing
from tests.sf_to_t1.test_billing import CSV, ROWS

from seil.app import billing as flow

__all__ = ["service"]
URL = "s3://extracts/2026/lines one.csv"


def imported(billing: Billing) -> tuple[str, str]:
    """State and reason of the file, after a run that names it."""
    with billing.open() as site:
        (file,) = flow.import_files(site, [URL]).files
    return file.state, file.reason


def test_file_of_s3_is_imported_once(billing: Billing, service: FakeS3) -> None:
    service.objects["2026/lines one.csv"] = CSV.encode()
    assert imported(billing) == ("imported", "")
    sent = billing.imports
    assert imported(billing) == ("imported", "")
    assert (billing.rows(), billing.imports) == (ROWS, sent)


def test_file_that_s3_lacks_fails_and_is_imported_once_it_is_there(
    billing: Billing, service: FakeS3
) -> None:
    state, reason = imported(billing)
    assert (state, URL in reason) == ("failed", True)
    service.objects["2026/lines one.csv"] = CSV.encode()
    assert imported(billing) == ("imported", "")
    assert billing.rows() == ROWS
