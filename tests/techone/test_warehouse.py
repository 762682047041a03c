"""The SOAP client: its requests are those of the WSDL, its errors say what may have happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from lxml import etree
from tests.limits import HANGS, HELD
from tests.sandbox.techone.conftest import REAL, soap_client
from tests.techone.conftest import FarEnd

from seil.errors import (
    LoginError,
    RequestRejectedError,
    RetryError,
    SeilError,
    TooSlowError,
    UnavailableError,
    UnexpectedAnswerError,
)
from seil.sandbox.techone.faults import TechOneFault
from seil.sandbox.techone.server import TechOneServer
from seil.secret import Secret
from seil.settings import TechOneSettings
from seil.techone.envelope import (
    WarehouseAuth,
    WarehouseTable,
    import_request,
    parts,
    read_request,
)
from seil.techone.warehouse import TechOneWarehouse, pause_before_retry

TABLE = WarehouseTable("SALESFORCE", "CLIENT")
AUTH = WarehouseAuth('us"er', "p<a>&ss", "CONFIG", "$E1.X")
ROWS = ["1,plain", '2,"<&>\'\r\n\t ""q"""', "3,é\U0001f600", '" "']


def soap_settings(server: TechOneServer, **changed: Any) -> TechOneSettings:
    values = {"warehouse_url": server.warehouse_url, "attempts": 1, **changed}
    return TechOneSettings(**values)


@pytest.fixture
def client(running: TechOneServer) -> Iterator[TechOneWarehouse]:
    with TechOneWarehouse(soap_settings(running)) as opened:
        yield opened
    running.faults.clear()


def shape(element: Any) -> Any:
    """What XML says, whatever the prefixes."""
    parts = [shape(part) for part in element]
    return (element.tag, dict(element.attrib), element.text or "", parts)


def body_of(request: bytes) -> Any:
    return etree.fromstring(request)[0][0]


@pytest.fixture(scope="module")
def soap(running: TechOneServer) -> Any:
    return soap_client(REAL if REAL.exists() else f"{running.warehouse_url}?wsdl")


def test_requests_are_those_that_zeep_makes(soap: Any) -> None:
    auth = {
        "UserId": AUTH.user,
        "Password": AUTH.password,
        "Config": AUTH.config,
        "FunctionName": AUTH.function,
    }
    where = {"Auth": auth, "WarehouseName": TABLE.warehouse, "WarehouseTableName": TABLE.name}
    columns = {"ColumnInfo": [{"Name": "Id"}, {"Name": 'A "<b>"'}]}
    sent = {**where, "ImportMode": "InsertMode", "Columns": columns, "Rows": {"Row": ROWS}}
    message = soap.create_message(soap.service, "Warehouse_DoImport", request=sent)
    ours = import_request(TABLE, ["Id", 'A "<b>"'], ROWS, AUTH)
    assert shape(body_of(ours)) == shape(message[0][0])
    criterion = {"PropertyName": "Id", "OperatorCode": "=", "Value": "1 & 2"}
    read = {**where, "RetrieveColumns": True, "Criteria": {"Criterion": [criterion]}}
    message = soap.create_message(soap.service, "Warehouse_DoRead", request=read)
    tree = body_of(read_request(TABLE, {"Id": "1 & 2"}, AUTH))
    # zeep leaves nothing out; an attribute's default is the same as none.
    for element in message[0][0].iter():
        element.attrib.pop("Value2", None)
    assert shape(tree) == shape(message[0][0])


def test_rows_are_imported_and_read_back_exactly(
    client: TechOneWarehouse, running: TechOneServer
) -> None:
    assert client.import_rows(TABLE, ["Id", "Note"], ROWS[:3]) == []
    columns, rows = client.read(TABLE, {}, lambda names, rows: (list(names), list(rows)))
    assert columns == ["Id", "Note"]
    expected = [["1", "plain"], ["2", '<&>\'\r\n\t "q"'], ["3", "é\U0001f600"]]
    assert rows == expected
    assert client.read(TABLE, {"Id": "3"}, lambda _, rows: list(rows)) == expected[2:]
    assert client.read(TABLE, {"Id": "4"}, lambda _, rows: list(rows)) == []


def test_read_continues_to_the_end_when_its_consumer_stops(client: TechOneWarehouse) -> None:
    table = WarehouseTable("SALESFORCE", "CLIENT2")
    client.import_rows(table, ["Id"], ["1", "2", "3"])
    assert client.read(table, {}, lambda _, rows: next(rows)) == ["1"]


