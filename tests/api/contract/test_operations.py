from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from seil.api.contract import gam, techone
from seil.api.contract.operation import AnyOperation, Operation
from seil.techone.models import CreditRequest, RateRequest

OPERATIONS: list[AnyOperation] = [
    value
    for module in (gam, techone)
    for value in vars(module).values()
    if isinstance(value, Operation)
]


def test_operations_are_the_contracts() -> None:
    assert sorted(operation.name for operation in OPERATIONS if operation.effect) == [
        "gam.create-line-items",
        "gam.create-order",
        "gam.create-proposal",
        "gam.create-proposal-line-items",
        "gam.line-item-action",
        "gam.order-action",
        "gam.proposal-action",
        "gam.proposal-line-item-action",
        "gam.update-line-items",
        "gam.update-proposal",
        "gam.update-proposal-line-items",
    ]
    assert sorted(operation.name for operation in OPERATIONS if not operation.effect) == [
        "gam.forecast",
        "gam.get-line-items",
        "gam.get-order",
        "gam.get-proposal",
        "gam.get-proposal-line-items",
        "techone.credit",
        "techone.rate",
    ]


@pytest.mark.parametrize("number", ["ab", "a" * 11, "ab-1", "ab 1", "a\u00e91", "abc\n", ""])
def test_debtor_number_is_letters_and_digits(number: str) -> None:
    with pytest.raises(ValidationError, match="debtor_number"):
        CreditRequest.model_validate({"debtor_number": number})


def test_rate_takes_no_fields() -> None:
    RateRequest.model_validate({})
    with pytest.raises(ValidationError, match="bogus"):
        RateRequest.model_validate({"bogus": 1})


def test_contract_loads_none_of_the_clients() -> None:
    heavy = ("google", "googleads", "zeep", "lxml", "requests", "httpx", "boto3", "aiohttp")
    code = (
        "import sys, seil.admanager.client, seil.api.contract.gam, seil.api.contract.techone;"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_models_may_be_met_first_by_many_threads() -> None:
    """They are built when they are first used."""
    code = """
import sys, threading
sys.setswitchinterval(1e-6)
from seil.api.contract import gam
request = {"lineItems": [{"id": 1, "orderId": 2, "targeting": {"geoTargeting": {}}}]}
found, start = [], threading.Barrier(8)
def ask():
    start.wait()
    found.append(gam.UPDATE_LINE_ITEMS.request.model_validate(request).wire())
threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert found == [request] * 8, found
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
