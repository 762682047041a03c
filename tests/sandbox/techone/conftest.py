from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.limits import HANGS

from seil.sandbox.techone.server import TechOneServer

REAL = Path(__file__).parents[4] / "shared/real/techone/warehouse.wsdl"
FUNCTION = "$E1.BI.WHT.DOIMP.WS"
AUTH = {
    "UserId": "sandbox-user",
    "Password": "sandbox-password",
    "Config": "SANDBOX",
    "FunctionName": FUNCTION,
}


def soap_client(wsdl: str | Path) -> Any:
    """zeep, as anybody uses it."""
    import zeep

    return zeep.Client(str(wsdl))


def rows_request(rows: list[str], columns: str = "ID,NAME", **changed: Any) -> dict[str, Any]:
    """Of Warehouse_DoImport."""
    return {
        "WarehouseName": "SALESFORCE",
        "WarehouseTableName": "ARDATA",
        "ImportMode": "InsertMode",
        "Auth": AUTH,
        "Columns": {"ColumnInfo": [{"Name": name} for name in columns.split(",")]},
        "Rows": {"Row": rows},
        **changed,
    }


@dataclass
class Http:
    """A client that has logged in."""

    server: TechOneServer
    token: str = ""

    def login(self) -> None:
        answer = httpx.post(
            self.server.token_url,
            data={"grant_type": "client_credentials"},
            auth=("seil-sandbox", "sandbox-secret"),
            timeout=HANGS,
        )
        self.token = answer.json()["access_token"]

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return httpx.request(method, f"{self.server.url}{path}", headers=headers, **options)

    def rate(self, **options: Any) -> httpx.Response:
        return self.request("GET", self.server.options.rate_path, **options)

    def credit(self, body: Any) -> httpx.Response:
        return self.request("POST", self.server.options.credit_path, json=body)

    def control(self, method: str, path: str, **options: Any) -> httpx.Response:
        return httpx.request(method, f"{self.server.url}/control/{path}", **options)

    def rows(self, warehouse: str = "SALESFORCE", table: str = "ARDATA") -> list[dict[str, str]]:
        params = {"warehouse": warehouse, "table": table}
        stored: list[dict[str, str]] = self.control("GET", "rows", params=params).json()
        return stored


def logged_in(server: TechOneServer) -> Http:
    http = Http(server)
    http.login()
    return http


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TechOneServer]:
    with TechOneServer(tmp_path_factory.mktemp("techone")) as server:
        yield server


@pytest.fixture
def http(running: TechOneServer) -> Iterator[Http]:
    yield logged_in(running)
    running.faults.clear()
