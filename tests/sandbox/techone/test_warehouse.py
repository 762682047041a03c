from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import zeep
from lxml import etree
from tests.limits import HANGS
from tests.sandbox.techone.conftest import AUTH, FUNCTION, REAL, Http, rows_request, soap_client

from seil.errors import ConfigurationError
from seil.sandbox.techone.options import TechOneOptions
from seil.sandbox.techone.server import TechOneServer
from seil.sandbox.techone.wsdl import PROBLEMS, SERVICES, Wsdl

_PORTS = ("E1WAR_ServicesSoap", "E1WAR_ServicesSoap12")
_V11 = "http://schemas.xmlsoap.org/soap/envelope/"
_V12 = "http://www.w3.org/2003/05/soap-envelope"
needs_real = pytest.mark.skipif(not REAL.exists(), reason="the real WSDL is not here")

Call = Callable[..., Any]


def calling(client: Any, port: str, server: TechOneServer) -> Any:
    binding = client.wsdl.services["E1WAR_Services"].ports[port].binding.name.text
    return client.create_service(binding, server.warehouse_url)


@pytest.fixture(scope="module")
def client(running: TechOneServer) -> Any:
    return soap_client(f"{running.warehouse_url}?wsdl")


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[TechOneServer]:
    with TechOneServer(
        tmp_path, options=TechOneOptions(keys={"SALESFORCE/ARDATA": "ID"})
    ) as server:
        yield server


@pytest.fixture
def keyed_import(keyed: TechOneServer, client: Any) -> Call:
    service = calling(client, _PORTS[0], keyed)
    return lambda *rows, **changed: service.Warehouse_DoImport(
        request=rows_request(list(rows), **changed)
    )


def errors_of(result: Any) -> list[str]:
    assert result["IsError"] == bool(result["Items"])
    return [item["Description"] for item in result["Items"]["ErrorItem"]] if result["Items"] else []


def raw(server: TechOneServer, message: str, **headers: str) -> httpx.Response:
    text = f'<e:Envelope xmlns:e="{_V11}"><e:Body>{message}</e:Body></e:Envelope>'
    sent = {
        "Content-Type": "text/xml",
        "SOAPAction": f'"{SERVICES}/Warehouse_DoImport"',
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return httpx.post(server.warehouse_url, content=text, headers=sent, timeout=HANGS)


def fault_of(answer: httpx.Response) -> str:
    document = etree.fromstring(answer.content)
    return str(document.findtext(".//faultstring") or document.findtext(f".//{{{_V12}}}Text"))


@pytest.mark.parametrize("port", _PORTS)
def test_rows_are_imported(client: Any, http: Http, port: str) -> None:
    service = calling(client, port, http.server)
    rows = ["1,plain", '2,"with, comma & <mark> ""quoted"""', '3,"two\nlines"', "4,"]
    table = {"WarehouseTableName": port}
    result = service.Warehouse_DoImport(request=rows_request(rows, **table))
    assert (result["IsError"], result["IsWarning"], errors_of(result)) == (False, False, [])
    assert http.rows(table=port) == [
        {"ID": "1", "NAME": "plain"},
        {"ID": "2", "NAME": 'with, comma & <mark> "quoted"'},
        {"ID": "3", "NAME": "two\nlines"},
        {"ID": "4", "NAME": ""},
    ]
    assert http.control("GET", "summary").json()["rows"][f"SALESFORCE/{port}"] == 4


@needs_real
@pytest.mark.parametrize("port", _PORTS)
def test_a_client_of_the_real_wsdl_imports(http: Http, port: str) -> None:
    service = calling(soap_client(REAL), port, http.server)
    table = {"WarehouseTableName": f"REAL{port}"}
    assert not service.Warehouse_DoImport(request=rows_request(["1,a"], **table))["IsError"]
    assert http.rows(table=f"REAL{port}") == [{"ID": "1", "NAME": "a"}]
    refused = service.Warehouse_DoImport(request=rows_request(["1,a,b"], **table))
    assert errors_of(refused) == ["Row 1: It has 3 values for 2 columns."]


@needs_real
@pytest.mark.parametrize("port", _PORTS)
@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("Warehouse_DoImport", rows_request(["1,a", '2,"b & <c>"'])),
        ("Warehouse_DoImport", {}),
        (
            "Warehouse_DoImport",
            {"Version": {"Major": 1, "Minor": 2, "Revision": 3, "Patch": 4}, "Rows": {}},
        ),
        (
            "Warehouse_DoRead",
            {
                "Auth": AUTH,
                "WarehouseName": "SALESFORCE",
                "RetrieveColumns": True,
                "Criteria": {"Criterion": [{"PropertyName": "ID", "OperatorCode": "="}]},
            },
        ),
        ("Warehouse_DoDelete", {"Auth": AUTH, "Criteria": {"Criterion": [{"Value": "1"}]}}),
    ],
)
def test_both_wsdls_make_the_same_requests(
    client: Any, port: str, operation: str, request_: dict[str, Any]
) -> None:
    messages = []
    for one in (client, soap_client(REAL)):
        service = one.bind("E1WAR_Services", port)
        message = one.create_message(service, operation, request=request_)
        action = one.wsdl.services["E1WAR_Services"].ports[port].binding.get(operation).soapaction
        messages.append((action, etree.tostring(message, method="c14n2")))
    assert messages[0] == messages[1]


