"""What PostgreSQL has no place for: rows wider than a page, names longer than 63 bytes."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from tests.warehouse.records import TYPES, Accounts

from seil.errors import WarehouseError
from seil.warehouse import Warehouse

LONG = "x" * 3_000


def wide(warehouse: Warehouse, folder: Path, texts: int) -> Accounts:
    names = [f"text_{number:03d}" for number in range(texts)]
    types = {**TYPES, **dict.fromkeys(names, pa.string())}
    accounts = Accounts(warehouse, folder, types)
    row = {"id": "A", "size": 1, **{name: f"{LONG}{name}" for name in names}, "stamp": 1}
    accounts.merge(accounts.file(1, [row]))
    return accounts


def test_long_texts_lie_beside_their_row(warehouse: Warehouse, tmp_path: Path) -> None:
    accounts = wide(warehouse, tmp_path, 400)
    assert accounts.select("SELECT text_399 FROM salesforce.account") == [(f"{LONG}text_399",)]


def test_a_row_that_no_page_holds_is_refused_before_anything_is_stored(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    with pytest.raises(WarehouseError, match=r"row is too big.*Limits. Nothing is lost"):
        wide(warehouse, tmp_path, 800)
    assert warehouse.query("SELECT * FROM salesforce.account").num_rows == 0


def test_too_many_columns_are_refused(warehouse: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match=r"at most 1600 columns.*Limits. Nothing is lost"):
        wide(warehouse, tmp_path, 1_700)
