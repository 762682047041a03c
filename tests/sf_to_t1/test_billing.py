"""From an event to TechOne's table and the job's status."""

from __future__ import annotations

from collections import Counter

from tests.sf_to_t1.conftest import Billing

CSV = 'A,B\n1,"x, ""y"" & <z>"\n1,"x, ""y"" & <z>"\n2,"two\r\nlines"\n3,\n4,é\U0001f600\n'
ROWS = Counter(
    {("1", 'x, "y" & <z>'): 2, ("2", "two\r\nlines"): 1, ("3", ""): 1, ("4", "é\U0001f600"): 1}
)


def test_event_imports_each_row_once_and_the_job_gets_its_status(billing: Billing) -> None:
    event = billing.extract(CSV)
    report = billing.handle(event)
    assert report.problems == []
    assert billing.rows() == ROWS
    assert billing.job(event.job_id) == ("Received by TechOne", None)
    assert [file.row_count for file in report.files] == [5]
    sent = billing.imports
    again = billing.handle(event)
    assert (again.ok, billing.rows(), billing.imports) == (True, ROWS, sent)