REFUSALS: dict[str, tuple[dict[str, Any], type[SeilError], str]] = {
    "password": ({"warehouse_password": Secret("plain:x")}, LoginError, "password or the config"),
    "function": ({"import_function": "$E1.Y"}, LoginError, "may not use function"),
    "address": ({"warehouse_url": "/Nothing.asmx"}, RequestRejectedError, "no /Nothing.asmx"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_are_by_kind(running: TechOneServer, case: str) -> None:
    changed, kind, reason = REFUSALS[case]
    if "warehouse_url" in changed:
        changed = {"warehouse_url": running.url + changed["warehouse_url"]}
    settings = soap_settings(running, **changed)
    with TechOneWarehouse(settings) as client, pytest.raises(kind, match=reason) as refused:
        client.import_rows(TABLE, ["Id", "Note"], ["1,x"])
    assert not refused.value.in_doubt


def test_refused_row_is_named_and_nothing_is_imported(client: TechOneWarehouse) -> None:
    table = WarehouseTable("SALESFORCE", "CLIENT3")
    with pytest.raises(RequestRejectedError, match="Row 2: It has 1 values for 2 columns"):
        client.import_rows(table, ["Id", "Note"], ["1,x", "2"])
    assert client.read(table, {}, lambda _, rows: list(rows)) == []


LOST: dict[str, tuple[dict[str, Any], type[SeilError], bool]] = {
    "reset after": ({"reset": "after"}, UnavailableError, True),
    "reset before": ({"reset": "before"}, UnavailableError, True),
    "unavailable": ({"status": 503}, UnavailableError, True),
    "throttled": ({"status": 429}, UnavailableError, False),
    "web page": ({"html": "<html><body>Sign in</body></html>"}, UnexpectedAnswerError, True),
    "other page": ({"html": "<p>not closed"}, UnexpectedAnswerError, True),
    "empty": ({"text": ""}, UnexpectedAnswerError, True),
    "other XML": ({"text": "<a/>"}, UnexpectedAnswerError, True),
    "truncated": ({"cut": 40}, RetryError, True),
    "doctype": ({"text": "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>"}, UnexpectedAnswerError, True),
}


@pytest.mark.parametrize("case", LOST)
def test_lost_answer_leaves_it_open_whether_rows_came(
    client: TechOneWarehouse, running: TechOneServer, case: str
) -> None:
    fault, kind, in_doubt = LOST[case]
    running.faults.add(TechOneFault.model_validate({"path": "(?i)warehouse", **fault}))
    with pytest.raises(kind) as lost:
        client.import_rows(TABLE, ["Id", "Note"], ["9,x"])
    assert lost.value.in_doubt == in_doubt


def test_no_connection_is_certain(unused_port: int) -> None:
    settings = TechOneSettings(warehouse_url=f"http://127.0.0.1:{unused_port}/x")
    with TechOneWarehouse(settings) as client, pytest.raises(UnavailableError) as refused:
        client.import_rows(TABLE, ["Id"], ["1"])
    assert not refused.value.in_doubt


def test_dripping_answer_ends_at_the_timeout(running: TechOneServer) -> None:
    fault = {"path": "(?i)warehouse", "drip": 1, "drip_delay": HELD}
    running.faults.add(TechOneFault.model_validate(fault))
    settings = soap_settings(running, import_timeout=timedelta(seconds=0.5))
    with TechOneWarehouse(settings) as client, pytest.raises(TooSlowError) as slow:
        client.import_rows(TABLE, ["Id", "Note"], ["9,x"])
    running.faults.clear()
    assert slow.value.in_doubt


def test_read_is_retried(running: TechOneServer) -> None:
    running.faults.add(
        TechOneFault.model_validate({"path": "(?i)warehouse", "status": 503, "times": 2})
    )
    pauses: list[float] = []
    settings = soap_settings(running, attempts=3, import_timeout=timedelta(seconds=HANGS))
    with TechOneWarehouse(settings, sleep=pauses.append) as client:
        table = WarehouseTable("SALESFORCE", "NOTHING")
        assert client.read(table, {}, lambda _, rows: list(rows)) == []
    assert len(pauses) == 2


def test_password_is_in_no_error(far_end: FarEnd) -> None:
    password = "s3cret<&>"
    answer = (
        "<r><Errors IsError='true'><ErrorItem ErrorCode='AUTH' "
        "Description='user x with s3cret&lt;&amp;&gt; is locked'/></Errors></r>"
    )
    far_end.answer = (200, answer.encode())
    settings = TechOneSettings(
        warehouse_url=f"{far_end.url}/x", warehouse_password=Secret(f"plain:{password}")
    )
    with TechOneWarehouse(settings) as client, pytest.raises(LoginError) as refused:
        client.import_rows(TABLE, ["Id"], ["1"])
    assert password not in str(refused.value)
    assert "user x with **** is locked" in str(refused.value)
    assert password not in repr(WarehouseAuth("u", password, "c", "f"))


def test_warnings_are_returned_and_many_errors_are_counted() -> None:
    def answer(state: str, count: int) -> bytes:
        items = "".join(f"<ErrorItem ErrorCode='W' Description='row {n}'/>" for n in range(count))
        return f"<r><Errors IsError='false' {state}='true'>{items}</Errors></r>".encode()

    kinds = [part.kind for part in parts([answer("IsWarning", 2)])]
    assert kinds == ["result", "error", "error"]


def test_pause_is_what_techone_asks_for_within_a_minute() -> None:
    asking = UnavailableError("TechOne", "busy", retry_after=7)
    assert pause_before_retry(asking, 2) == 7
    assert pause_before_retry(UnavailableError("TechOne", "busy", retry_after=9999), 2) == 60
    assert pause_before_retry(UnexpectedAnswerError("TechOne", "x"), 2) == 2