@needs_real
def test_both_wsdls_describe_the_same_messages(client: Any) -> None:
    """Element by element: name, occurrence, type of what has no parts; the same for attributes."""
    real = soap_client(REAL)
    for operation in ("Import", "Read", "Delete"):
        for end in ("", "Response"):
            name = f"{{{SERVICES}}}Warehouse_Do{operation}{end}"
            assert shape(client.get_element(name)) == shape(real.get_element(name))


def shape(element: Any) -> Any:
    kind = element.type
    parts = [part for _, part in getattr(kind, "elements", [])]
    attributes = {
        name: (a.type.name, a.required, a.default) for name, a in getattr(kind, "attributes", [])
    }
    attributes.pop("ImportMode", None)
    leaf = kind.name if not parts and not attributes else None
    occurrence = (element.min_occurs, element.max_occurs, element.nillable)
    return (element.qname.text, occurrence, leaf, attributes, [shape(part) for part in parts])


@needs_real
def test_the_real_wsdl_can_be_served_and_validated_against(tmp_path: Path) -> None:
    with TechOneServer(tmp_path, options=TechOneOptions(wsdl=REAL)) as server:
        served = soap_client(f"{server.warehouse_url}?wsdl")
        result = served.service.Warehouse_DoImport(request=rows_request(["1,a"]))
        assert not result["IsError"]
        wrong = f'<Warehouse_DoImport xmlns="{SERVICES}"><other/></Warehouse_DoImport>'
        assert "other" in fault_of(raw(server, wrong))


@needs_real
def test_answers_are_as_the_real_wsdl_describes_them(running: TechOneServer) -> None:
    real, caller = Wsdl(REAL), soap_client(REAL)
    for body in (rows_request(["1,a"]), rows_request(["1"])):
        message = caller.create_message(caller.service, "Warehouse_DoImport", request=body)
        answer = httpx.post(
            running.warehouse_url,
            content=etree.tostring(message),
            headers={
                "Content-Type": "text/xml; charset=utf-8",
                "SOAPAction": f"{SERVICES}/Warehouse_DoImport",
            },
            timeout=HANGS,
        )
        assert answer.status_code == 200
        assert real.problem(etree.fromstring(answer.content)[0][0]) == ""
    assert PROBLEMS in real.problem(etree.fromstring(f"<x xmlns='{PROBLEMS}'/>"))


@pytest.mark.parametrize(
    ("rows", "changed", "text"),
    [
        (["1"], {}, "Row 1: It has 1 values for 2 columns."),
        (["1,a", "2,b,c"], {}, "Row 2: It has 3 values for 2 columns."),
        ([""], {}, "Row 1: It holds 0 records, not one."),
        (["1,a\n2,b"], {}, "Row 1: It holds 2 records, not one."),
        (['1,"a'], {}, "Row 1: It is not CSV"),
        (['1,"a"b'], {}, "Row 1: It is not CSV"),
        ([zeep.xsd.Nil], {}, "Row 1: It is nil."),
        ([], {}, "There are no rows."),
        (["1,a"], {"columns": "ID,ID"}, "A column is there twice."),
        (["1"], {"columns": ""}, "Columns are missing, or one has no name."),
        (["1,a"], {"Columns": None}, "Columns are missing, or one has no name."),
        (["1,a"], {"WarehouseName": ""}, "There is no table 'ARDATA' in ''."),
        (["1,a"], {"WarehouseTableName": None}, "There is no table '' in 'SALESFORCE'."),
        (["1,a"], {"Auth": None}, "The user, the password or the config is wrong."),
        (["1,a"], {"Auth": {**AUTH, "Password": "é"}}, "The user, the password or"),
        (["1,a"], {"Auth": {**AUTH, "UserId": ""}}, "The user, the password or"),
        (["1,a"], {"Auth": {**AUTH, "Config": "PROD"}}, "The user, the password or"),
        (["1,a"], {"Auth": {**AUTH, "FunctionName": "$E1.X"}}, "may not use function '$E1.X'"),
        (["1,a"], {"ImportMode": "UpdateMode"}, "has no key to update by"),
    ],
)
def test_requests_that_are_refused_leave_nothing(
    client: Any, http: Http, rows: list[str], changed: dict[str, Any], text: str
) -> None:
    before = http.control("GET", "summary").json()["rows"]
    result = client.service.Warehouse_DoImport(request=rows_request(rows, **changed))
    [message] = errors_of(result)
    assert text in message
    assert http.control("GET", "summary").json()["rows"] == before


