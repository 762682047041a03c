"""The API in one process, as it stops."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
from tests.api.deployments import StandIns, local_settings, served
from tests.limits import HANGS, LATER, until

from seil.sandbox.admanager.faults import AdManagerFault
from seil.sandbox.admanager.seed import ADVERTISER_ID, TRAFFICKER_ID
from seil.sandbox.admanager.server import AdManagerServer
from seil.settings import ApiSettings

ORDER = {"name": "Summer", "advertiserId": ADVERTISER_ID, "traffickerId": TRAFFICKER_ID}


def test_stop_keeps_the_outcome_of_a_call_that_nobody_waits_for_any_more(tmp_path: Path) -> None:
    slow = AdManagerFault(method="POST", path="orders", delay=LATER)
    with AdManagerServer(tmp_path / "admanager", faults=(slow,)) as s:
        far_ends = StandIns(s.url, "http://127.0.0.1:9", s.service_account_key, s.network_code)
        with ThreadPoolExecutor(1) as caller:
            with served(local_settings(tmp_path, far_ends), grace=1) as url:
                call = caller.submit(_ordered, url)
                until(lambda: _request(tmp_path))
            answer = call.result()

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (502, "EC50206")
    assert answer.headers["X-Correlation-Id"] == answer.json()["correlationId"]
    state, outcome = _request(tmp_path) or ("", "")
    assert (state, json.loads(outcome)["data"]["name"]) == ("done", "Summer")


def _ordered(url: str) -> httpx.Response:
    secret = ApiSettings().client_id, ApiSettings().client_secret.reveal()
    form = {"grant_type": "client_credentials"}
    token = httpx.post(f"{url}/oauth2/token", data=form, auth=secret, timeout=HANGS).json()[
        "access_token"
    ]
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k-1"}
    body = {"orders": [ORDER]}
    return httpx.post(f"{url}/v1/gam/order", json=body, headers=headers, timeout=HANGS)


def _request(folder: Path) -> tuple[str, str] | None:
    with closing(sqlite3.connect(folder / "api" / "requests.sqlite")) as database:
        row: tuple[str, str] | None = database.execute(
            "select state, answer from request"
        ).fetchone()
        return row
