"""What doctor says about billing."""

from __future__ import annotations

import pytest
from tests.sf_to_t1.conftest import Billing

from seil.app.doctor_billing import job_checks, uses_billing, warehouse_checks
from seil.settings import load_settings


def details(billing: Billing) -> list[tuple[str, str]]:
    with billing.open() as site:
        return [
            (check.state, check.detail) for check in (*warehouse_checks(site), *job_checks(site))
        ]


def test_table_and_job_are_fine(billing: Billing) -> None:
    billing.handle(billing.extract("A,B\n1,2\n"))
    (table, job) = details(billing)
    assert (table[0], table[1].startswith("can be read: 1 rows in ")) == ("ok", True)
    assert job == ("ok", "its status and message can be written")
    billing.configure('batch_column = "SEIL"')
    assert details(billing)[0] == ("ok", "can be read by SEIL")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("warehouse_url", "warehouse_user = 'x'\nwarehouse_url", "the password or the config"),
        ("/Warehouse.asmx", "/Nothing.asmx", "there is no /Nothing.asmx"),
        ("http://127.0.0.1", "http://127.0.0.1:1/#", "no connection"),
    ],
    ids=["user", "address", "connection"],
)
def test_what_is_missing_is_named(billing: Billing, old: str, new: str, reason: str) -> None:
    file = billing.folder / "seil.toml"
    head, rest = file.read_text().split("[techone]")
    file.write_text(f"{head}[techone]{rest.replace(old, new, 1)}")
    state, detail = details(billing)[0]
    assert (state, reason in detail) == ("fail", True)


def test_site_without_billing_is_left_alone(billing: Billing) -> None:
    (billing.folder / "seil.toml").write_text("")
    assert not uses_billing(load_settings())
    assert details(billing) == []