def test_no_more_than_a_hundred_errors_are_reported(client: Any) -> None:
    result = client.service.Warehouse_DoImport(request=rows_request(["1"] * 150))
    assert len(errors_of(result)) == 100


def test_a_request_may_be_left_out(client: Any) -> None:
    assert errors_of(client.service.Warehouse_DoImport()) == ["There is no request."]


def test_without_a_key_rows_are_taken_twice(client: Any, http: Http) -> None:
    for _ in range(2):
        table = {"WarehouseTableName": "TWICE"}
        client.service.Warehouse_DoImport(request=rows_request(["1,a"], **table))
    assert len(http.rows(table="TWICE")) == 2


def test_a_key_is_taken_once(keyed: TechOneServer, keyed_import: Call) -> None:
    assert errors_of(keyed_import("1,a", "2,b")) == []
    assert errors_of(keyed_import("3,c", "2,x")) == ["Row 2: ID '2' is there already."]
    assert errors_of(keyed_import("4,d", "4,e")) == ["Row 2: ID '4' is there already."]
    assert [row["ID"] for row in Http(keyed).rows()] == ["1", "2"]
    assert errors_of(keyed_import("x", columns="NAME")) == ["The columns lack the key ID."]


def test_rows_are_updated_by_key(keyed: TechOneServer, keyed_import: Call) -> None:
    keyed_import("1,a", "2,b")
    assert errors_of(keyed_import("2,c", ImportMode="UpdateMode")) == []
    assert errors_of(keyed_import("3,c", ImportMode="UpdateMode")) == [
        "Row 1: ID '3' is not there."
    ]
    assert errors_of(keyed_import("1,z", "3,c", ImportMode="MixedMode")) == []
    names = {row["ID"]: row["NAME"] for row in Http(keyed).rows()}
    assert names == {"1": "z", "2": "c", "3": "c"}


def test_rows_are_read_and_deleted(keyed: TechOneServer, keyed_import: Call, client: Any) -> None:
    keyed_import("1,a", '2,"b,\nc"')
    service = calling(client, _PORTS[0], keyed)
    criteria = {
        "WarehouseName": "SALESFORCE",
        "WarehouseTableName": "ARDATA",
        "Auth": {**AUTH, "FunctionName": "$E1.READ"},
        "Criteria": {"Criterion": [{"PropertyName": "ID", "OperatorCode": "EQ", "Value": "2"}]},
    }
    table = service.Warehouse_DoRead(request={**criteria, "RetrieveColumns": True})
    assert [c["Name"] for c in table["Columns"]["ColumnInfo"]] == ["ID", "NAME"]
    assert [c["Unique"] for c in table["Columns"]["ColumnInfo"]] == [True, False]
    assert table["Rows"]["Row"] == ['2,"b,\nc"']
    assert errors_of(service.Warehouse_DoDelete(request=criteria)) == []
    assert [row["ID"] for row in Http(keyed).rows()] == ["1"]
    like = {"Criterion": [{"PropertyName": "ID", "OperatorCode": "LIKE"}]}
    read = {**criteria, "RetrieveColumns": False, "Criteria": like}
    refused = service.Warehouse_DoRead(request=read)
    assert errors_of(refused["Errors"]) == ["The stand-in knows no operator 'LIKE'."]
    everything = service.Warehouse_DoRead(request={**read, "Criteria": None})
    assert (everything["Columns"], everything["Rows"]["Row"]) == (None, ["1,a"])


