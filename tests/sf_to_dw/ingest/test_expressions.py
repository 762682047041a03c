"""Expressions run on a DuckDB of their own: no warehouse is needed, and none is reached."""

from __future__ import annotations

from contextlib import closing

import pyarrow as pa
import pytest

from seil.sf_to_dw.ingest.expressions import ExpressionCheck, Expressions

BATCH = pa.RecordBatch.from_pylist([{"Name": "7"}, {"Name": "x"}, {"Name": None}])


def test_an_expression_gives_values_and_where_it_failed() -> None:
    with closing(
        Expressions({"number": "CAST(Name AS INTEGER)", "length": "length(Name)"})
    ) as expressions:
        results = expressions.evaluate(BATCH)
    assert results["number"].values.to_pylist() == [7, None, None]
    assert results["number"].failed.to_pylist() == [False, True, False]
    assert results["length"].values.to_pylist() == [1, 1, None]


def test_expressions_are_duckdbs_whatever_the_warehouse_speaks() -> None:
    with closing(Expressions({"only_here": "list_sum([length(Name), 1])"})) as expressions:
        assert expressions.evaluate(BATCH)["only_here"].values.to_pylist() == [2, 2, 1]


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("seil.loads IS NULL", 'Referenced table "seil" not found'),
        ("(SELECT count(*) FROM salesforce.account) > 0", "account"),
        ("count(*) > 1", "TRY"),
        ("Name; DROP TABLE record", "more than one|exactly one|single"),
    ],
    ids=["a column of the ledger", "a table of the warehouse", "an aggregate", "two statements"],
)
def test_what_reaches_beyond_the_record_is_a_problem(expression: str, reason: str) -> None:
    with closing(ExpressionCheck(BATCH.schema)) as check:
        assert check.problem("length(Name) > 1", boolean=True) == ""
        assert any(word in check.problem(expression) for word in reason.split("|"))
