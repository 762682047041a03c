"""Reports: run as a long-running operation, rows streamed page by page."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from google.ads import admanager_v1

from seil.admanager.calls import SERVICE
from seil.admanager.rest.transport import Rest
from seil.deadline import remaining
from seil.errors import LoginError, RequestRejectedError, TooSlowError, UnexpectedAnswerError

_ROWS = 10_000
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 5.0
# A report that was archived, or whose owner is another service account.
_NOT_OURS = frozenset({"NOT_FOUND", "PERMISSION_DENIED"})


@dataclass(frozen=True)
class ReportRow:
    """Values by the requested names."""

    dimensions: dict[str, int | str | bool | float]
    metrics: dict[str, int | float]


class Reports:
    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def prepare(
        self,
        dimensions: Sequence[str],
        metrics: Sequence[str],
        days: tuple[date, date],
        *,
        name: str = "",
    ) -> str:
        """The name of a report with this definition: `name`, changed, or else a new one.

        The REST API cannot delete a report; who runs one every hour keeps its name.
        """
        definition = _definition(dimensions, metrics, days)
        if name.startswith(f"{self._rest.network}/"):
            report = {"name": name, "report_definition": definition}
            mask = {"paths": ["report_definition"]}
            try:
                self._rest.write("Report", "update_report", {"report": report, "update_mask": mask})
            except (RequestRejectedError, LoginError) as error:
                if error.code not in _NOT_OURS:
                    raise
            else:
                return name
        report = {
            "display_name": f"SEIL {uuid.uuid4()}",
            "visibility": "HIDDEN",
            "report_definition": definition,
        }
        request = {"parent": self._rest.network, "report": report}
        return str(self._rest.write("Report", "create_report", request).name)

    def rows(
        self, name: str, dimensions: Sequence[str], metrics: Sequence[str], *, seconds: float
    ) -> Iterator[ReportRow]:
        """Of a report with these columns. Raises TooSlowError if it is not ready in time."""
        result = self._run(name, seconds)
        for page in self._rest.pages(
            "Report", "fetch_report_result_rows", {"name": result, "page_size": _ROWS}
        ):
            for row in page.rows:
                yield _row(row, dimensions, metrics)

    def _run(self, report: str, seconds: float) -> str:
        """The name of the report's result."""
        deadline = time.monotonic() + seconds
        operation = self._rest.write("Report", "run_report", {"name": report}).operation
        pause = _FIRST_PAUSE
        while not operation.done:
            if time.monotonic() + pause > deadline or remaining(pause + 1) <= pause:
                raise TooSlowError(SERVICE, seconds)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            operation = self._rest.read("Report", "get_operation", {"name": operation.name})
        if operation.HasField("error"):
            code, reason = str(operation.error.code), operation.error.message
            raise RequestRejectedError(SERVICE, code, f"the report failed: {reason}", status=400)
        run_response = admanager_v1.RunReportResponse.pb(admanager_v1.RunReportResponse())
        if not operation.response.Unpack(run_response) or not run_response.report_result:
            raise UnexpectedAnswerError(SERVICE, "a finished report has no result")
        return str(run_response.report_result)


def _definition(
    dimensions: Sequence[str], metrics: Sequence[str], days: tuple[date, date]
) -> dict[str, Any]:
    start, end = ({"year": d.year, "month": d.month, "day": d.day} for d in days)
    return {
        "dimensions": list(dimensions),
        "metrics": list(metrics),
        "date_range": {"fixed": {"start_date": start, "end_date": end}},
        "report_type": "HISTORICAL",
        "time_zone_source": "PUBLISHER",
    }


def _row(row: Any, dimensions: Sequence[str], metrics: Sequence[str]) -> ReportRow:
    groups = row.metric_value_groups
    values = groups[0].primary_values if groups else ()
    if len(row.dimension_values) != len(dimensions) or len(values) != len(metrics):
        raise UnexpectedAnswerError(SERVICE, "a report row does not have the requested columns")
    return ReportRow(
        {name: _value(v) for name, v in zip(dimensions, row.dimension_values, strict=True)},
        {name: _value(v) for name, v in zip(metrics, values, strict=True)},
    )


def _value(value: Any) -> Any:
    report_value = type(value).pb(value)
    kind = report_value.WhichOneof("value")
    if kind is None:
        raise UnexpectedAnswerError(SERVICE, "a report's value is empty")
    return getattr(report_value, kind)