_REQUEST = f'<Warehouse_DoImport xmlns="{SERVICES}"><request %s/></Warehouse_DoImport>'
_EMPTY = f'<Warehouse_DoImport xmlns="{SERVICES}"/>'


@pytest.mark.parametrize(
    ("message", "headers", "text"),
    [
        ("", {}, "The body has 0 messages, not one."),
        (_EMPTY * 2, {}, "The body has 2 messages, not one."),
        ("<", {}, "Server was unable to read request"),
        (
            _EMPTY,
            {"SOAPAction": '"x"'},
            "did not recognize the value of HTTP Header SOAPAction: x.",
        ),
        (_EMPTY, {"SOAPAction": ""}, "did not recognize the value of HTTP Header SOAPAction: ."),
        (
            _EMPTY,
            {"SOAPAction": f"{SERVICES}/Warehouse_DoRead"},
            "SOAPAction names Warehouse_DoRead",
        ),
        ("<Other/>", {}, "SOAPAction names Warehouse_DoImport, the message is Other."),
        ("<Warehouse_DoImport/>", {}, "not as the WSDL describes it"),
        (
            _REQUEST % 'Mode="x"',
            {},
            "attribute 'Mode'",
        ),
        (
            _REQUEST % 'ImportMode="x"',
            {},
            "ImportMode",
        ),
    ],
)
def test_messages_that_soap_refuses(
    running: TechOneServer, message: str, headers: dict[str, str], text: str
) -> None:
    answer = raw(running, message, **headers)
    assert answer.status_code == 500
    assert text in fault_of(answer)


def test_nothing_outside_the_message_is_read(running: TechOneServer, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("not for you")
    text = (
        f'<!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'
        f'<e:Envelope xmlns:e="{_V11}"><e:Body><x>&e;</x></e:Body></e:Envelope>'
    )
    answer = httpx.post(
        running.warehouse_url, content=text, headers={"Content-Type": "text/xml"}, timeout=HANGS
    )
    assert "document type is not allowed" in fault_of(answer)
    assert "not for you" not in answer.text


@pytest.mark.parametrize(
    ("action", "status"),
    [("", 200), (f'; action="{SERVICES}/Warehouse_DoImport"', 200), ('; action="x"', 400)],
)
def test_soap_12_names_its_action_in_the_content_type(
    running: TechOneServer, action: str, status: int
) -> None:
    answer = httpx.post(
        running.warehouse_url,
        content=f'<e:Envelope xmlns:e="{_V12}"><e:Body>{_EMPTY}</e:Body></e:Envelope>',
        headers={"Content-Type": f"application/soap+xml{action}"},
        timeout=HANGS,
    )
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("application/soap+xml")
    if status == 400:
        assert "SOAPAction: x." in fault_of(answer)


def test_a_version_in_the_others_clothes(running: TechOneServer) -> None:
    answer = raw(running, _EMPTY, Content_Type="application/soap+xml")
    assert "no envelope of http://www.w3.org/2003/05/soap-envelope" in fault_of(answer)
    assert raw(running, _EMPTY, Content_Type="application/json").status_code == 415
    assert httpx.get(running.warehouse_url, timeout=HANGS).status_code == 405


def test_function_names_are_case_sensitive(client: Any) -> None:
    result = client.service.Warehouse_DoImport(
        request=rows_request(["1,a"], Auth={**AUTH, "FunctionName": FUNCTION.lower()})
    )
    assert result["IsError"]


def described(schema: str) -> str:
    """A WSDL that has this schema, and nothing else."""
    return (
        '<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/"><w:types>'
        '<s:schema xmlns:s="http://www.w3.org/2001/XMLSchema" targetNamespace="a">'
        f"{schema}</s:schema></w:types></w:definitions>"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file or directory"),
        ("<a", "is no WSDL"),
        ("<a/>", "it has no types"),
        (described('<s:import namespace="b"/>'), "it imports b, which is not in it"),
        (described("<s:wrong/>"), "is no WSDL"),
        (
            described(""),
            "does not describe Warehouse_DoDelete, Warehouse_DoImport, Warehouse_DoRead",
        ),
    ],
)
def test_a_wsdl_that_is_none(tmp_path: Path, text: str | None, reason: str) -> None:
    file = tmp_path / "x.wsdl"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError, match=reason):
        TechOneServer(tmp_path / "state", options=TechOneOptions(wsdl=file)).start()
