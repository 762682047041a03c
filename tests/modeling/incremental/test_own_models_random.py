"""Models of one's own follow random changes as the packaged ones do."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from seil.catalog import load_catalog
from seil.sf_to_dw.site_models import site_models

Org = Any
FILES = {
    "large_orders.sql": """
        SELECT id, order_id, account_name, total_amount, sales_stage
        FROM sales_orders WHERE total_amount > 40""",
    "large_orders.yml": "key: [id]\ncolumns: [{name: id, tests: [not_null, unique]}]\n",
    "account_totals.sql": """
        SELECT account_name, count(*) AS orders, sum(total_amount) AS total_amount
        FROM sales_orders GROUP BY account_name""",
    "account_orders.sql": """
        SELECT a.id, a.name, count(o.id) AS orders FROM salesforce.account AS a
        LEFT JOIN salesforce."order" AS o ON o.accountid = a.id GROUP BY a.id, a.name""",
    "account_orders.yml": "key: [id]\ncolumns: [{name: id, tests: [not_null, unique]}]\n",
}
NAMES = ("account_orders", "account_totals", "large_orders")


def changed(random: Random) -> tuple[str, dict[str, Any]]:
    """A record of a table, as it becomes; accounts and opportunities come and go under orders."""
    table = random.choice(["order", "order", "order", "account", "opportunity"])
    record = {"id": f"{table}-{random.randrange(8)}", "isdeleted": random.random() < 0.2}
    if table == "order":
        record |= {
            "ordernumber": f"{random.randrange(100)}",
            "accountid": random.choice([None, "nowhere", *(f"account-{n}" for n in range(8))]),
            "opportunityid": random.choice([None, *(f"opportunity-{n}" for n in range(8))]),
            "totalamount": random.choice([None, random.randrange(100)]),
        }
    elif table == "account":
        record["name"] = random.choice(["Acme", "Best", "Coast", None])
    else:
        record["stagename"] = random.choice(["Won", "Lost", "Open"])
    return table, record


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.matrix)])
def test_own_models_equal_their_full_rebuild_through_random_changes(
    org: Org, tmp_path: Path, seed: int
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, "utf-8")
    org.models = site_models(load_catalog(), tmp_path)
    random, modes = Random(seed), set()
    for _ in range(40):
        for table, record in dict(changed(random) for _ in range(random.randrange(1, 4))).items():
            org.merge(table, [record])
        tables = org.built("sales_orders", *NAMES)
        assert all(table.is_built for table in tables.values())
        modes |= {(name, tables[name].mode) for name in NAMES}
        differing = org.differing("sales_orders", *NAMES)
        assert differing == {}
    assert ("account_orders", "incremental") in modes
    assert {("large_orders", "full"), ("large_orders", "unchanged")} <= modes
