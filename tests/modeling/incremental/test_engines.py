"""The property of test_incremental_hypothesis on other engines: few changes, one after another."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import nullcontext
from io import BytesIO
from typing import Any

import pytest
from tests.modeling.incremental.conftest import Org
from tests.modeling.incremental.test_incremental_hypothesis import (
    KINDS,
    LETTERS,
    REFERENCES,
    Records,
)

from seil.modeling.model import Models
from seil.settings import WarehouseSettings
from seil.warehouse import open_warehouse

# Of joins, of several keys, of sums.
SOME = ("sales_orders", "sales_order_line_items", "sales_line_items_booked_delivered")
ALL = ()


@pytest.fixture
def org_on_engine(
    whole_engine: WarehouseSettings, models: Models, tables: tuple[str, ...]
) -> Iterator[Org]:
    some = Models(models.select(tables), models.sources, zone=models.zone)
    files: dict[str, bytes] = {}
    opened = open_warehouse(whole_engine, open_url=lambda url: nullcontext(BytesIO(files[url])))
    with opened as warehouse:
        org = Org(warehouse, some, files)
        org.create()
        yield org


def changes(number: random.Random, tables: list[str]) -> list[Any]:
    """Of one load, as the property's strategy draws them."""
    return [
        (
            number.choice(tables),
            number.choice(LETTERS),
            number.choice(KINDS),
            number.randrange(2**16),
            number.randrange(2**16),
        )
        for _ in range(3)
    ]


@pytest.mark.matrix
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("tables", "rounds"), [pytest.param(SOME, 1, id="some"), pytest.param(ALL, 3, id="all")]
)
def test_incremental_builds_are_full_builds_on_every_engine(
    org_on_engine: Org, rounds: int
) -> None:
    org, number = org_on_engine, random.Random(20260301)
    records = Records(org)
    tables = sorted(org.columns.keys() & REFERENCES.keys())
    records.merge_first(tables)
    assert org.build().ok
    assert org.differing() == {}
    modes = set()
    for round_ in range(rounds):
        for _ in range(2):
            records.apply(changes(number, tables))
        if round_ == rounds - 1:
            org.cut_days_in("Australia/Sydney")
        modes |= {table.mode for table in org.build().tables}
        assert org.differing() == {}
    assert modes >= {"incremental", "full"}
