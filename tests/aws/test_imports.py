"""What a function loads before its first event: its start is paid for by somebody who waits."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.limits import HANGS

# Loaded when the first call needs them, or never.
HEAVY = (
    "aiohttp",
    "boto3",
    "botocore",
    "duckdb",
    "google.ads.admanager_v1",
    "google.api_core",
    "google.auth",
    "googleads",
    "grpc",
    "lxml",
    "opentelemetry.sdk",
    "pyarrow",
    "requests",
    "simple_salesforce",
    "sqlglot",
    "typer",
    "uvicorn",
    "zeep",
)
EDGE = ("cryptography", "fastapi", "jwt", "mangum", "starlette")


def loaded(module: str) -> set[str]:
    code = (
        f"import json, sys; before = set(sys.modules); import {module};"
        " print(json.dumps(list(set(sys.modules) - before)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=HANGS
    )
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("module", "unwanted", "most"),
    [
        ("gam_router", (*HEAVY, "httpx", "seil.techone"), 521),
        ("tech1_router", (*HEAVY, "httpx", "seil.admanager"), 512),
        ("gam_client", (*HEAVY, *EDGE, "httpx", "seil.techone"), 265),
        ("tech1_client", (*HEAVY, *EDGE, "seil.admanager"), 425),
    ],
)
def test_handler_loads_no_more_than_its_budget(
    module: str, unwanted: tuple[str, ...], most: int
) -> None:
    modules = loaded(f"seil.aws.{module}")
    assert not modules & set(unwanted)
    assert len(modules) <= most
