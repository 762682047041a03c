"""The warehouse's tables, and the three operations on them.

A request is atomic: an error in one row rejects all of its rows.
"""

from __future__ import annotations

import csv
import hmac
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lxml import etree

from seil.sandbox.techone.options import TechOneOptions
from seil.sandbox.techone.soap import TechOneOperation
from seil.sandbox.techone.store import TechOneStore
from seil.sandbox.techone.wsdl import PROBLEMS, SERVICES

IMPORT_FUNCTION = "$E1.BI.WHT.DOIMP.WS"
_MOST_ERRORS = 100
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_EQUALS = ("=", "EQ")

ImportRow = Mapping[str, str]


@dataclass(frozen=True)
class _Fault:
    code: str
    text: str


class _WrongError(Exception):
    def __init__(self, *faults: _Fault) -> None:
        super().__init__("; ".join(wrong.text for wrong in faults))
        self.faults = faults


class WarehouseService:
    def __init__(self, store: TechOneStore, options: TechOneOptions) -> None:
        self._store = store
        self._login = options.login
        self._keys = options.keys

    def operations(self) -> dict[str, TechOneOperation]:
        return {
            "Warehouse_DoImport": lambda request: self._result_of("Warehouse_DoImport", request),
            "Warehouse_DoRead": lambda request: self._result_of("Warehouse_DoRead", request),
            "Warehouse_DoDelete": lambda request: self._result_of("Warehouse_DoDelete", request),
        }

    def _result_of(self, name: str, request: Any) -> Any:
        element = etree.Element(f"{{{SERVICES}}}{name}Result")
        carried_out = {
            "Warehouse_DoImport": self._import_rows,
            "Warehouse_DoRead": self._read,
            "Warehouse_DoDelete": self._delete_rows,
        }[name]
        errors = etree.SubElement(element, f"{{{SERVICES}}}Errors", nsmap={None: SERVICES})
        try:
            with self._store.transaction():
                table = self._check_login(name, request)
                element.extend(carried_out(table, request))
            _write_errors(errors, ())
        except _WrongError as error:
            _write_errors(errors, error.faults)
        return element

    def _check_login(self, name: str, request: Any) -> str:
        """The request's table. Raises a fault for a wrong login."""
        if request is None:
            raise _WrongError(_Fault("REQUEST", "There is no request."))
        auth = request.find(f"{{{SERVICES}}}Auth")
        credentials = {} if auth is None else dict(auth.attrib)
        login = self._login
        expected = {"UserId": login.user, "Password": login.password, "Config": login.config}
        if not all(
            hmac.compare_digest(credentials.get(part, "").encode(), value.encode())
            for part, value in expected.items()
        ):
            raise _WrongError(_Fault("AUTH", "The user, the password or the config is wrong."))
        function = credentials.get("FunctionName", "")
        if not function or (name == "Warehouse_DoImport" and function != IMPORT_FUNCTION):
            raise _WrongError(_Fault("FUNCTION", f"The user may not use function {function!r}."))
        warehouse, table = request.get("WarehouseName", ""), request.get("WarehouseTableName", "")
        if not warehouse or not table or "/" in warehouse + table:
            raise _WrongError(_Fault("TABLE", f"There is no table {table!r} in {warehouse!r}."))
        return f"{warehouse}/{table}"

    def _import_rows(self, table: str, request: Any) -> list[Any]:
        columns = _columns(request)
        mode = request.get("ImportMode", "MixedMode")
        key = self._keys.get(table)
        if key and key not in columns:
            raise _WrongError(_Fault("KEY", f"The columns lack the key {key}."))
        if not key and mode == "UpdateMode":
            raise _WrongError(_Fault("KEY", f"{table} has no key to update by."))
        wrong: list[_Fault] = []
        for number, row in enumerate(_rows(request), 1):
            try:
                self._import_row(table, key, _values(row, columns), mode)
            except _WrongError as error:
                wrong += [_Fault(w.code, f"Row {number}: {w.text}") for w in error.faults]
        if wrong:
            raise _WrongError(*wrong)
        return []

    def _import_row(self, table: str, key: str | None, row: ImportRow, mode: str) -> None:
        value = row[key] if key else None
        current = None if value is None else self._store.row_by_key(table, value)
        if current and mode == "InsertMode":
            raise _WrongError(_Fault("DUPLICATE", f"{key} {value!r} is there already."))
        if current:
            self._store.change_row(current[0], {**current[1], **row})
        elif mode == "UpdateMode":
            raise _WrongError(_Fault("MISSING", f"{key} {value!r} is not there."))
        else:
            self._store.add_row(table, value, row)

    def _read(self, table: str, request: Any) -> list[Any]:
        records = [row for _, row in self._matching(table, request)]
        names = list(dict.fromkeys(name for row in records for name in row))
        answered = []
        if request.get("RetrieveColumns") in ("true", "1"):
            answered.append(self._read_answer(table, names, records))
        rows = etree.Element(f"{{{SERVICES}}}Rows")
        for row in records:
            line = etree.SubElement(rows, f"{{{SERVICES}}}Row")
            line.text = _csv([row.get(name, "") for name in names])
        return [*answered, rows]

    def _read_answer(self, table: str, names: list[str], rows: list[dict[str, str]]) -> Any:
        columns = etree.Element(f"{{{SERVICES}}}Columns")
        for index, name in enumerate(names):
            longest = max((len(row.get(name, "")) for row in rows), default=0)
            is_key = name == self._keys.get(table)
            etree.SubElement(
                columns,
                f"{{{SERVICES}}}ColumnInfo",
                Index=str(index),
                Name=name,
                Type="String",
                MaxLength=str(longest),
                Unique=str(is_key).lower(),
                Nullable=str(not is_key).lower(),
            )
        return columns

    def _delete_rows(self, table: str, request: Any) -> list[Any]:
        for number, _ in self._matching(table, request):
            self._store.remove_row(number)
        return []

    def _matching(self, table: str, request: Any) -> list[tuple[int, dict[str, str]]]:
        criteria = dict(_criteria(request))
        return [
            (number, row)
            for number, row in self._store.rows(table)
            if all(row.get(name) == value for name, value in criteria.items())
        ]


