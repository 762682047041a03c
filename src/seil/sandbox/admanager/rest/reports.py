"""Reports: created, run as a long-running operation (https://google.aip.dev/151), and paged.

A report's numbers of a line item and a day are the growth of the line item's stats on that day.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from seil.sandbox.admanager.clock import stamp
from seil.sandbox.admanager.delivery import DeliveredUnits, delivered_by_day, span
from seil.sandbox.admanager.errors import AdManagerApiError, invalid, not_found, required_error
from seil.sandbox.admanager.network import GamObject, SandboxNetwork, ident, public
from seil.sandbox.admanager.rest.checks import check_mask, check_resource, without_output
from seil.sandbox.admanager.rest.gateway import Request, RestOperation
from seil.sandbox.admanager.rest.lists import list_page, page_bounds, page_token
from seil.sandbox.admanager.rest.masks import apply_paths

_REPORT = "google.ads.admanager.v1.Report"
_DEFAULT_PAGE = 1_000
_LARGEST_PAGE = 10_000
_LONGEST = timedelta(days=3 * 366)
# Rows are stored in chunks, so that a page does not read all of them.
_ROWS, _CHUNK, _MOST_CHUNKS = "runRows", 1_000, 1_000_000
_RUN = re.compile(r"networks/\d+/operations/reports/runs/(\d{1,19})")
_RESULT = re.compile(r"(networks/\d+/reports/\d{1,19})/results/(\d{1,19})")

_DIMENSIONS: Mapping[str, Callable[[GamObject, GamObject, date], dict[str, Any]]] = {
    "LINE_ITEM_ID": lambda item, _order, _day: {"intValue": str(ident(item["name"]))},
    "LINE_ITEM_NAME": lambda item, _order, _day: {"stringValue": item["displayName"]},
    "ORDER_ID": lambda _item, order, _day: {"intValue": str(ident(order["name"]))},
    "ORDER_NAME": lambda _item, order, _day: {"stringValue": order["displayName"]},
    "DATE": lambda _item, _order, day: {"intValue": day.strftime("%Y%m%d")},
}
_METRICS: Mapping[str, Callable[[DeliveredUnits], dict[str, Any]]] = {
    "AD_SERVER_IMPRESSIONS": lambda delivery: {"intValue": str(delivery.impressions)},
    "AD_SERVER_CLICKS": lambda delivery: {"intValue": str(delivery.clicks)},
    "AD_SERVER_CTR": lambda delivery: {
        "doubleValue": delivery.clicks / delivery.impressions if delivery.impressions else 0.0
    },
}
_RELATIVE: Mapping[str, tuple[int, int]] = {
    "TODAY": (0, 0),
    "YESTERDAY": (-1, -1),
    "LAST_7_DAYS": (-7, -1),
    "LAST_30_DAYS": (-30, -1),
    "LAST_60_DAYS": (-60, -1),
    "LAST_90_DAYS": (-90, -1),
}
_FILTERED = ("LINE_ITEM_ID", "ORDER_ID")


class SandboxReports:
    def __init__(self, network: SandboxNetwork) -> None:
        self._network = network

    def operations(self) -> dict[str, RestOperation]:
        network = self._network
        return {
            "CreateReport": self._create,
            "UpdateReport": self._update,
            "GetReport": lambda request: public(network.get("reports", request["name"])),
            "ListReports": lambda request: list_page(
                request, network.store.all("reports"), message="Report", member="reports"
            ),
            "RunReport": self._run,
            "GetOperation": self._operation,
            "CancelOperation": self._cancel,
            "FetchReportResultRows": self._fetch,
        }

    def _create(self, request: Request) -> GamObject:
        resource = request["report"]
        check_resource(_REPORT, resource, at="report.")
        self._check(resource["reportDefinition"])
        name = self._network.new_name("reports")
        now = stamp(self._network.clock.now())
        report = {
            **without_output(_REPORT, resource),
            "name": name,
            "reportId": str(ident(name)),
            "createTime": now,
            "updateTime": now,
            "locale": "en-AU",
        }
        self._network.put("reports", report)
        return report

    def _update(self, request: Request) -> GamObject:
        resource = request["report"]
        report = self._network.get("reports", resource.get("name", ""))
        paths = request["updateMask"].split(",") if request.get("updateMask") else []
        check_mask(_REPORT, paths)
        whole = [name for name in without_output(_REPORT, resource) if name != "name"]
        after = apply_paths(report, resource, paths or whole)
        check_resource(_REPORT, after, at="report.")
        self._check(after["reportDefinition"])
        after["updateTime"] = stamp(self._network.clock.now())
        self._network.put("reports", after)
        return after

    def _check(self, definition: GamObject) -> None:
        """Refuses what the stand-in cannot report on."""
        path = "report.reportDefinition"
        if definition["reportType"] != "HISTORICAL":
            raise _unsupported_value(f"{path}.reportType", definition["reportType"])
        for member, existing in (("dimensions", _DIMENSIONS), ("metrics", _METRICS)):
            for name in definition.get(member, []):
                if name not in existing:
                    raise _unsupported_value(f"{path}.{member}", name)
        self._days(definition["dateRange"])
        list(_conditions(definition.get("filters", [])))

    def _days(self, period: GamObject) -> list[date]:
        field = "report.reportDefinition.dateRange"
        if fixed := period.get("fixed"):
            first, last = (_date(fixed.get(end), f"{field}.{end}") for end in _ENDS)
        else:
            relative = period.get("relative", "")
            if relative not in _RELATIVE:
                raise _unsupported_value(f"{field}.relative", relative)
            today = self._network.clock.now().astimezone(self._network.clock.zone).date()
            first, last = (today + timedelta(days=offset) for offset in _RELATIVE[relative])
        if last < first:
            message = "The end date is before the start date"
            raise _report_error("END_DATE_TIME_NOT_AFTER_START_TIME", message, field)
        if last - first > _LONGEST:
            message = "A report goes over three years at most"
            raise _report_error("INVALID_DATE", message, field)
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]

    def _run(self, request: Request) -> GamObject:
        """Computes the rows at once; `report_polls` sets how long it appears to run."""
        report = self._network.get("reports", request["name"])
        number = self._network.new_id("runs")
        days = self._days(report["reportDefinition"]["dateRange"])
        rows = list(self._rows(report["reportDefinition"], days))
        for at in range(0, len(rows), _CHUNK):
            body = {"rows": rows[at : at + _CHUNK]}
            self._network.store.put(_ROWS, _chunk_id(number, at), body)
        run = {
            "report": report["name"],
            "polls": self._network.options.report_polls,
            "time": stamp(self._network.clock.now()),
            "range": {"startDate": _parts(days[0]), "endDate": _parts(days[-1])},
            "count": len(rows),
        }
        self._network.store.put("runs", number, run)
        return self._long_operation(number, run, done=run["polls"] == 0)

    def _operation(self, request: Request) -> GamObject:
        number, run = self._find(request["name"])
        done = run["polls"] == 0
        if not done:
            run["polls"] -= 1
            self._network.store.put("runs", number, run)
        return self._long_operation(number, run, done=done)

    def _cancel(self, request: Request) -> GamObject:
        number, run = self._find(request["name"])
        if run["polls"]:
            self._network.store.put("runs", number, {**run, "polls": 0, "cancelled": True})
        return {}

    def _find(self, name: str) -> tuple[int, GamObject]:
        match = _RUN.fullmatch(name)
        run = self._network.store.get("runs", int(match.group(1))) if match else None
        if match is None or run is None:
            raise not_found(name)
        return int(match.group(1)), run

    def _long_operation(self, number: int, run: GamObject, *, done: bool) -> GamObject:
        polls = self._network.options.report_polls
        percent = 100 if done else int(100 * (1 - (run["polls"] + 1) / (polls + 2)))
        operation: GamObject = {
            "name": f"{self._network.parent}/operations/reports/runs/{number}",
            "metadata": {
                "@type": "type.googleapis.com/google.ads.admanager.v1.RunReportMetadata",
                "percentComplete": percent,
                "report": run["report"],
            },
            "done": done,
        }
        if done and run.get("cancelled"):
            operation["error"] = {"code": 1, "message": "The operation was cancelled"}
        elif done:
            operation["response"] = {
                "@type": "type.googleapis.com/google.ads.admanager.v1.RunReportResponse",
                "reportResult": f"{run['report']}/results/{number}",
            }
        return operation

    def _fetch(self, request: Request) -> GamObject:
        match = _RESULT.fullmatch(request.get("name", ""))
        run = self._network.store.get("runs", int(match.group(2))) if match else None
        if match is None or run is None or run["report"] != match.group(1) or run["polls"]:
            raise not_found(request.get("name", ""))
        start, end = page_bounds(request, default=_DEFAULT_PAGE, largest=_LARGEST_PAGE)
        count = int(run["count"])
        rows = self._stored_rows(int(match.group(2)), start, min(end, count))
        answer: GamObject = {"rows": rows, "runTime": run["time"]}
        if not request.get("pageToken"):
            answer |= {"totalRowCount": count, "dateRanges": [run["range"]]}
        if end < count:
            answer["nextPageToken"] = page_token(request, end)
        return answer

    def _stored_rows(self, run: int, start: int, end: int) -> list[GamObject]:
        first = start // _CHUNK * _CHUNK
        chunks = [
            self._network.store.get(_ROWS, _chunk_id(run, at)) or {"rows": []}
            for at in range(first, end, _CHUNK)
        ]
        return [row for chunk in chunks for row in chunk["rows"]][start - first : end - first]

    def _rows(self, definition: GamObject, days: list[date]) -> Iterator[GamObject]:
        """Summed over everything but the dimensions; without empty rows."""
        dimensions = definition.get("dimensions", [])
        conditions = list(_conditions(definition.get("filters", [])))
        sums: dict[str, tuple[list[GamObject], DeliveredUnits]] = {}
        for item, order, day, delivery in self._deliveries(days):
            if not all(condition(item) for condition in conditions):
                continue
            values = [_DIMENSIONS[name](item, order, day) for name in dimensions]
            before = sums.get(str(values), (values, DeliveredUnits(0, 0)))[1]
            total = DeliveredUnits(
                before.impressions + delivery.impressions, before.clicks + delivery.clicks
            )
            sums[str(values)] = (values, total)
        for values, total in sums.values():
            metrics = [_METRICS[name](total) for name in definition.get("metrics", [])]
            yield {"dimensionValues": values, "metricValueGroups": [{"primaryValues": metrics}]}

    def _deliveries(
        self, days: list[date]
    ) -> Iterator[tuple[GamObject, GamObject, date, DeliveredUnits]]:
        network, zone = self._network, self._network.clock.zone
        now = network.clock.now()
        orders: dict[str, GamObject] = {}
        for item in network.store.each("lineItems"):
            if (name := item["order"]) not in orders:
                orders[name] = network.get("orders", name)
            order = orders[name]
            start, end = (at.astimezone(zone).date() for at in span(item))
            on = (day for day in days if start <= day <= end)
            for day, delivery in delivered_by_day(item, on, now, zone):
                if delivery.impressions or delivery.clicks:
                    yield item, order, day, delivery


def _chunk_id(run: int, first_row: int) -> int:
    return run * _MOST_CHUNKS + first_row // _CHUNK


_ENDS = ("startDate", "endDate")


def _conditions(filters: list[GamObject]) -> Iterator[Callable[[GamObject], bool]]:
    """IN and NOT_IN conditions on line items and orders."""
    for number, entry in enumerate(filters):
        path = f"report.reportDefinition.filters[{number}]"
        inner = entry.get("fieldFilter", {})
        dimension = inner.get("field", {}).get("dimension", "")
        operation = inner.get("operation", "IN")
        if dimension not in _FILTERED or operation not in ("IN", "NOT_IN"):
            raise _unsupported_value(path, f"{dimension} {operation}".strip())
        yield _among(
            dimension, frozenset(_integers(inner.get("values", []))), inside=operation == "IN"
        )


def _among(
    dimension: str, requested: frozenset[int], *, inside: bool
) -> Callable[[GamObject], bool]:
    member = "name" if dimension == "LINE_ITEM_ID" else "order"
    return lambda item: (ident(item[member]) in requested) == inside


def _integers(values: list[GamObject]) -> Iterator[int]:
    for value in values:
        yield from map(int, value.get("intListValue", {}).get("values", []))
        if "intValue" in value:
            yield int(value["intValue"])


def _date(value: GamObject | None, field: str) -> date:
    if not value:
        raise required_error(field)
    try:
        return date(value.get("year", 0), value.get("month", 0), value.get("day", 0))
    except ValueError as error:
        raise invalid(f"{field}: {error}", field=field) from error


def _parts(day: date) -> dict[str, int]:
    return {"year": day.year, "month": day.month, "day": day.day}


def _report_error(reason: str, message: str, field: str) -> AdManagerApiError:
    return AdManagerApiError("INVALID_ARGUMENT", "ReportError", reason, message, field=field)


def _unsupported_value(field: str, value: str) -> AdManagerApiError:
    message = f"The stand-in has no reports with {value or 'nothing'} as {field}"
    return invalid(message, field=field, trigger=value)
