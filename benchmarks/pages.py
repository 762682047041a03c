"""Result pages rendered ahead of time: one file of CSV lines, and where each page is in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.org import base_org
from seil.catalog.fields import describe_field, packaged_fields
from seil.salesforce.schema import parse_describe
from seil.sandbox.salesforce.csv_text import Dialect, LineFile, line_sql
from seil.sandbox.salesforce.store import OrgStore
from seil.sandbox.salesforce.translate import SelectedColumn

_OFFSET = 8
_ID = "'{}' || lpad(CAST({} AS VARCHAR), 15, '0')"
# A table of 25 columns of the usual kinds: name, type, and the value of row i.
_NARROW: Sequence[tuple[str, str, str]] = (
    ("Id", "id", _ID.format("001", "i")),
    ("IsDeleted", "boolean", "i % 97 = 0"),
    ("Name", "string", "'Account ' || i || CASE i % 50 WHEN 0 THEN ', \"Pty\" Ltd' ELSE '' END"),
    ("OwnerId", "reference", _ID.format("005", "i % 500")),
    ("ParentId", "reference", f"CASE WHEN i % 3 = 0 THEN {_ID.format('001', 'i // 3')} END"),
    ("RecordTypeId", "reference", _ID.format("012", "i % 4")),
    ("Type", "picklist", "['Advertiser', 'Agency', 'Direct', 'Programmatic'][1 + i % 4]"),
    ("Industry", "picklist", "CASE WHEN i % 5 > 0 THEN 'Industry ' || i % 31 END"),
    ("BillingStreet", "textarea", "i % 900 || ' Long Street' || chr(10) || 'Level ' || i % 40"),
    ("BillingCity", "string", "'City ' || i % 811"),
    ("BillingPostalCode", "string", "lpad(CAST(i % 9999 AS VARCHAR), 5, '0')"),
    ("BillingCountry", "string", "'Australia'"),
    ("Phone", "phone", "'+61 2 ' || 10000000 + i % 89999999"),
    ("Website", "url", "'https://www.example.com/accounts/' || i"),
    ("Description", "textarea", "CASE WHEN i % 4 = 0 THEN repeat('Spends on sport. ', 3) END"),
    ("AnnualRevenue", "currency", "CAST(i * 37 % 100000000 AS DECIMAL(18, 2)) / 100"),
    ("Budget__c", "currency", "CASE WHEN i % 2 = 0 THEN CAST(i % 7919 AS DECIMAL(18, 2)) END"),
    ("Discount__c", "percent", "CAST(i % 10000 AS DECIMAL(18, 2)) / 100"),
    ("NumberOfEmployees", "int", "i % 20000"),
    ("Impressions__c", "double", "CAST(i * 7 AS DECIMAL(18, 2)) / 4"),
    ("Start__c", "date", "DATE '2020-01-01' + CAST(i % 2000 AS INTEGER)"),
    ("CreatedDate", "datetime", "TIMESTAMP '2023-01-01' + to_seconds(i)"),
    ("LastModifiedDate", "datetime", "TIMESTAMP '2024-01-01' + to_seconds(i)"),
    ("LastModifiedById", "reference", _ID.format("005", "i % 77")),
    ("SystemModstamp", "datetime", "TIMESTAMP '2024-01-01' + to_milliseconds(i * 1001)"),
)


def narrow_pages(folder: Path, rows: int, page_rows: int) -> Path:
    """Accounts of 25 columns."""
    fields = [describe_field(name, kind) for name, kind, _ in _NARROW]
    columns = [SelectedColumn((name,), kind, f"({value})") for name, kind, value in _NARROW]
    lines = LineFile(folder / "body", folder / "index")
    folder.mkdir(parents=True)
    source = f"SELECT {line_sql(columns, Dialect())} FROM range({rows}) AS t(i)"
    lines.write(duckdb.execute(source))
    return _manifest(folder, "Account", fields, lines=lines, size=(rows, page_rows, 1))


def wide_pages(folder: Path, rows: int, page_rows: int, work: Path) -> Path:
    """Order products with all their columns, as the stand-in makes them, over and over."""
    fields = [field for field in packaged_fields("OrderItem") if field["type"] != "address"]
    lines = LineFile(folder / "body", folder / "index")
    folder.mkdir(parents=True)
    names = [field.name for field in parse_describe({"name": "", "fields": fields}).fields]
    with OrgStore.open(base_org(work)) as store:
        described = {field.name: field for field in store.object("OrderItem").fields}
        columns = [SelectedColumn((name,), described[name].type, f'"{name}"') for name in names]
        made = lines.write(
            store.cursor().execute(f'SELECT {line_sql(columns, Dialect())} FROM main."OrderItem"')
        )
    times = max(1, -(-rows // made))
    return _manifest(folder, "OrderItem", fields, lines=lines, size=(made, page_rows, times))


def _manifest(
    folder: Path,
    name: str,
    fields: Sequence[dict[str, Any]],
    *,
    lines: LineFile,
    size: tuple[int, int, int],
) -> Path:
    """`size`: rows in the file, rows of a page, and how often the file is served."""
    rows, page_rows, times = size
    wanted = parse_describe({"name": name, "fields": fields}).fields
    header = Dialect().line(field.name for field in wanted)
    index = lines.index.read_bytes()

    def offset(row: int) -> int:
        return int.from_bytes(index[row * _OFFSET : (row + 1) * _OFFSET], "little")

    once = [
        (offset(first), offset(min(first + page_rows, rows)), min(page_rows, rows - first))
        for first in range(0, rows, page_rows)
    ]
    manifest = {
        "describe": {"name": name, "fields": list(fields)},
        "header": header,
        "body": str(lines.body),
        "pages": once * times,
    }
    file = folder / "manifest.json"
    file.write_text(json.dumps(manifest))
    return file