def _columns(request: Any) -> list[str]:
    names = [
        column.get("Name", "")
        for column in request.iterfind(f"{{{SERVICES}}}Columns/{{{SERVICES}}}ColumnInfo")
    ]
    if not names or not all(names):
        raise _WrongError(_Fault("COLUMNS", "Columns are missing, or one has no name."))
    if len(set(names)) < len(names):
        raise _WrongError(_Fault("COLUMNS", "A column is there twice."))
    return names


def _rows(request: Any) -> list[Any]:
    rows: list[Any] = request.findall(f"{{{SERVICES}}}Rows/{{{SERVICES}}}Row")
    if not rows:
        raise _WrongError(_Fault("ROWS", "There are no rows."))
    return rows


def _values(row: Any, columns: list[str]) -> ImportRow:
    """A row is one record of CSV (RFC 4180)."""
    if row.get(_NIL) in ("true", "1"):
        raise _WrongError(_Fault("ROW", "It is nil."))
    try:
        records = list(csv.reader(io.StringIO(row.text or "", newline=""), strict=True))
    except csv.Error as error:
        raise _WrongError(_Fault("ROW", f"It is not CSV: {error}.")) from error
    if len(records) != 1:
        raise _WrongError(_Fault("ROW", f"It holds {len(records)} records, not one."))
    if len(records[0]) != len(columns):
        text = f"It has {len(records[0])} values for {len(columns)} columns."
        raise _WrongError(_Fault("ROW", text))
    return dict(zip(columns, records[0], strict=True))


def _csv(values: list[str]) -> str:
    text = io.StringIO()
    # With a line end, line ends in values are quoted.
    csv.writer(text, lineterminator="\r\n").writerow(values)
    return text.getvalue().removesuffix("\r\n")


def _criteria(request: Any) -> Iterator[tuple[str, str]]:
    for criterion in request.iterfind(f"{{{SERVICES}}}Criteria/{{{SERVICES}}}Criterion"):
        operator = criterion.get("OperatorCode", "")
        if operator.upper() not in _EQUALS or not criterion.get("PropertyName"):
            raise _WrongError(_Fault("CRITERIA", f"The stand-in knows no operator {operator!r}."))
        yield criterion.get("PropertyName"), criterion.get("Value", "")


def _write_errors(errors: Any, faults: tuple[_Fault, ...]) -> None:
    errors.set("IsError", str(bool(faults)).lower())
    errors.set("IsWarning", "false")
    if not faults:
        return
    items = etree.SubElement(errors, f"{{{PROBLEMS}}}Items", nsmap={None: PROBLEMS})
    for wrong in faults[:_MOST_ERRORS]:
        etree.SubElement(
            items,
            f"{{{PROBLEMS}}}ErrorItem",
            ErrorType="Error",
            ErrorCode=wrong.code,
            Description=wrong.text,
            ShortDescription=wrong.text.partition(":")[0],
        )
