"""Models of one's own: followed where they are understood, made anew where they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seil.catalog import load_catalog
from seil.sf_to_dw.site_models import site_models

Org = Any
ORDER = 'salesforce."order"'


def with_model(org: Org, folder: Path, sql: str) -> None:
    (folder / "mine.sql").write_text(sql, "utf-8")
    org.models = site_models(load_catalog(), folder)
    org.merge("account", [{"id": f"a{n}", "name": f"Account {n}"} for n in range(4)])
    orders = [{"id": f"o{n}", "accountid": f"a{n % 3}", "name": "x"} for n in range(9)]
    org.merge("order", orders)
    assert org.build("mine").ok


def as_built_anew(org: Org, sql: str) -> bool:
    columns = "SELECT * FROM"
    select, table = f"{columns} ({sql})", f"{columns} mine"
    return not org.rows(f"({select} EXCEPT ALL {table}) UNION ALL ({table} EXCEPT ALL {select})")


FOLLOWED = {
    "tables joined as they are": f"""
        SELECT o.id, a.name FROM {ORDER} AS o LEFT JOIN salesforce.account AS a
        ON o.accountid = a.id""",
    "an inner join": f"""
        SELECT o.id, a.name FROM {ORDER} AS o JOIN salesforce.account AS a
        ON a.id = o.accountid AND a.name > 'B' OR a.id = o.accountid""",
    "a join by WHERE": f"""
        SELECT o.id, a.name FROM {ORDER} AS o, salesforce.account AS a
        WHERE o.accountid = a.id""",
    "a sum over the driving record": f"""
        SELECT a.id, count(o.id) AS orders FROM salesforce.account AS a
        LEFT JOIN {ORDER} AS o ON o.accountid = a.id GROUP BY a.id""",
    "a query to read from": f"""
        SELECT o.id, o.n FROM (SELECT id, accountid, name AS n FROM {ORDER}) AS o""",
}
MADE_ANEW = {
    "a window over everything": (
        f"SELECT id, name, count(*) OVER () AS n FROM {ORDER}",
        "no output column identifies the driving record",
    ),
    "a sum of everything": (f"SELECT count(*) AS n FROM {ORDER}", "no output column identifies"),
    "a union": (
        f"SELECT id FROM {ORDER} UNION ALL SELECT id FROM salesforce.account",
        "the model is not a plain SELECT",
    ),
    "a limit": (f"SELECT id, name FROM {ORDER} ORDER BY id LIMIT 3", "not understood: limit"),
    "a query within": (
        f"SELECT id, name FROM {ORDER} WHERE accountid IN (SELECT id FROM salesforce.account)",
        "has a query within its where",
    ),
    "a join by unequal columns": (
        f"""SELECT o.id, a.name FROM {ORDER} AS o LEFT JOIN salesforce.account AS a
            ON lower(o.accountid) = a.id""",
        "a is not joined to o by equal columns",
    ),
    "no key among the columns": (f"SELECT name FROM {ORDER}", "no output column identifies"),
}


def change(org: Org) -> None:
    org.update("account", "a1", name="New")
    org.update("order", "o1", accountid="a2", name="y")
    org.update("order", "o5", isdeleted=True)


@pytest.mark.parametrize("sql", FOLLOWED.values(), ids=FOLLOWED)
def test_a_model_that_is_understood_is_followed(org: Org, tmp_path: Path, sql: str) -> None:
    with_model(org, tmp_path, sql)
    change(org)
    mine = org.built("mine")["mine"]
    assert (mine.mode, mine.reason) == ("incremental", "") or "OR" in sql
    assert as_built_anew(org, sql)


@pytest.mark.parametrize(("sql", "reason"), MADE_ANEW.values(), ids=MADE_ANEW)
def test_a_model_that_is_not_understood_is_made_anew(
    org: Org, tmp_path: Path, sql: str, reason: str
) -> None:
    with_model(org, tmp_path, sql)
    assert org.built("mine")["mine"].mode == "unchanged"
    change(org)
    mine = org.built("mine")["mine"]
    assert mine.mode == "full"
    assert reason in mine.reason
    assert as_built_anew(org, sql)


def test_a_model_with_an_unknown_function_is_made_anew_each_time(org: Org, tmp_path: Path) -> None:
    with_model(org, tmp_path, f"SELECT id, hash(id) AS number FROM {ORDER}")
    mine = org.built("mine")["mine"]
    assert (mine.mode, "hash" in mine.reason) == ("full", True)


def test_rows_without_a_driving_record_are_made_anew(org: Org, tmp_path: Path) -> None:
    sql = f"""
        WITH live AS (SELECT id FROM {ORDER} WHERE isdeleted IS NOT TRUE)
        SELECT l.id, o.name FROM {ORDER} AS o LEFT JOIN live AS l ON l.id = o.id"""
    with_model(org, tmp_path, sql)
    for expected in ("incremental", "full"):
        org.update("order", "o1" if expected == "full" else "o2", isdeleted=True)
        mine = org.built("mine")["mine"]
        assert mine.mode == expected
        assert as_built_anew(org, sql)


def test_a_model_that_reads_a_model_follows_its_rebuilds(org: Org, tmp_path: Path) -> None:
    (tmp_path / "top.sql").write_text("SELECT id, name FROM mine", "utf-8")
    with_model(org, tmp_path, f"SELECT id, name FROM {ORDER}")
    assert org.build("mine", "top").ok
    assert org.built("top")["top"].mode == "unchanged"
    change(org)
    org.build("mine")
    top = org.built("top")["top"]
    assert (top.mode, org.rows("FROM top EXCEPT ALL FROM mine")) == ("full", [])


def test_a_model_that_reads_a_model_does_not_mind_changes_without_effect(
    org: Org, tmp_path: Path
) -> None:
    (tmp_path / "top.sql").write_text("SELECT id, name FROM mine", "utf-8")
    with_model(org, tmp_path, f"SELECT id, upper(name) AS name FROM {ORDER}")
    assert org.build("mine", "top").ok
    org.update("order", "o1", name="X")
    tables = org.built("mine", "top")
    assert (tables["mine"].mode, tables["mine"].inserted) == ("incremental", 0)
    assert tables["top"].mode == "unchanged"
    assert org.built("top")["top"].mode == "unchanged"


BESIDE = {
    "behind SEMI": f"SELECT a.id FROM salesforce.account AS a SEMI JOIN {ORDER} AS o "
    "ON o.accountid = a.id",
    "a column that joins by name": f"SELECT a.id FROM salesforce.account AS a JOIN "
    f"(SELECT accountid AS id FROM {ORDER}) AS o USING (id)",
    "columns by pattern": f"SELECT COLUMNS('^accountid$') FROM {ORDER}",
}


@pytest.mark.parametrize("sql", BESIDE.values(), ids=BESIDE)
def test_a_column_that_is_read_without_being_named_is_followed(
    org: Org, tmp_path: Path, sql: str
) -> None:
    with_model(org, tmp_path, sql)
    org.update("order", "o1", accountid="a3")
    assert org.built("mine")["mine"].mode == "full"
    assert as_built_anew(org, sql)


def test_a_model_behind_semi_is_built_first(org: Org, tmp_path: Path) -> None:
    top = "SELECT id FROM salesforce.account AS a SEMI JOIN mine ON mine.accountid = a.id"
    (tmp_path / "a_top.sql").write_text(top, "utf-8")
    with_model(org, tmp_path, f"SELECT id, accountid FROM {ORDER}")
    assert org.build("a_top", "mine").ok
    org.update("order", "o1", accountid="a3")
    assert org.build("a_top", "mine").ok
    assert {row["id"] for row in org.rows("FROM a_top")} == {"a0", "a1", "a2", "a3"}


def test_rows_that_are_there_more_than_once_keep_their_number(org: Org, tmp_path: Path) -> None:
    sql = f"""
        SELECT a.id, o.name FROM salesforce.account AS a
        LEFT JOIN {ORDER} AS o ON o.accountid = a.id"""
    with_model(org, tmp_path, sql)
    touched = []
    for n, account in ((0, "a1"), (3, "a1"), (1, "a2"), (0, "a0")):
        org.update("order", f"o{n}", accountid=account)
        mine = org.built("mine")["mine"]
        touched.append((mine.mode, mine.deleted, mine.inserted))
        assert as_built_anew(org, sql)
    assert touched == [("incremental", 1, 1)] * 4


def test_tests_of_changed_rows_find_what_they_break(org: Org, tmp_path: Path) -> None:
    """Each breaks one promise by a change, and keeps the others."""
    with_model(org, tmp_path, f"SELECT id, accountid, name FROM {ORDER} WHERE NOT isdeleted")
    (tmp_path / "mine.yml").write_text(PROMISES, "utf-8")
    org.models = site_models(load_catalog(), tmp_path)
    broken: dict[str, Any] = {
        "unique(name)": {"name": "same"},
        "not_null(accountid)": {"accountid": None},
        "accepted_values(accountid)": {"accountid": "a9"},
        "expression(name <> 'bad')": {"name": "bad"},
    }
    for n in range(9):
        org.update("order", f"o{n}", name=f"name {n}")
    assert org.built("mine")["mine"].mode == "full"
    org.update("order", "o1", name="same")
    assert org.build("mine").ok
    for test, values in broken.items():
        (row,) = org.rows(f"SELECT accountid, name FROM {ORDER} WHERE id = 'o2'")
        org.update("order", "o2", **values)
        mine = org.built("mine")["mine"]
        assert (mine.mode, [failure.test for failure in mine.failures]) == ("incremental", [test])
        assert not mine.is_built
        org.update("order", "o2", **row)
        assert org.build("mine").ok
    assert as_built_anew(org, f"SELECT id, accountid, name FROM {ORDER} WHERE NOT isdeleted")


def test_tests_of_what_is_pointed_at_find_what_is_gone(org: Org, tmp_path: Path) -> None:
    (tmp_path / "parents.sql").write_text(
        "SELECT id, name FROM salesforce.account WHERE NOT isdeleted", "utf-8"
    )
    (tmp_path / "mine.yml").write_text(POINTS, "utf-8")
    with_model(org, tmp_path, f"SELECT id, accountid FROM {ORDER} WHERE NOT isdeleted")
    both = ("mine", "parents")
    assert org.build(*both).ok
    assert org.built(*both)["mine"].mode == "unchanged"
    org.update("account", "a3", isdeleted=True)
    assert org.build(*both).ok
    org.update("order", "o1", accountid="a3")
    moved = org.built(*both)["mine"]
    assert (moved.mode, [f.count for f in moved.failures]) == ("incremental", [1])
    org.update("order", "o1", accountid="a2")
    assert org.build(*both).ok
    org.update("account", "a2", isdeleted=True)
    tables = org.built(*both)
    assert (tables["mine"].mode, [f.count for f in tables["mine"].failures]) == ("unchanged", [4])
    org.update("account", "a2", isdeleted=False)
    assert org.build(*both).ok


PROMISES = """
name: mine
key: [id]
tests:
  - expression: "name <> 'bad'"
columns:
  - {name: id, type: text, tests: [not_null, unique]}
  - name: accountid
    type: text
    tests: [not_null, {accepted_values: {values: [a0, a1, a2]}}]
  - {name: name, type: text, tests: [unique]}
"""
POINTS = """
name: mine
key: [id]
columns:
  - {name: id, type: text, tests: [not_null, unique]}
  - name: accountid
    type: text
    tests:
      - relationships: {to: parents, field: id}
"""
