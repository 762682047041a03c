"""Records written over the stand-in org's REST API, as those of other systems arrive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from tests.limits import HANGS

_CLIENT = {
    "grant_type": "client_credentials",
    "client_id": "seil-sandbox",
    "client_secret": "sandbox-secret",
}


def write(url: str, method: str, path: str, values: Mapping[str, Any] | None = None) -> Any:
    """`path` is an object's name, for all but POST with what names the record behind it."""
    with httpx.Client(base_url=url, timeout=HANGS, trust_env=False) as client:
        token = client.post("/services/oauth2/token", data=_CLIENT).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        path = f"/services/data/v66.0/sobjects/{path}"
        answer = client.request(method, path, json=values, headers=headers)
    answer.raise_for_status()
    return answer.json() if answer.content else None
